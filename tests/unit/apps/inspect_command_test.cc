#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "apps/juxmem/inspect_command_view.h"
#include "juxmem/env/real_disk.h"
#include "juxmem/storage/log/checkpoint_store.h"
#include "juxmem/storage/log/format.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem {
namespace {

// A folder as a node leaves it: three records of two streams and a checkpoint, made on the simulated disk.
class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "juxmem-inspect-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    node_.open();
    node_.keep({kStream, PromiseRecord{{4, 2}}});
    node_.keep(accepted(kStream, 12));
    node_.keep({kOtherStream, DecidedRecord{9, 3}});
    CheckpointStore store(node_.disk, node_.log->identity(), 0);
    const auto writer = store.write({kStream, 12});
    writer->add(Buffer::copy_of("state"), [&](const Status&) { writer->finish([](const Result<CheckpointRecord>&) {}); });
    node_.drain();
    copy_out();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void copy_out() {
    for (const DiskEntry& entry : node_.disk.files()) {
      const std::vector<std::byte> bytes = node_.disk.contents(entry.name);
      std::ofstream(folder_ + "/" + entry.name, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
  }
  Result<Inspection> look(const std::string& path) {
    records_.clear();
    return inspect(path, [this](const PlacedRecord& placed) { records_.push_back(placed); });
  }

  LogHarness node_;
  std::string folder_;
  std::vector<PlacedRecord> records_;
};

TEST_F(InspectTest, HealthyFolderHasNoFaults) {
  const auto found = look(folder_);
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_FALSE(found->has_faults());
  EXPECT_FALSE(found->in_use);
  EXPECT_EQ(records_.size(), 3U);
  const std::string text = inspection_text(*found);
  EXPECT_NE(text.find("3 records, the next one is 4"), std::string::npos) << text;
  EXPECT_EQ(text.find("FAULT"), std::string::npos) << text;
  const nlohmann::json json = inspection_json(*found);
  EXPECT_EQ(json["log"]["streams"][0]["accepted"], 12);
  EXPECT_EQ(json["log"]["streams"][1]["decided"], 9);
  EXPECT_EQ(json["checkpoints"][0]["pieces"], 1);
  EXPECT_EQ(json["faults_found"], false);
}

TEST_F(InspectTest, DamagedBatchIsAFault) {
  node_.disk.rot(wal::segment_name(1), wal::kSegmentHeaderBytes + 4096 + 50);
  copy_out();
  const auto found = look(folder_);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_faults());
  const std::string text = inspection_text(*found);
  EXPECT_NE(text.find("FAULT: damaged batch in log-0000000000000001 at 8192"), std::string::npos) << text;
  EXPECT_NE(text.find("LOST: records 2"), std::string::npos) << text;
  EXPECT_EQ(inspection_json(*found)["log"]["lost"][0]["first"], 2);
}

TEST_F(InspectTest, DamagedCheckpointIsAFault) {
  const std::string name = wal::checkpoint_name({kStream, 12});
  node_.disk.rot(name, wal::kCheckpointHeaderBytes + 18);
  copy_out();
  const auto found = look(folder_);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_faults());
  EXPECT_NE(inspection_text(*found).find("wrong checksum"), std::string::npos);
  EXPECT_TRUE(look(folder_ + "/" + name)->has_faults());
}

TEST_F(InspectTest, OneSegmentShowsItsBatches) {
  const auto found = look(folder_ + "/" + wal::segment_name(1));
  ASSERT_TRUE(found) << to_string(found.error());
  ASSERT_TRUE(found->segment);
  EXPECT_EQ(found->segment->findings.batches.size(), 3U);
  EXPECT_EQ(inspection_json(*found)["segment"]["batches"].size(), 3U);
  EXPECT_FALSE(found->has_faults());
  EXPECT_EQ(records_.size(), 3U);
}

TEST_F(InspectTest, FolderInUseIsReadAndSaid) {
  const auto owner = RealDisk::open({.folder = folder_});
  ASSERT_TRUE(owner);
  const auto found = look(folder_);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->in_use);
  EXPECT_NE(inspection_text(*found).find("A provider runs"), std::string::npos);
}

TEST_F(InspectTest, WhatIsNoLogIsRefused) {
  EXPECT_FALSE(look(folder_ + "/none"));
  EXPECT_FALSE(look(folder_ + "/identity"));
}

}  // namespace
}  // namespace juxmem

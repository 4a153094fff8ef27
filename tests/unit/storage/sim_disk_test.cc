#include "tests/sim/disk/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "tests/unit/storage/log_harness.h"

namespace juxmem::sim {
namespace {

struct SimDiskTest : testing::Test {
  void drain() {
    while (disk.next_due() != SimDisk::kNever) {
      clock.now_ = std::max(clock.now_, disk.next_due());
      disk.deliver_due();
    }
  }
  Status answer(const std::function<void(Disk::Done)>& submit) {
    std::optional<Status> got;
    submit([&got](Status status) { got = std::move(status); });
    drain();
    return got.value_or(fail(Code::kInternal, "no answer"));
  }
  Status write(std::uint64_t offset, const std::string& text) {
    return answer([&](auto done) { disk.write("a", offset, Buffer::copy_of(text), done); });
  }
  Status sync() {
    return answer([&](auto done) { disk.sync("a", done); });
  }
  void SetUp() override {
    ASSERT_TRUE(answer([&](auto done) { disk.allocate("a", 8192, done); }));
    ASSERT_TRUE(sync());
    ASSERT_TRUE(answer([&](auto done) { disk.sync_names(done); }));
  }
  std::string byte_at(std::uint64_t offset) const { return std::string(1, static_cast<char>(disk.contents("a")[offset])); }

  HandClock clock;
  SimDisk disk{{}, clock};
};

TEST_F(SimDiskTest, SyncedBytesSurviveAPowerFailure) {
  ASSERT_TRUE(write(1000, "x"));
  ASSERT_TRUE(sync());
  disk.crash(Crash::kPower);
  EXPECT_EQ(byte_at(1000), "x");
}

TEST_F(SimDiskTest, UnsyncedSectorsSurviveOrNot) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(write(0, std::string(1024, 'o')));
    ASSERT_TRUE(sync());
    ASSERT_TRUE(write(0, std::string(1024, 'n')));
    disk.crash(Crash::kPower);
    seen.insert(byte_at(0) + byte_at(512));
    // A sector is never half old and half new.
    EXPECT_EQ(byte_at(0), byte_at(511));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"nn", "no", "on", "oo"}));
}

TEST_F(SimDiskTest, KilledProcessLeavesTheCache) {
  ASSERT_TRUE(write(0, "x"));
  disk.crash(Crash::kProcess);
  EXPECT_EQ(byte_at(0), "x");
}

TEST_F(SimDiskTest, FailedSyncIsNotMadeGoodByTheNextOne) {
  bool lost = false;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(write(0, std::string(1, static_cast<char>('a' + i % 26))));
    disk.fail_next_sync();
    EXPECT_EQ(sync().error().code, Code::kIo);
    const std::string shown = byte_at(0);
    EXPECT_TRUE(sync());
    disk.crash(Crash::kPower);
    lost = lost || byte_at(0) != shown;
  }
  EXPECT_TRUE(lost);
}

TEST_F(SimDiskTest, UnsyncedNameMayBeForgotten) {
  bool forgotten = false;
  for (int i = 0; i < 50 && !forgotten; ++i) {
    ASSERT_TRUE(answer([&](auto done) { disk.rename("a", "b", done); }));
    disk.crash(Crash::kPower);
    forgotten = disk.files().front().name == "a";
    if (forgotten) break;
    ASSERT_TRUE(answer([&](auto done) { disk.rename("b", "a", done); }));
    ASSERT_TRUE(answer([&](auto done) { disk.sync_names(done); }));
  }
  EXPECT_TRUE(forgotten);
}

TEST_F(SimDiskTest, FullDiskRefusesNewSpaceOnly) {
  disk.set_capacity(8192);
  EXPECT_EQ(answer([&](auto done) { disk.allocate("b", 1, done); }).error().code, Code::kNoSpace);
  EXPECT_EQ(write(8192, "x").error().code, Code::kNoSpace);
  EXPECT_TRUE(write(8191, "x"));
}

TEST_F(SimDiskTest, SpoiledSectorReadsAgainOnceWritten) {
  const auto read = [&] {
    std::optional<Result<Buffer>> got;
    disk.read("a", 0, 1024, [&got](Result<Buffer> bytes) { got = std::move(bytes); });
    drain();
    return got->has_value();
  };
  disk.spoil("a", 600);
  EXPECT_FALSE(read());
  ASSERT_TRUE(write(512, std::string(512, 'x')));
  EXPECT_TRUE(read());
}

TEST_F(SimDiskTest, HangingDiskAnswersNobody) {
  bool answered = false;
  disk.hang(true);
  disk.sync("a", [&answered](const Status&) { answered = true; });
  EXPECT_EQ(disk.next_due(), SimDisk::kNever);
  clock.now_ += 1'000'000'000;
  disk.deliver_due();
  EXPECT_FALSE(answered);
  disk.hang(false);
  drain();
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace juxmem::sim

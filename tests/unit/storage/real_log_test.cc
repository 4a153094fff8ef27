// The log on a real folder: the same code as on the simulated disk, so only that the two fit together.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "juxmem/env/real_disk.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem {
namespace {

constexpr int kPatienceMs = 10'000;

class RealLogTest : public testing::TestWithParam<DiskEngine>, public LogListener {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "juxmem-log-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override {
    log_.reset();
    disk_.reset();
    std::filesystem::remove_all(folder_);
  }
  void on_log_record(const PlacedRecord& record) override { found_.push_back(record); }
  void on_log_open(const LogReport& report) override { complete_ = report.complete(); }
  void on_log_durable(Lsn) override {}
  void on_log_dead(const Error& error) override { ADD_FAILURE() << to_string(error); }
  void on_log_room() override {}

  // False if the system does not allow this way to the disk.
  bool open() {
    log_.reset();
    disk_.reset();
    found_.clear();
    auto disk = RealDisk::open({.folder = folder_, .engine = GetParam()});
    if (!disk) return false;
    disk_ = std::move(*disk);
    LogOptions options = small_log();
    options.fill_segments = true;
    LogListener& listener = *this;
    log_ = std::make_unique<WriteAheadLog>(*disk_, clock_, listener, options);
    if (!log_->open()) return false;
    return wait_for([this] { return log_->is_open(); });
  }
  template <typename Condition>
  bool wait_for(Condition condition) {
    while (!condition() && disk_->wait(kPatienceMs)) {
    }
    return condition();
  }

  std::string folder_;
  HandClock clock_;
  std::unique_ptr<RealDisk> disk_;
  std::unique_ptr<WriteAheadLog> log_;
  std::vector<PlacedRecord> found_;
  bool complete_ = false;
};

TEST_P(RealLogTest, DurableRecordsAreFoundAgain) {
  if (!open()) GTEST_SKIP() << "this system does not allow io_uring";
  Instance instance = 0;
  for (int batch = 0; batch < 30; ++batch) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(log_->append(accepted(kStream, ++instance, 700)));
    log_->end_turn();
    ASSERT_TRUE(wait_for([this] { return log_->durable_up_to() == log_->appended_up_to() && disk_->in_flight() == 0; }));
  }
  ASSERT_TRUE(open());
  EXPECT_TRUE(complete_);
  ASSERT_EQ(found_.size(), instance);
  EXPECT_EQ(found_.back().record, accepted(kStream, instance, 700));
}

INSTANTIATE_TEST_SUITE_P(Engines, RealLogTest, testing::Values(DiskEngine::kRing, DiskEngine::kThreads),
                         [](const auto& info) { return info.param == DiskEngine::kRing ? "Ring" : "Threads"; });

}  // namespace
}  // namespace juxmem

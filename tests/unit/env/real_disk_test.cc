#include "juxmem/env/real_disk.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace juxmem {
namespace {

constexpr int kPatienceMs = 10'000;

class TempFolder {
 public:
  TempFolder() {
    std::string name = testing::TempDir() + "juxmem-disk-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Both ways to the same files; a system without io_uring is served by threads.
class RealDiskTest : public testing::TestWithParam<DiskEngine> {
 protected:
  void SetUp() override {
    auto disk = open();
    if (!disk && disk.error().code == Code::kNotSupported) GTEST_SKIP() << "this system does not allow io_uring";
    ASSERT_TRUE(disk) << to_string(disk.error());
    disk_ = std::move(*disk);
  }

  Result<std::unique_ptr<RealDisk>> open(bool read_only = false) {
    return RealDisk::open({.folder = folder_.path() + "/log", .engine = GetParam(), .read_only = read_only});
  }

  // Submits, drives the disk until the answer is there.
  template <typename T, typename Submit>
  T answer(Submit submit) {
    std::optional<T> got;
    submit([&got](T result) { got = std::move(result); });
    EXPECT_FALSE(got) << "completed from inside the request";
    while (!got && disk_->wait(kPatienceMs)) {
    }
    EXPECT_TRUE(got);
    return got ? *got : T(fail(Code::kInternal, "no answer"));
  }
  Status allocate(const std::string& name, std::uint64_t size) {
    return answer<Status>([&](auto done) { disk_->allocate(name, size, done); });
  }
  Status write(const std::string& name, std::uint64_t offset, std::string_view text) {
    return answer<Status>([&](auto done) { disk_->write(name, offset, Buffer::copy_of(text), done); });
  }
  Status sync(const std::string& name) {
    return answer<Status>([&](auto done) { disk_->sync(name, done); });
  }
  Result<Buffer> read(const std::string& name, std::uint64_t offset, std::size_t size) {
    return answer<Result<Buffer>>([&](auto done) { disk_->read(name, offset, size, done); });
  }
  Result<std::vector<DiskEntry>> list() {
    return answer<Result<std::vector<DiskEntry>>>([&](auto done) { disk_->list(done); });
  }
  Status rename(const std::string& from, const std::string& to) {
    return answer<Status>([&](auto done) { disk_->rename(from, to, done); });
  }

  TempFolder folder_;
  std::unique_ptr<RealDisk> disk_;
};

TEST_P(RealDiskTest, WrittenBytesAreRead) {
  ASSERT_TRUE(allocate("a", 8192));
  ASSERT_TRUE(write("a", 4090, "across a page"));
  ASSERT_TRUE(sync("a"));
  EXPECT_EQ(read("a", 4090, 13)->text(), "across a page");
  EXPECT_EQ(read("a", 0, 2)->text(), std::string_view("\0\0", 2));
}

TEST_P(RealDiskTest, ReadingEndsWithTheFile) {
  ASSERT_TRUE(allocate("a", 10));
  EXPECT_EQ(read("a", 4, 100)->size(), 6U);
  EXPECT_EQ(read("a", 100, 100)->size(), 0U);
}

TEST_P(RealDiskTest, MissingFileIsNotFound) {
  EXPECT_EQ(read("none", 0, 1).error().code, Code::kNotFound);
  EXPECT_EQ(write("none", 0, "x").error().code, Code::kNotFound);
  EXPECT_EQ(rename("none", "other").error().code, Code::kNotFound);
}

TEST_P(RealDiskTest, NamesOutsideTheFolderAreRefused) {
  EXPECT_EQ(write("../a", 0, "x").error().code, Code::kInvalid);
  EXPECT_EQ(allocate(".lock", 1).error().code, Code::kInvalid);
  EXPECT_EQ(rename("a", "/a").error().code, Code::kInvalid);
}

TEST_P(RealDiskTest, RenamedFileKeepsItsBytes) {
  ASSERT_TRUE(allocate("a", 4));
  ASSERT_TRUE(write("a", 0, "data"));
  ASSERT_TRUE(allocate("b", 2));
  ASSERT_TRUE(write("b", 0, "no"));
  ASSERT_TRUE(rename("a", "b"));
  EXPECT_TRUE(answer<Status>([&](auto done) { disk_->sync_names(done); }));
  EXPECT_EQ(read("b", 0, 10)->text(), "data");
  EXPECT_EQ(*list(), (std::vector<DiskEntry>{{"b", 4}}));
  EXPECT_TRUE(answer<Status>([&](auto done) { disk_->remove("b", done); }));
  EXPECT_EQ(read("b", 0, 1).error().code, Code::kNotFound);
}

TEST_P(RealDiskTest, AllocatingKeepsALongerFile) {
  ASSERT_TRUE(allocate("a", 4));
  ASSERT_TRUE(write("a", 0, "data"));
  ASSERT_TRUE(allocate("a", 2));
  EXPECT_EQ(read("a", 0, 10)->text(), "data");
}

TEST_P(RealDiskTest, MoreSpaceThanThereIsIsRefused) {
  const Status refused = allocate("a", 1ULL << 60);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().code == Code::kNoSpace || refused.error().code == Code::kIo) << to_string(refused.error());
}

TEST_P(RealDiskTest, ManyRequestsAtOnceAreAllAnswered) {
  constexpr int kRequests = 1000;
  ASSERT_TRUE(allocate("a", kRequests * 8));
  int answered = 0;
  for (int i = 0; i < kRequests; ++i) {
    const std::string text = std::to_string(10'000'000 + i);
    disk_->write("a", static_cast<std::uint64_t>(i) * 8, Buffer::copy_of(text),
                 [&answered](const Status& status) { answered += status.has_value(); });
  }
  while (disk_->in_flight() > 0 && disk_->wait(kPatienceMs)) {
  }
  EXPECT_EQ(answered, kRequests);
  EXPECT_EQ(read("a", 999 * 8, 8)->text(), "10000999");
}

TEST_P(RealDiskTest, SecondOwnerIsRefused) {
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kBusy);
  disk_.reset();
  EXPECT_TRUE(open());
}

TEST_P(RealDiskTest, ReaderLooksIntoAFolderInUse) {
  ASSERT_TRUE(allocate("a", 4));
  auto reader = open(true);
  ASSERT_TRUE(reader);
  disk_ = std::move(*reader);
  EXPECT_EQ(read("a", 0, 10)->size(), 4U);
  EXPECT_EQ(write("a", 0, "x").error().code, Code::kInvalid);
  EXPECT_EQ(allocate("b", 1).error().code, Code::kInvalid);
}

TEST_P(RealDiskTest, DestroyedDiskCallsNobody) {
  ASSERT_TRUE(allocate("a", 4096));
  bool called = false;
  disk_->write("a", 0, Buffer::copy_of("x"), [&called](const Status&) { called = true; });
  disk_.reset();
  EXPECT_FALSE(called);
}

INSTANTIATE_TEST_SUITE_P(Engines, RealDiskTest, testing::Values(DiskEngine::kRing, DiskEngine::kThreads),
                         [](const auto& info) { return info.param == DiskEngine::kRing ? "Ring" : "Threads"; });

TEST(RealDisk, FolderThatCannotBeMadeIsNamed) {
  const auto refused = RealDisk::open({.folder = "/proc/none/log"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("/proc/none/log"), std::string::npos);
}

}  // namespace
}  // namespace juxmem

#include "juxmem/env/run_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "tests/unit/env/temp_dir.h"

namespace juxmem {
namespace {

namespace fs = std::filesystem;

class RunDirTest : public testing::Test {
 protected:
  std::size_t folders() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(base_)) count += entry.is_directory() ? 1 : 0;
    return count;
  }

  // A provider that announces itself and ends without cleaning up, as one that is killed.
  void leave_a_leftover() const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Result<RunDir> dir = RunDir::create(base_);
      const bool done = dir && dir->announce("ipc://nobody");
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  }

  TempDir temp_;
  std::string base_ = temp_.path() + "/base";
};

TEST_F(RunDirTest, FolderLivesAsLongAsItsObject) {
  std::optional<Result<RunDir>> dir = RunDir::create(base_);
  ASSERT_TRUE(*dir) << to_string(dir->error());
  const std::string path = (*dir)->path();
  EXPECT_TRUE(fs::is_directory(path));
  EXPECT_EQ((*dir)->ipc_address(), "ipc://" + path + "/agent");
  dir.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(RunDirTest, AnnouncedProviderIsFound) {
  Result<RunDir> dir = RunDir::create(base_);
  ASSERT_TRUE(dir);
  EXPECT_EQ(find_local_agent(base_).error().code, Code::kNotFound);
  ASSERT_TRUE(dir->announce("ipc://here"));
  const Result<std::string> found = find_local_agent(base_);
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(*found, "ipc://here");
}

TEST_F(RunDirTest, AllLivingProvidersAreListed) {
  Result<RunDir> first = RunDir::create(base_);
  Result<RunDir> second = RunDir::create(base_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(folders(), 2U);
  ASSERT_TRUE(first->announce("ipc://one"));
  ASSERT_TRUE(second->announce("ipc://two"));
  EXPECT_EQ(local_agents(base_).size(), 2U);
}

TEST_F(RunDirTest, KilledProviderIsNotFound) {
  leave_a_leftover();
  EXPECT_EQ(folders(), 1U);
  EXPECT_TRUE(local_agents(base_).empty());
}

TEST_F(RunDirTest, NextStartCleansLeftovers) {
  leave_a_leftover();
  leave_a_leftover();
  Result<RunDir> dir = RunDir::create(base_);
  ASSERT_TRUE(dir);
  EXPECT_EQ(folders(), 1U);
  EXPECT_TRUE(fs::is_directory(dir->path()));
}

TEST_F(RunDirTest, CleaningSparesTheLiving) {
  Result<RunDir> dir = RunDir::create(base_);
  ASSERT_TRUE(dir);
  leave_a_leftover();
  const Result<int> removed = clean_run_base(base_);
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, 1);
  EXPECT_TRUE(fs::is_directory(dir->path()));
}

TEST_F(RunDirTest, MovedFolderIsRemovedOnce) {
  Result<RunDir> dir = RunDir::create(base_);
  ASSERT_TRUE(dir);
  RunDir moved = std::move(*dir);
  EXPECT_TRUE(fs::is_directory(moved.path()));
  moved = std::move(*RunDir::create(base_));
  EXPECT_EQ(folders(), 1U);
}

TEST_F(RunDirTest, BaseThatOthersMayWriteIsRefused) {
  fs::create_directory(base_);
  ASSERT_EQ(::chmod(base_.c_str(), 0777), 0);
  const Result<RunDir> dir = RunDir::create(base_);
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error().code, Code::kIo);
}

TEST_F(RunDirTest, LinkInPlaceOfTheBaseIsRefused) {
  fs::create_directory(temp_.path() + "/elsewhere");
  fs::create_symlink(temp_.path() + "/elsewhere", base_);
  EXPECT_FALSE(RunDir::create(base_));
}

TEST_F(RunDirTest, PathTooLongForASocketIsRefused) {
  const Result<RunDir> dir = RunDir::create(base_ + std::string(100, 'x'));
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error().code, Code::kTooBig);
}

}  // namespace
}  // namespace juxmem

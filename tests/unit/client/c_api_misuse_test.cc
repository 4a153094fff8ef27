#include <gtest/gtest.h>
#include <juxmem/juxmem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/unit/client/embedded_fixture.h"

namespace juxmem {
namespace {

using CApiMisuse = EmbeddedGrid;

TEST_F(CApiMisuse, ReleaseWithoutAcquire) {
  const juxmem_id id = block(10);
  EXPECT_EQ(juxmem_release(grid, id), JUXMEM_ENOTHELD);
  EXPECT_EQ(juxmem_try_release(grid, id), JUXMEM_ENOTHELD);
}

TEST_F(CApiMisuse, DoubleRelease) {
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK);
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
  EXPECT_EQ(juxmem_release(grid, id), JUXMEM_ERELEASED);
}

TEST_F(CApiMisuse, AcquireTwiceByOneThread) {
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_acquire_read(grid, id), JUXMEM_OK);
  EXPECT_EQ(juxmem_acquire(grid, id), JUXMEM_EHELD);
  EXPECT_EQ(juxmem_try_acquire_read(grid, id), JUXMEM_EHELD);
  char byte = 0;
  EXPECT_EQ(juxmem_write(grid, id, 0, &byte, 1), JUXMEM_EHELD);
  EXPECT_EQ(juxmem_read(grid, id, 0, &byte, 1), JUXMEM_EHELD);
  EXPECT_EQ(juxmem_free(grid, id), JUXMEM_EHELD);
  EXPECT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApiMisuse, UseAfterUnmap) {
  const juxmem_id id = block(10);
  void* memory = map(id, 0, 0);
  ASSERT_EQ(juxmem_munmap(grid, memory), JUXMEM_OK);
  EXPECT_EQ(juxmem_munmap(grid, memory), JUXMEM_EUNMAPPED);
}

TEST_F(CApiMisuse, UnmapInsideASection) {
  const juxmem_id id = block(10);
  void* memory = map(id, 0, 0);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK);
  EXPECT_EQ(juxmem_munmap(grid, memory), JUXMEM_EHELD);
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
  EXPECT_EQ(juxmem_munmap(grid, memory), JUXMEM_OK);
}

TEST_F(CApiMisuse, ForeignPointer) {
  int local = 0;
  EXPECT_EQ(juxmem_munmap(grid, &local), JUXMEM_EFOREIGN);
  EXPECT_EQ(juxmem_munmap(grid, nullptr), JUXMEM_EFOREIGN);
  auto* memory = static_cast<char*>(map(block(10), 0, 0));
  EXPECT_EQ(juxmem_munmap(grid, memory + 1), JUXMEM_EFOREIGN);
}

TEST_F(CApiMisuse, UnknownId) {
  juxmem_stat_info info;
  void* memory = nullptr;
  char byte = 0;
  const juxmem_id known = block(10);
  // In groups that do not exist, in the root, and beside a known one.
  for (const juxmem_id id : {~juxmem_id{0}, juxmem_id{12345}, known + 1}) {
    SCOPED_TRACE(id);
    EXPECT_EQ(juxmem_acquire(grid, id), JUXMEM_ENOENT) << juxmem_last_error();
  }
  for (const juxmem_id id : {juxmem_id{0}, known + 1}) {
    SCOPED_TRACE(id);
    EXPECT_EQ(juxmem_stat(grid, id, &info, nullptr, 0), JUXMEM_ENOENT);
    EXPECT_EQ(juxmem_mmap(grid, id, 0, 0, &memory), JUXMEM_ENOENT);
    EXPECT_EQ(juxmem_read(grid, id, 0, &byte, 1), JUXMEM_ENOENT);
    EXPECT_EQ(juxmem_write(grid, id, 0, &byte, 1), JUXMEM_ENOENT);
    EXPECT_EQ(juxmem_free(grid, id), JUXMEM_ENOENT);
    EXPECT_EQ(juxmem_wait(grid, id, 0, 1000, nullptr), JUXMEM_ENOENT);
  }
}

TEST_F(CApiMisuse, LengthBeyondTheBlock) {
  const juxmem_id id = block(100);
  void* memory = nullptr;
  char bytes[101] = {};
  EXPECT_EQ(juxmem_mmap(grid, id, 0, 101, &memory), JUXMEM_ERANGE);
  EXPECT_EQ(juxmem_mmap(grid, id, 100, 0, &memory), JUXMEM_ERANGE);
  EXPECT_EQ(juxmem_mmap(grid, id, 50, ~std::uint64_t{0}, &memory), JUXMEM_ERANGE);
  EXPECT_EQ(juxmem_read(grid, id, 0, bytes, 101), JUXMEM_ERANGE);
  EXPECT_EQ(juxmem_write(grid, id, 1, bytes, 100), JUXMEM_ERANGE);
  EXPECT_EQ(juxmem_write(grid, id, ~std::uint64_t{0}, bytes, 2), JUXMEM_ERANGE);
}

TEST_F(CApiMisuse, OutOfMemoryInTheGrid) {
  juxmem_id id = 0;
  EXPECT_EQ(juxmem_malloc(grid, std::uint64_t{2} << 30, nullptr, &id), JUXMEM_ENOSPC) << juxmem_last_error();
  EXPECT_EQ(id, 0U);
}

TEST_F(CApiMisuse, ImpossibleShapesSayWhatThereIs) {
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.sites = 2;
  juxmem_id id = 0;
  EXPECT_EQ(juxmem_malloc(grid, 10, &attr, &id), JUXMEM_ESHAPE);
  EXPECT_NE(std::string(juxmem_last_error()).find('1'), std::string::npos) << juxmem_last_error();
}

TEST_F(CApiMisuse, DiskWithoutADataFolder) {
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.durability = JUXMEM_DISK;
  juxmem_id id = 0;
  EXPECT_EQ(juxmem_malloc(grid, 10, &attr, &id), JUXMEM_ESHAPE);
  EXPECT_NE(std::string(juxmem_last_error()).find("data folder"), std::string::npos) << juxmem_last_error();
}

TEST_F(CApiMisuse, OverlappingMappings) {
  const juxmem_id id = block(100);
  map(id, 10, 20);
  void* memory = nullptr;
  EXPECT_EQ(juxmem_mmap(grid, id, 29, 5, &memory), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_mmap(grid, id, 30, 5, &memory), JUXMEM_OK);
}

TEST_F(CApiMisuse, InvalidArguments) {
  juxmem_id id = 0;
  EXPECT_EQ(juxmem_malloc(grid, 0, nullptr, &id), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_malloc(grid, 1, nullptr, nullptr), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_malloc(nullptr, 1, nullptr, &id), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_calloc(grid, std::uint64_t{1} << 40, std::uint64_t{1} << 40, nullptr, &id), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_publish(grid, "", block(1)), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_publish(grid, nullptr, block(1)), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_publish(grid, std::string(2000, 'n').c_str(), block(1)), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_publish(grid, "a\nb", block(1)), JUXMEM_EINVAL);
  EXPECT_EQ(juxmem_list(grid, "", nullptr, nullptr, nullptr), JUXMEM_EINVAL);
  juxmem_attr attr{};
  EXPECT_EQ(juxmem_malloc(grid, 1, &attr, &id), JUXMEM_EINVAL) << "without juxmem_attr_init";
  const std::string large(70'000, 'm');
  juxmem_attr_init(&attr);
  attr.meta = large.data();
  attr.meta_bytes = large.size();
  EXPECT_EQ(juxmem_malloc(grid, 1, &attr, &id), JUXMEM_ETOOBIG);
}

TEST_F(CApiMisuse, NamesOfOthersStayTheirs) {
  const juxmem_id first = block(1);
  const juxmem_id second = block(1);
  ASSERT_EQ(juxmem_publish(grid, "n", first), JUXMEM_OK);
  EXPECT_EQ(juxmem_publish(grid, "n", second), JUXMEM_EEXIST);
  EXPECT_EQ(juxmem_publish(grid, "n", first), JUXMEM_OK) << "again for the same block";
  EXPECT_EQ(juxmem_unpublish(grid, "m"), JUXMEM_ENONAME);
  EXPECT_EQ(juxmem_publish(grid, "nothing", first + 1000), JUXMEM_ENOENT);
}

TEST_F(CApiMisuse, AChildHasToOpenItsOwn) {
  const juxmem_id id = block(10);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = juxmem_acquire(grid, id) == JUXMEM_EFORKED && juxmem_close(grid) == JUXMEM_EFORKED;
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(CApiOpen, MalformedPlaces) {
  juxmem_grid* grid = nullptr;
  for (const char* uri : {"", "http://x", "tcp://", ",,", "localhost:80"}) {
    EXPECT_EQ(juxmem_open(uri, nullptr, &grid), JUXMEM_EINVAL) << uri;
  }
  EXPECT_EQ(juxmem_open("embedded:", nullptr, nullptr), JUXMEM_EINVAL);
  juxmem_options options{};
  EXPECT_EQ(juxmem_open("embedded:", &options, &grid), JUXMEM_EINVAL) << "without juxmem_options_init";
  EXPECT_EQ(grid, nullptr);
}

TEST(CApiOpen, NobodyThere) {
  juxmem_options options;
  juxmem_options_init(&options);
  options.call_limit_ms = 200;
  juxmem_grid* grid = nullptr;
  EXPECT_EQ(juxmem_open("ipc:///nonexistent/juxmem", &options, &grid), JUXMEM_ECONN);
  EXPECT_EQ(grid, nullptr);
  EXPECT_EQ(juxmem_close(nullptr), JUXMEM_OK);
}

}  // namespace
}  // namespace juxmem

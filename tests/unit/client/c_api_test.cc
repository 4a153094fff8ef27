#include <gtest/gtest.h>
#include <juxmem/juxmem.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/unit/client/embedded_fixture.h"

namespace juxmem {
namespace {

using CApi = EmbeddedGrid;

TEST_F(CApi, AllocatedMemoryIsZero) {
  const juxmem_id id = block(10'000);
  std::vector<unsigned char> data(10'000, 1);
  ASSERT_EQ(juxmem_read(grid, id, 0, data.data(), data.size()), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(data, std::vector<unsigned char>(10'000, 0));
}

TEST_F(CApi, WhatIsReleasedIsReadByOthers) {
  const juxmem_id id = block(3 * 4096);
  void* memory = map(id, 0, 0);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK) << juxmem_last_error();
  std::strcpy(static_cast<char*>(memory) + 5000, "hello");
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK) << juxmem_last_error();
  char text[6] = {};
  ASSERT_EQ(juxmem_read(grid, id, 5000, text, 6), JUXMEM_OK) << juxmem_last_error();
  EXPECT_STREQ(text, "hello");
}

TEST_F(CApi, AcquireShowsWhatOthersWrote) {
  const juxmem_id id = block(2 * 4096);
  auto* memory = static_cast<char*>(map(id, 0, 0));
  ASSERT_EQ(juxmem_write(grid, id, 4090, "across pages", 12), JUXMEM_OK) << juxmem_last_error();
  ASSERT_EQ(juxmem_acquire_read(grid, id), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(std::string(memory + 4090, 12), "across pages");
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
  ASSERT_EQ(juxmem_write(grid, id, 0, "more", 4), JUXMEM_OK);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK);
  EXPECT_EQ(std::string(memory, 4), "more");
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApi, LargeSectionsAreReleasedWhole) {
  constexpr std::size_t kSize = (24U << 20) + 123;
  const juxmem_id id = block(kSize);
  auto* memory = static_cast<unsigned char*>(map(id, 0, 0));
  for (int round = 1; round <= 2; ++round) {
    ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK) << juxmem_last_error();
    for (std::size_t i = 0; i < kSize; ++i) memory[i] = static_cast<unsigned char>(i * 7 + static_cast<unsigned>(round));
    ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK) << juxmem_last_error();
  }
  std::vector<unsigned char> copy(kSize);
  ASSERT_EQ(juxmem_read(grid, id, 0, copy.data(), kSize), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(std::memcmp(copy.data(), memory, kSize), 0);
}

TEST_F(CApi, LargeWritesAreOneSection) {
  constexpr std::size_t kSize = 5U << 20;
  const juxmem_id id = block(kSize);
  const std::vector<char> data(kSize - 10, 'x');
  ASSERT_EQ(juxmem_write(grid, id, 10, data.data(), data.size()), JUXMEM_OK) << juxmem_last_error();
  std::vector<char> copy(kSize);
  ASSERT_EQ(juxmem_read(grid, id, 0, copy.data(), kSize), JUXMEM_OK);
  EXPECT_EQ(copy[9], 0);
  EXPECT_EQ(std::vector<char>(copy.begin() + 10, copy.end()), data);
}

TEST_F(CApi, PartsOfABlockBeyondTwoGiBCanBeMapped) {
  constexpr std::uint64_t kGiB = 1ULL << 30;
  juxmem_close(grid);
  grid = nullptr;
  juxmem_options options;
  juxmem_options_init(&options);
  options.embedded_memory_bytes = 8 * kGiB;
  ASSERT_EQ(juxmem_open("embedded:", &options, &grid), JUXMEM_OK) << juxmem_last_error();
  const juxmem_id id = block(5 * kGiB);
  auto* first = static_cast<char*>(map(id, 100, 50));
  auto* last = static_cast<char*>(map(id, 5 * kGiB - 5000, 0));
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK) << juxmem_last_error();
  first[49] = 'a';
  last[4999] = 'z';
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK) << juxmem_last_error();
  char byte = 0;
  ASSERT_EQ(juxmem_read(grid, id, 149, &byte, 1), JUXMEM_OK);
  EXPECT_EQ(byte, 'a');
  ASSERT_EQ(juxmem_read(grid, id, 5 * kGiB - 1, &byte, 1), JUXMEM_OK);
  EXPECT_EQ(byte, 'z');
  ASSERT_EQ(juxmem_munmap(grid, first), JUXMEM_OK);
  ASSERT_EQ(juxmem_munmap(grid, last), JUXMEM_OK);
  auto* whole = static_cast<char*>(map(id, 0, 0));
  ASSERT_EQ(juxmem_acquire_read(grid, id), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(whole[149], 'a');
  EXPECT_EQ(whole[3 * kGiB], 0);
  EXPECT_EQ(whole[5 * kGiB - 1], 'z');
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApi, AMappingMadeInsideASectionShowsIt) {
  const juxmem_id id = block(8192);
  ASSERT_EQ(juxmem_write(grid, id, 8000, "there", 5), JUXMEM_OK);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK);
  auto* memory = static_cast<char*>(map(id, 4096, 0));
  EXPECT_EQ(std::string(memory + 8000 - 4096, 5), "there");
  memory[0] = '!';
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
  char byte = 0;
  ASSERT_EQ(juxmem_read(grid, id, 4096, &byte, 1), JUXMEM_OK);
  EXPECT_EQ(byte, '!');
}

TEST_F(CApi, VersionsGrowWithEveryRelease) {
  const juxmem_id id = block(100);
  juxmem_stat_info before;
  juxmem_stat_info after;
  ASSERT_EQ(juxmem_stat(grid, id, &before, nullptr, 0), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(before.size, 100U);
  EXPECT_EQ(before.version, 0U);
  EXPECT_EQ(before.sites, 1U);
  EXPECT_EQ(before.nodes_per_site, 1U);
  ASSERT_EQ(juxmem_write(grid, id, 0, "x", 1), JUXMEM_OK);
  ASSERT_EQ(juxmem_stat(grid, id, &after, nullptr, 0), JUXMEM_OK);
  EXPECT_GT(after.version, before.version);
  std::uint64_t newer = 0;
  ASSERT_EQ(juxmem_wait(grid, id, before.version, 10'000, &newer), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(newer, after.version);
  EXPECT_EQ(juxmem_wait(grid, id, after.version, 0, &newer), JUXMEM_ETIMEDOUT);

  ASSERT_EQ(juxmem_acquire_read(grid, id), JUXMEM_OK);
  std::uint64_t shown = 0;
  ASSERT_EQ(juxmem_section_version(grid, id, &shown), JUXMEM_OK);
  EXPECT_EQ(shown, after.version);
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApi, MetaDataStaysWithTheBlock) {
  const std::string meta = "two dimensions, 16-bit integers";
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.meta = meta.data();
  attr.meta_bytes = meta.size();
  juxmem_id id = 0;
  ASSERT_EQ(juxmem_malloc(grid, 10, &attr, &id), JUXMEM_OK) << juxmem_last_error();
  char text[100] = {};
  juxmem_stat_info info;
  ASSERT_EQ(juxmem_stat(grid, id, &info, text, sizeof text), JUXMEM_OK);
  EXPECT_EQ(info.meta_bytes, meta.size());
  EXPECT_EQ(text, meta);
}

TEST_F(CApi, NamesAreFoundAndListed) {
  const juxmem_id id = block(10);
  for (const char* name : {"b/2", "a", "b/1"}) ASSERT_EQ(juxmem_publish(grid, name, id), JUXMEM_OK) << juxmem_last_error();
  juxmem_id found = 0;
  ASSERT_EQ(juxmem_lookup(grid, "b/1", &found), JUXMEM_OK);
  EXPECT_EQ(found, id);
  std::vector<std::string> names;
  const auto add = [](const char* name, juxmem_id, void* context) {
    static_cast<std::vector<std::string>*>(context)->emplace_back(name);
    return 0;
  };
  ASSERT_EQ(juxmem_list(grid, "b/", add, &names, nullptr), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(names, (std::vector<std::string>{"b/1", "b/2"}));
  int visited = 0;
  const auto stop = [](const char*, juxmem_id, void*) { return 7; };
  ASSERT_EQ(juxmem_list(grid, "", stop, nullptr, &visited), JUXMEM_OK);
  EXPECT_EQ(visited, 7);
  ASSERT_EQ(juxmem_unpublish(grid, "a"), JUXMEM_OK);
  EXPECT_EQ(juxmem_lookup(grid, "a", &found), JUXMEM_ENONAME);
}

TEST_F(CApi, FreedBlocksAreGone) {
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_free(grid, id), JUXMEM_OK) << juxmem_last_error();
  EXPECT_EQ(juxmem_free(grid, id), JUXMEM_ENOENT);
  EXPECT_EQ(juxmem_acquire(grid, id), JUXMEM_ENOENT);
}

TEST_F(CApi, SeveralGridsAreSeparate) {
  juxmem_grid* other = nullptr;
  ASSERT_EQ(juxmem_open("embedded:", nullptr, &other), JUXMEM_OK) << juxmem_last_error();
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_publish(grid, "mine", id), JUXMEM_OK);
  juxmem_id found = 0;
  EXPECT_EQ(juxmem_lookup(other, "mine", &found), JUXMEM_ENONAME);
  EXPECT_EQ(juxmem_close(other), JUXMEM_OK);
}

TEST_F(CApi, TriedAndTimedFormsTakeAFreeBlock) {
  const juxmem_id id = block(10);
  for (const auto take : {juxmem_try_acquire, juxmem_try_acquire_read}) {
    ASSERT_EQ(take(grid, id), JUXMEM_OK) << juxmem_last_error();
    ASSERT_EQ(juxmem_try_release(grid, id), JUXMEM_OK) << juxmem_last_error();
  }
  for (const auto take : {juxmem_timed_acquire, juxmem_timed_acquire_read}) {
    ASSERT_EQ(take(grid, id, JUXMEM_NO_LIMIT), JUXMEM_OK) << juxmem_last_error();
    ASSERT_EQ(juxmem_timed_release(grid, id, INT64_MAX), JUXMEM_OK) << juxmem_last_error();
  }
}

TEST(CApiTexts, EveryErrorHasItsText) {
  for (const int code : {JUXMEM_OK, JUXMEM_EOWNERDEAD, JUXMEM_EINTERNAL}) {
    EXPECT_STRNE(juxmem_strerror(code), "unknown error");
  }
  EXPECT_STREQ(juxmem_strerror(-1), "unknown error");
  EXPECT_STREQ(juxmem_strerror(40), "unknown error");
  EXPECT_STREQ(juxmem_version(), "0.1.0");
}

}  // namespace
}  // namespace juxmem

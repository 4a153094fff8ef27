#include "juxmem/storage/page_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace juxmem {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

bool all_zero(const PageArena& arena, const Extent& extent) {
  const std::byte* data = arena.data(extent);
  return std::all_of(data, data + extent.pages * kPageBytes, [](std::byte b) { return b == std::byte{0}; });
}

bool never_written(const PageArena& arena, const Extent& extent) {
  return std::ranges::all_of(arena.versions(extent), [](Version v) { return v == 0; });
}

TEST(PageArena, FreshExtentIsZero) {
  PageArena arena = *PageArena::create(kMiB);
  const Extent extent = *arena.allocate(3);
  EXPECT_TRUE(all_zero(arena, extent));
  EXPECT_TRUE(never_written(arena, extent));
  EXPECT_EQ(arena.used_bytes(), 3 * kPageBytes);
}

TEST(PageArena, ExtentUsedBeforeIsZeroAgain) {
  PageArena arena = *PageArena::create(16 * kMiB);
  const Extent before = *arena.allocate(7);
  const Extent extent = *arena.allocate(2000);
  std::memset(arena.data(extent), 1, extent.pages * kPageBytes);
  std::ranges::fill(arena.versions(extent), 9);
  std::ranges::fill(arena.versions(before), 5);
  arena.free(extent);
  const Extent again = *arena.allocate(2000);
  ASSERT_EQ(again, extent);
  EXPECT_TRUE(all_zero(arena, again));
  EXPECT_TRUE(never_written(arena, again));
  EXPECT_EQ(arena.versions(before).front(), 5U);
  EXPECT_EQ(arena.versions(before).back(), 5U);
}

TEST(PageArena, BeyondCapacityIsRefused) {
  PageArena arena = *PageArena::create(10 * kPageBytes);
  const Extent extent = *arena.allocate(6);
  const auto refused = arena.allocate(5);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kNoSpace);
  EXPECT_TRUE(arena.allocate(4));
  arena.free(extent);
  EXPECT_TRUE(arena.allocate(6));
}

TEST(PageArena, ZeroCapacityIsRefused) { EXPECT_EQ(PageArena::create(100).error().code, Code::kInvalid); }

TEST(PageArena, FragmentedAddressesAreExtended) {
  constexpr std::uint64_t kPages = 4096;
  PageArena arena = *PageArena::create(kPages * kPageBytes);
  std::vector<Extent> live;
  // Single pages all over the first region, so that no long extent is left in it.
  for (std::uint64_t pages = 1; pages * 2 <= kPages; pages *= 2) {
    std::vector<Extent> round;
    while (auto extent = arena.allocate(pages)) round.push_back(*extent);
    for (std::size_t i = 0; i < round.size(); ++i) {
      if (i % 2 == 0)
        arena.free(round[i]);
      else
        live.push_back(round[i]);
    }
    for (const Extent& extent : live) ASSERT_NE(arena.data(extent), nullptr);
  }
  for (const Extent& extent : live) std::memset(arena.data(extent), 7, extent.pages * kPageBytes);
  for (const Extent& extent : live) arena.free(extent);
  EXPECT_EQ(arena.used_bytes(), 0U);
  const Extent whole = *arena.allocate(kPages);
  EXPECT_TRUE(all_zero(arena, whole));
}

TEST(PageArena, ExtentsAboveTwoGiBCanBeWrittenAnywhere) {
  constexpr std::uint64_t kBytes = 5ULL << 30;
  PageArena arena = *PageArena::create(2 * kBytes);
  const Extent first = *arena.allocate(1);
  const Extent large = *arena.allocate(pages_of(kBytes));
  std::byte* data = arena.data(large);
  data[kBytes - 1] = std::byte{1};
  data[3ULL << 30] = std::byte{2};
  arena.versions(large)[pages_of(kBytes) - 1] = 4;
  EXPECT_EQ(data[kBytes - 1], std::byte{1});
  EXPECT_EQ(data[(3ULL << 30) + 1], std::byte{0});
  EXPECT_TRUE(all_zero(arena, first));
  arena.free(large);
  EXPECT_EQ(arena.used_bytes(), kPageBytes);
}

TEST(PageArena, MovedArenaKeepsItsMemory) {
  PageArena arena = *PageArena::create(kMiB);
  const Extent extent = *arena.allocate(1);
  arena.data(extent)[5] = std::byte{6};
  PageArena other = std::move(arena);
  EXPECT_EQ(other.data(extent)[5], std::byte{6});
  EXPECT_EQ(other.used_bytes(), kPageBytes);
}

}  // namespace
}  // namespace juxmem

#include "juxmem/storage/extent_allocator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "juxmem/base/random.h"

namespace juxmem {
namespace {

TEST(ExtentAllocator, TakesTheSmallestExtentThatFits) {
  ExtentAllocator allocator;
  allocator.add_region({0, 100});
  const Extent a = *allocator.allocate(10);
  const Extent b = *allocator.allocate(5);
  ASSERT_TRUE(allocator.allocate(20));
  allocator.free(a);
  EXPECT_EQ(*allocator.allocate(8), (Extent{a.first_page, 8}));
  EXPECT_EQ(b.pages, 5U);
  allocator.check_invariants();
}

TEST(ExtentAllocator, NeighboursMergeWhenGivenBack) {
  ExtentAllocator allocator;
  allocator.add_region({0, 30});
  const Extent a = *allocator.allocate(10);
  const Extent b = *allocator.allocate(10);
  const Extent c = *allocator.allocate(10);
  EXPECT_FALSE(allocator.allocate(1));
  allocator.free(a);
  allocator.free(c);
  EXPECT_EQ(allocator.largest_free_extent(), 10U);
  allocator.free(b);
  EXPECT_EQ(allocator.largest_free_extent(), 30U);
}

TEST(ExtentAllocator, ExtentsDoNotCrossRegions) {
  ExtentAllocator allocator;
  allocator.add_region({0, 10});
  allocator.add_region({10, 10});
  EXPECT_FALSE(allocator.allocate(11));
  const Extent a = *allocator.allocate(10);
  const Extent b = *allocator.allocate(10);
  allocator.free(b);
  allocator.free(a);
  EXPECT_EQ(allocator.largest_free_extent(), 10U);
  allocator.check_invariants();
}

class ExtentAllocatorProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ExtentAllocatorProperty, NoPageIsGivenTwiceAndNoneIsLost) {
  SCOPED_TRACE("replay: storage_test --gtest_filter='*NoPageIsGivenTwiceAndNoneIsLost/" + std::to_string(GetParam()) + "'");
  Random random(GetParam());
  constexpr std::uint64_t kPages = 400;
  ExtentAllocator allocator;
  allocator.add_region({0, 150});
  allocator.add_region({150, kPages - 150});
  std::vector<bool> taken(kPages, false);
  std::vector<Extent> extents;
  std::uint64_t free_pages = kPages;
  for (int step = 0; step < 2000; ++step) {
    if (extents.empty() || random.chance(550'000)) {
      const std::optional<Extent> extent = allocator.allocate(1 + random.below(40));
      if (!extent) continue;
      for (std::uint64_t p = extent->first_page; p < extent->first_page + extent->pages; ++p) {
        ASSERT_FALSE(taken[p]);
        taken[p] = true;
      }
      free_pages -= extent->pages;
      extents.push_back(*extent);
    } else {
      const std::size_t which = random.below(extents.size());
      const Extent extent = extents[which];
      extents[which] = extents.back();
      extents.pop_back();
      for (std::uint64_t p = extent.first_page; p < extent.first_page + extent.pages; ++p) taken[p] = false;
      free_pages += extent.pages;
      allocator.free(extent);
    }
    ASSERT_EQ(allocator.free_pages(), free_pages);
    allocator.check_invariants();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExtentAllocatorProperty, testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace juxmem

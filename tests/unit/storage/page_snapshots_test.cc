#include "juxmem/storage/page_snapshots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "juxmem/base/random.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

// An owner of extents that writes one byte value per page.
struct Rig {
  Extent allocate(std::uint64_t pages) {
    const Extent extent = *arena.allocate(pages);
    born[extent.first_page] = snapshots.last_opened();
    return extent;
  }
  void write(const Extent& extent, std::uint64_t page, char fill, Version version) {
    snapshots.before_write(extent, born[extent.first_page], page, 1);
    std::memset(arena.data(extent) + page * kPageBytes, fill, kPageBytes);
    arena.versions(extent)[page] = version;
  }
  void free(const Extent& extent) { snapshots.free(extent, born[extent.first_page]); }
  // The version, and the byte that fills the page; '?' if it is not one.
  std::pair<Version, char> page(SnapshotNumber number, const Extent& extent, std::uint64_t page) const {
    const PageView view = snapshots.page(number, extent, page);
    if (view.version == 0) return {0, '\0'};
    const std::span bytes(view.data, kPageBytes);
    const bool uniform = std::ranges::all_of(bytes, [&](std::byte byte) { return byte == bytes[0]; });
    return {view.version, uniform ? static_cast<char>(bytes[0]) : '?'};
  }

  PageArena arena = *PageArena::create(16 * kMiB);
  PageSnapshots snapshots{arena};
  std::map<std::uint64_t, SnapshotNumber> born;
};

using Page = std::pair<Version, char>;

TEST(PageSnapshots, PageWrittenAfterwardsIsAsItWas) {
  Rig rig;
  const Extent extent = rig.allocate(3);
  rig.write(extent, 0, 'a', 1);
  rig.snapshots.open(1);
  rig.write(extent, 0, 'b', 2);
  rig.write(extent, 1, 'c', 3);
  EXPECT_EQ(rig.page(1, extent, 0), Page(1, 'a'));
  EXPECT_EQ(rig.page(1, extent, 1), Page(0, '\0'));
  EXPECT_EQ(rig.page(1, extent, 2), Page(0, '\0'));
}

TEST(PageSnapshots, FreedExtentStaysUntilItsSnapshotIsClosed) {
  Rig rig;
  const Extent extent = rig.allocate(4);
  rig.write(extent, 2, 'a', 1);
  rig.snapshots.open(1);
  rig.free(extent);
  EXPECT_EQ(rig.arena.used_bytes(), 0U);
  const Extent other = rig.allocate(4);
  EXPECT_NE(other.first_page, extent.first_page);
  rig.write(other, 2, 'b', 2);
  EXPECT_EQ(rig.page(1, extent, 2), Page(1, 'a'));
  rig.snapshots.close(1);
  EXPECT_EQ(rig.allocate(4).first_page, extent.first_page);
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
}

TEST(PageSnapshots, ExtentAllocatedAfterwardsCostsNothing) {
  Rig rig;
  rig.snapshots.open(1);
  const Extent extent = rig.allocate(4);
  rig.write(extent, 0, 'a', 1);
  rig.free(extent);
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
  EXPECT_EQ(rig.allocate(4).first_page, extent.first_page);
}

TEST(PageSnapshots, PageThatWasNeverWrittenCostsNoCopy) {
  Rig rig;
  const Extent extent = rig.allocate(1);
  rig.snapshots.open(1);
  rig.write(extent, 0, 'a', 1);
  EXPECT_LT(rig.snapshots.bytes(), kPageBytes);
}

TEST(PageSnapshots, OldestIsClosedWhenMemoryIsShort) {
  Rig rig;
  rig.arena.set_side_bytes_max(3 * kPageBytes);
  const Extent extent = rig.allocate(8);
  for (std::uint64_t page = 0; page < 8; ++page) rig.write(extent, page, 'a', 1);
  rig.snapshots.open(1);
  rig.write(extent, 0, 'b', 2);
  rig.snapshots.open(2);
  rig.write(extent, 1, 'b', 3);
  rig.write(extent, 2, 'b', 4);
  EXPECT_FALSE(rig.snapshots.is_open(1));
  EXPECT_TRUE(rig.snapshots.is_open(2));
  EXPECT_EQ(rig.page(2, extent, 0), Page(2, 'b'));
  EXPECT_EQ(rig.page(2, extent, 2), Page(1, 'a'));
  rig.write(extent, 3, 'b', 5);
  EXPECT_FALSE(rig.snapshots.is_open(2));
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
}

TEST(PageSnapshots, FreedExtentBeyondTheLimitClosesTheSnapshot) {
  Rig rig;
  rig.arena.set_side_bytes_max(3 * kPageBytes);
  const Extent extent = rig.allocate(8);
  for (std::uint64_t page = 0; page < 8; ++page) rig.write(extent, page, 'a', 1);
  rig.snapshots.open(1);
  rig.free(extent);
  EXPECT_FALSE(rig.snapshots.is_open(1));
  EXPECT_EQ(rig.allocate(8).first_page, extent.first_page);
}

TEST(PageSnapshots, OwnersShareTheLimitButNotTheSnapshots) {
  Rig rig;
  PageSnapshots other(rig.arena);
  const Extent extent = rig.allocate(2);
  rig.write(extent, 0, 'a', 1);
  other.open(1);
  rig.write(extent, 0, 'b', 2);
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
  EXPECT_TRUE(other.is_open(1));
}

TEST(PageSnapshots, EndOfTheOwnerGivesAllBack) {
  PageArena arena = *PageArena::create(kMiB);
  const Extent extent = *arena.allocate(4);
  {
    PageSnapshots snapshots(arena);
    snapshots.open(1);
    snapshots.open(2);
    snapshots.before_write(extent, 0, 0, 4);
    snapshots.free(extent, 0);
    EXPECT_GT(arena.side_bytes(), 0U);
  }
  EXPECT_EQ(arena.side_bytes(), 0U);
  EXPECT_EQ(arena.allocate(4)->first_page, extent.first_page);
}

class PageSnapshotsProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(PageSnapshotsProperty, OpenSnapshotsNeverChange) {
  Random random(GetParam());
  Rig rig;
  using Pages = std::map<std::pair<std::uint64_t, std::uint64_t>, Page>;  // by extent's first page and page
  std::map<std::uint64_t, Extent> extents;
  Pages now;
  std::map<SnapshotNumber, std::pair<std::map<std::uint64_t, Extent>, Pages>> kept;
  SnapshotNumber last = 0;
  for (int step = 1; step < 400; ++step) {
    const std::uint64_t kind = random.below(12);
    if (kind == 0 && kept.size() < 3) {
      rig.snapshots.open(++last);
      kept[last] = {extents, now};
    } else if (kind == 1 && !kept.empty()) {
      const auto closed = std::next(kept.begin(), static_cast<long>(random.below(kept.size())));
      rig.snapshots.close(closed->first);
      kept.erase(closed);
    } else if (kind <= 3 && extents.size() < 4) {
      const Extent extent = rig.allocate(1 + random.below(4));
      extents[extent.first_page] = extent;
      for (std::uint64_t page = 0; page < extent.pages; ++page) now[{extent.first_page, page}] = {0, '\0'};
    } else if (kind == 4 && !extents.empty()) {
      const auto freed = std::next(extents.begin(), static_cast<long>(random.below(extents.size())));
      for (std::uint64_t page = 0; page < freed->second.pages; ++page) now.erase({freed->first, page});
      rig.free(freed->second);
      extents.erase(freed);
    } else if (!extents.empty()) {
      const auto written = std::next(extents.begin(), static_cast<long>(random.below(extents.size())));
      const std::uint64_t page = random.below(written->second.pages);
      const char fill = static_cast<char>('a' + random.below(26));
      rig.write(written->second, page, fill, static_cast<Version>(step));
      now[{written->first, page}] = {static_cast<Version>(step), fill};
    }
    for (const auto& [number, snapshot] : kept) {
      for (const auto& [place, page] : snapshot.second) {
        ASSERT_EQ(rig.page(number, snapshot.first.at(place.first), place.second), page)
            << "snapshot " << number << ", step " << step;
      }
    }
  }
  for (const auto& [number, snapshot] : kept) rig.snapshots.close(number);
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PageSnapshotsProperty, testing::Range<std::uint64_t>(0, 30));

}  // namespace
}  // namespace juxmem

#include "juxmem/base/snapshot_map.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "juxmem/base/random.h"

namespace juxmem {
namespace {

using Map = SnapshotMap<int, std::string>;
using Rows = std::map<int, std::string>;

Rows rows_of(const Map& map, SnapshotNumber number) {
  Rows rows;
  int key = 0;
  const std::string* row = map.snapshot_row(number, -1, false, key);
  while (row != nullptr) {
    rows[key] = *row;
    row = map.snapshot_row(number, key, true, key);
  }
  return rows;
}

TEST(SnapshotMap, ChangedErasedAndAddedRowsAreAsTheyWere) {
  Map map;
  map.insert(1, "one");
  map.insert(2, "two");
  map.open_snapshot(1);
  *map.change(1) = "another";
  EXPECT_TRUE(map.erase(2));
  map.insert(3, "three");
  EXPECT_EQ(rows_of(map, 1), (Rows{{1, "one"}, {2, "two"}}));
  EXPECT_EQ(map.rows(), (Rows{{1, "another"}, {3, "three"}}));
}

TEST(SnapshotMap, KeyThatComesBackIsNotTheSnapshots) {
  Map map;
  map.open_snapshot(1);
  map.insert(1, "one");
  map.erase(1);
  map.insert(1, "again");
  EXPECT_TRUE(rows_of(map, 1).empty());
}

TEST(SnapshotMap, NothingIsKeptWithoutSnapshots) {
  Map map;
  map.insert(1, "one");
  map.open_snapshot(1);
  *map.change(1) = "two";
  EXPECT_GT(map.kept_bytes(), 0U);
  map.close_snapshot(1);
  EXPECT_EQ(map.kept_bytes(), 0U);
  *map.change(1) = "three";
  map.erase(1);
  EXPECT_EQ(map.kept_bytes(), 0U);
}

TEST(SnapshotMap, ClosedSnapshotLeavesItsRowsToTheOlderOne) {
  Map map;
  map.insert(1, "one");
  map.open_snapshot(1);
  map.open_snapshot(2);
  *map.change(1) = "two";
  map.close_snapshot(2);
  EXPECT_EQ(rows_of(map, 1), (Rows{{1, "one"}}));
}

TEST(SnapshotMap, ChangeOfWhatIsNotThereIsNothing) {
  Map map;
  EXPECT_EQ(map.change(1), nullptr);
  EXPECT_FALSE(map.erase(1));
}

class SnapshotMapProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SnapshotMapProperty, OpenSnapshotsNeverChange) {
  Random random(GetParam());
  Map map;
  std::map<SnapshotNumber, Rows> snapshots;
  SnapshotNumber last = 0;
  for (int step = 0; step < 600; ++step) {
    const int key = static_cast<int>(random.below(12));
    switch (random.below(6)) {
      case 0:
        if (snapshots.size() < 4) {
          map.open_snapshot(++last);
          snapshots[last] = map.rows();
        }
        break;
      case 1:
        if (!snapshots.empty() && random.chance(400'000)) {
          const auto closed = std::next(snapshots.begin(), static_cast<long>(random.below(snapshots.size())));
          map.close_snapshot(closed->first);
          snapshots.erase(closed);
        }
        break;
      case 2:
        map.erase(key);
        break;
      default:
        if (std::string* row = map.change(key)) {
          *row = std::to_string(step);
        } else {
          map.insert(key, std::to_string(step));
        }
    }
    for (const auto& [number, rows] : snapshots) ASSERT_EQ(rows_of(map, number), rows) << "snapshot " << number;
  }
  for (const auto& [number, rows] : snapshots) map.close_snapshot(number);
  EXPECT_EQ(map.kept_bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SnapshotMapProperty, testing::Range<std::uint64_t>(0, 30));

}  // namespace
}  // namespace juxmem

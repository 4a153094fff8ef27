#include "consistency/paxos/quorum_system.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <functional>

namespace juxmem {
namespace {

QuorumSystem quorums_of(const std::vector<int>& shape) {
  std::vector<StreamMember> members;
  for (std::size_t site = 0; site < shape.size(); ++site) {
    for (int i = 0; i < shape[site]; ++i) {
      members.push_back({static_cast<NodeId>(members.size() + 1), static_cast<SiteId>(site + 1)});
    }
  }
  return QuorumSystem(std::move(members));
}

// All lists of at most `sites` site sizes with at most `members_max` members together.
void for_each_shape(std::size_t sites, int members_max, std::vector<int>& shape, const std::function<void()>& use) {
  if (!shape.empty()) use();
  if (shape.size() == sites) return;
  for (int size = 1; size <= members_max; ++size) {
    shape.push_back(size);
    for_each_shape(sites, members_max - size, shape, use);
    shape.pop_back();
  }
}

TEST(QuorumSystem, AnyTwoQuorumsIntersectInAllSmallShapes) {
  std::vector<int> shape;
  int shapes = 0;
  for_each_shape(4, 9, shape, [&] {
    ++shapes;
    const QuorumSystem quorums = quorums_of(shape);
    const std::uint64_t all = (1ULL << quorums.size()) - 1;
    EXPECT_TRUE(quorums.is_quorum(all));
    EXPECT_FALSE(quorums.is_quorum(0));
    // Quorums are monotone, so it is enough that no set and its complement both are.
    for (std::uint64_t set = 0; set <= all; ++set) {
      EXPECT_FALSE(quorums.is_quorum(set) && quorums.is_quorum(all & ~set)) << set;
    }
  });
  EXPECT_GT(shapes, 200);
}

TEST(QuorumSystem, LargerSetsStayQuorums) {
  std::vector<int> shape;
  for_each_shape(3, 7, shape, [&] {
    const QuorumSystem quorums = quorums_of(shape);
    const std::uint64_t all = (1ULL << quorums.size()) - 1;
    for (std::uint64_t set = 0; set <= all; ++set) {
      if (!quorums.is_quorum(set)) continue;
      for (std::size_t i = 0; i < quorums.size(); ++i) EXPECT_TRUE(quorums.is_quorum(set | 1ULL << i));
    }
  });
}

TEST(QuorumSystem, ThreeSitesOfThreeNeedFourAndBearTheLossOfASite) {
  const QuorumSystem quorums = quorums_of({3, 3, 3});
  EXPECT_TRUE(quorums.is_quorum(0b000'011'110));
  EXPECT_FALSE(quorums.is_quorum(0b001'001'111));
  EXPECT_TRUE(quorums.is_quorum(0b111'111'000));
}

TEST(QuorumSystem, ReachedAgreesWithIsQuorum) {
  std::vector<int> shape;
  for_each_shape(3, 6, shape, [&] {
    const QuorumSystem quorums = quorums_of(shape);
    const std::size_t n = quorums.size();
    for (std::uint64_t code = 0; code < 1ULL << (2 * n); ++code) {  // every member has reached 0 to 3
      std::vector<std::uint64_t> values(n);
      for (std::size_t i = 0; i < n; ++i) values[i] = code >> (2 * i) & 3;
      std::uint64_t expected = 0;
      for (std::uint64_t value = 1; value <= 3; ++value) {
        std::uint64_t set = 0;
        for (std::size_t i = 0; i < n; ++i) set |= static_cast<std::uint64_t>(values[i] >= value) << i;
        if (quorums.is_quorum(set)) expected = value;
      }
      ASSERT_EQ(quorums.reached(values), expected) << fmt::format("shape of {} sites, code {}", shape.size(), code);
    }
  });
}

TEST(QuorumSystem, StrangersHaveNoPlace) {
  const QuorumSystem quorums = quorums_of({2, 1});
  EXPECT_EQ(quorums.index_of(3), 2U);
  EXPECT_EQ(quorums.index_of(4), std::nullopt);
  EXPECT_EQ(quorums.index_of(0), std::nullopt);
}

TEST(QuorumSystemDeathTest, ANodeTwiceAborts) { EXPECT_DEATH(QuorumSystem({{1, 1}, {1, 2}}), "invariant broken"); }

}  // namespace
}  // namespace juxmem

// Memory is evened out within sites, and nothing moves that must stay.
#include "groups/placement/rebalance.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "groups/placement/replacement.h"

namespace juxmem {
namespace {

class RebalanceTest : public testing::Test {
 protected:
  // One provider of 1000 bytes per letter, which is its site.
  void make(const std::string& sites) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      providers_.push_back({.node = static_cast<NodeId>(i + 1),
                            .name = "p" + std::to_string(i + 1),
                            .site = std::string(1, sites[i]),
                            .address = "x",
                            .incarnation = 1,
                            .capacity_bytes = 1000});
    }
  }
  wire::CatalogGroup& add(std::vector<NodeId> members, std::uint64_t bytes) {
    for (NodeId node : members) providers_[node - 1].reserved_bytes += bytes;
    groups_.push_back(
        {.group = static_cast<GroupId>(groups_.size() + 1), .members = std::move(members), .reserved_bytes = bytes});
    return groups_.back();
  }
  std::vector<PlannedMove> plan() const { return plan_rebalance(providers_, groups_); }
  Code move(const wire::CatalogGroup& group, NodeId from, NodeId to) const {
    const auto next = members_moved(providers_, group, from, to);
    return next ? Code::kOk : next.error().code;
  }

  std::vector<wire::CatalogProvider> providers_;
  std::vector<wire::CatalogGroup> groups_;
};

TEST_F(RebalanceTest, EmptyProviderGetsHalfOfTheFullOne) {
  make("aa");
  for (int i = 0; i < 4; ++i) add({1}, 200);
  const auto moves = plan();
  ASSERT_EQ(moves.size(), 2U);
  for (const PlannedMove& move : moves) EXPECT_EQ((std::pair{move.from, move.to}), (std::pair<NodeId, NodeId>{1, 2}));
  EXPECT_NE(moves[0].group, moves[1].group);
}

TEST_F(RebalanceTest, EvenGridStaysAsItIs) {
  make("aab");
  add({1}, 300);
  add({2}, 300);
  add({3}, 900);
  EXPECT_TRUE(plan().empty());
}

TEST_F(RebalanceTest, CopiesStayInTheirSites) {
  make("ab");
  add({1}, 900);
  EXPECT_TRUE(plan().empty());
}

TEST_F(RebalanceTest, MembersDownAndDrainingProvidersTakeNothing) {
  make("aaaa");
  providers_[2].up = false;
  providers_[3].draining = true;
  add({1, 2}, 500);
  add({1, 2}, 400);
  EXPECT_TRUE(plan().empty());
}

TEST_F(RebalanceTest, GroupThatIsChangingStays) {
  make("aa");
  add({1}, 600).next = {2};
  EXPECT_TRUE(plan().empty());
}

TEST_F(RebalanceTest, EveryPlannedMoveCanBeAskedFor) {
  make("aaabbb");
  for (int i = 0; i < 6; ++i) add({1, 2, 4, 5}, 100);
  const auto moves = plan();
  EXPECT_FALSE(moves.empty());
  for (const PlannedMove& planned : moves) EXPECT_EQ(move(groups_[planned.group - 1], planned.from, planned.to), Code::kOk);
}

// ---- a move that people ask for ----

TEST_F(RebalanceTest, MoveKeepsTheShape) {
  make("aabbc");
  wire::CatalogGroup& group = add({1, 3}, 10);
  group.shape = {2, 1};
  EXPECT_EQ(move(group, 1, 2), Code::kOk);
  EXPECT_EQ(move(group, 1, 5), Code::kOk);               // a whole site moves
  EXPECT_EQ(move(group, 1, 4), Code::kImpossibleShape);  // two copies in one site
  group.shape = {1, 2};
  EXPECT_EQ(move(group, 1, 5), Code::kImpossibleShape);
}

TEST_F(RebalanceTest, MoveThatCannotBeSaysWhy) {
  make("aaaaa");
  wire::CatalogGroup& group = add({1, 2}, 600);
  group.shape = {1, 2};
  EXPECT_EQ(move(group, 3, 4), Code::kInvalid);
  EXPECT_EQ(move(group, 1, 2), Code::kInvalid);
  EXPECT_EQ(move(group, 1, 99), Code::kInvalid);
  providers_[2].draining = true;
  EXPECT_EQ(move(group, 1, 3), Code::kInvalid);
  providers_[3].up = false;
  EXPECT_EQ(move(group, 1, 4), Code::kUnreachable);
  providers_[4].reserved_bytes = 500;
  EXPECT_EQ(move(group, 1, 5), Code::kNoSpace);
  group.next = {1, 5};
  providers_[2].draining = false;
  EXPECT_EQ(move(group, 1, 3), Code::kBusy);
}

}  // namespace
}  // namespace juxmem

#include "groups/membership/healer.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "groups/placement/replacement.h"

namespace juxmem {
namespace {

using Nodes = std::vector<NodeId>;

// Providers by number; sites by the string's letters: "aab" are two on site a and one on b.
class HealerTest : public testing::Test {
 protected:
  void make(const std::string& sites) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const auto node = static_cast<NodeId>(i + 1);
      providers_[node] = {.node = node,
                          .name = "p" + std::to_string(node),
                          .site = std::string(1, sites[i]),
                          .address = "x",
                          .incarnation = 1,
                          .capacity_bytes = 1000,
                          .reserved_bytes = 0};
    }
  }
  wire::CatalogGroup& add_group(Nodes members, std::uint64_t reserved = 10) {
    const auto number = static_cast<GroupId>(groups_.size() + 1);
    wire::CatalogGroup& group = groups_[number];
    group.group = number;
    group.members = std::move(members);
    group.reserved_bytes = reserved;
    return group;
  }
  std::optional<Nodes> without(const wire::CatalogGroup& group, const std::set<NodeId>& lost) {
    std::vector<wire::CatalogProvider> providers;
    for (const auto& [node, row] : providers_) providers.push_back(row);
    std::vector<wire::CatalogGroup> groups;
    for (const auto& [number, row] : groups_) groups.push_back(row);
    return members_without(providers, groups, group, lost);
  }
  std::vector<wire::MoveGroup> tick(std::int64_t after_ms) {
    now_ += ms_to_ns(after_ms);
    return healer_.tick(now_, providers_, groups_, root_);
  }

  Timing timing_{.heal_after_ms = 5000};
  Healer healer_{timing_};
  TimeNs now_ = ms_to_ns(1000);
  std::map<NodeId, wire::CatalogProvider> providers_;
  std::map<GroupId, wire::CatalogGroup> groups_;
  wire::CatalogGroup root_;
};

// ---- who takes the place ----

TEST_F(HealerTest, LostMemberIsReplacedInItsSite) {
  make("aaaabbb");
  EXPECT_EQ(without(add_group({1, 2, 5, 6}), {2}), (Nodes{1, 3, 5, 6}));
}

TEST_F(HealerTest, ProviderWithLessGroupsIsPreferred) {
  make("aaaaa");
  add_group({1, 2, 4});
  EXPECT_EQ(without(add_group({1, 2, 3}), {3}), (Nodes{1, 2, 5}));
}

TEST_F(HealerTest, FullDownAndDrainingProvidersTakeNothing) {
  make("aaaaaa");
  providers_[4].reserved_bytes = 995;
  providers_[5].up = false;
  providers_[6].draining = true;
  EXPECT_EQ(without(add_group({1, 2, 3}), {3}), std::nullopt);
}

TEST_F(HealerTest, MemberStaysWhereItsSiteHasNobodyElse) {
  make("aaabbb");
  EXPECT_EQ(without(add_group({1, 2, 3}), {3}), std::nullopt);
}

TEST_F(HealerTest, LostSiteMovesAsAWhole) {
  make("aabbccdd");
  EXPECT_EQ(without(add_group({1, 2, 3, 4, 5, 6}), {3, 4}), (Nodes{1, 2, 7, 8, 5, 6}));
  EXPECT_EQ(without(groups_[1], {3}), std::nullopt);
}

// ---- when ----

TEST_F(HealerTest, NobodyIsReplacedBeforeTheGraceTime) {
  make("aaaa");
  add_group({1, 2, 3});
  providers_[3].up = false;
  EXPECT_TRUE(tick(0).empty());
  EXPECT_TRUE(tick(4999).empty());
  const auto moves = tick(1);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].group, 1U);
  EXPECT_EQ(moves[0].epoch, 1U);
  EXPECT_EQ(moves[0].next, (Nodes{1, 2, 4}));
}

TEST_F(HealerTest, ProviderThatReturnsInTimeKeepsItsGroups) {
  make("aaaa");
  add_group({1, 2, 3});
  providers_[3].up = false;
  tick(0);
  tick(3000);
  providers_[3].up = true;
  tick(1000);
  providers_[3].up = false;
  EXPECT_TRUE(tick(1000).empty());
  EXPECT_TRUE(tick(4999).empty());
  EXPECT_EQ(tick(1).size(), 1U);
}

TEST_F(HealerTest, ProposalComesAgainOnlyAfterAWhile) {
  make("aaaa");
  add_group({1, 2, 3});
  providers_[3].up = false;
  tick(0);
  ASSERT_EQ(tick(5000).size(), 1U);
  EXPECT_TRUE(tick(100).empty());
  EXPECT_EQ(tick(timing_.report_ms * 4).size(), 1U);
}

TEST_F(HealerTest, GroupOnItsWayIsLeftAlone) {
  make("aaaa");
  add_group({1, 2, 3}).next = {1, 2, 4};
  providers_[3].up = false;
  EXPECT_TRUE(tick(0).empty());  // nor given up by a new coordinator of the root
  EXPECT_TRUE(tick(6000).empty());
}

TEST_F(HealerTest, IntentWhoseNewMemberIsLostIsReplaced) {
  make("aaaaa");
  wire::CatalogGroup& group = add_group({1, 2, 3});
  group.next = {1, 2, 4};
  group.held = {4};
  providers_[3].up = providers_[4].up = false;
  tick(0);
  const auto moves = tick(6000);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].next, (Nodes{1, 2, 5}));
}

TEST_F(HealerTest, IntentThatLeavesOutAMemberWhoIsBackIsReplaced) {
  make("aaaaa");
  wire::CatalogGroup& group = add_group({1, 2, 3});
  group.next = {4, 2, 5};
  group.held = {4, 5};
  providers_[3].up = false;
  tick(0);
  const auto moves = tick(6000);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].next[0], 1U);
  EXPECT_EQ(moves[0].next[1], 2U);
}

TEST_F(HealerTest, MoveThatPeopleAskedForYieldsToHealingWhereItsNewMemberHasForgottenItsVotes) {
  make("aaaaa");
  wire::CatalogGroup& group = add_group({1, 2, 3});
  group.next = {1, 2, 4};
  group.held = {4};
  group.asked = true;
  providers_[2].up = false;
  tick(0);
  EXPECT_TRUE(tick(6000).empty()) << "1 and 4 are a quorum of the next epoch";
  group.vacant = {4};
  group.vacant_until = {3};
  const auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(std::set<NodeId>(moves[0].next.begin(), moves[0].next.end()).count(2), 0U);
}

TEST_F(HealerTest, IntentWithoutAReasonIsGivenUp) {
  make("aaaa");
  wire::CatalogGroup& group = add_group({1, 2, 3});
  group.next = {1, 2, 4};
  group.held = {4};
  const auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_TRUE(moves[0].next.empty());
}

TEST_F(HealerTest, FewGroupsMoveAtATime) {
  make("aaaa");
  for (int i = 0; i < 5; ++i) add_group({1, 2, 3});
  providers_[3].up = false;
  tick(0);
  EXPECT_EQ(tick(6000).size(), Healer::kMovesPerProviderMax);
}

TEST_F(HealerTest, DrainingProviderIsEmptiedAtOnce) {
  make("aaaa");
  add_group({1, 2, 3});
  providers_[1].draining = true;
  const auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].next, (Nodes{4, 2, 3}));
}

TEST_F(HealerTest, NewCoordinatorOfTheRootGivesTheFullTime) {
  make("aaaa");
  add_group({1, 2, 3});
  providers_[3].up = false;
  tick(0);
  tick(4000);
  healer_.start();
  EXPECT_TRUE(tick(2000).empty());
  EXPECT_TRUE(tick(4000).empty());
  EXPECT_EQ(tick(1000).size(), 1U);
}

// ---- managers ----

TEST_F(HealerTest, SeatOfLostManagerGoesToItsSite) {
  make("aabbcc");
  root_.members = {1, 3, 5};
  providers_[3].up = false;
  EXPECT_TRUE(tick(0).empty());
  const auto moves = tick(5000);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0], (wire::MoveGroup{.group = kRootGroup, .epoch = 1, .next = {1, 4, 5}}));
}

TEST_F(HealerTest, SeatGoesToTheSiteWithFewestManagersIfItsOwnHasNobody) {
  make("aabcc");
  root_.members = {1, 3, 4};
  providers_[3].draining = true;
  providers_[5].draining = true;
  auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].next, (Nodes{1, 2, 4}));
}

TEST_F(HealerTest, ManagersThatHaveNotAllJoinedStay) {
  make("aaa");
  root_.members = {1, 2, 77};
  providers_[2].draining = true;
  EXPECT_TRUE(tick(0).empty());
}

TEST_F(HealerTest, RootMoveThatLostItsReasonIsGivenUp) {
  make("aaaa");
  root_.members = {1, 2, 3};
  root_.next = {1, 4, 3};
  const auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_TRUE(moves[0].next.empty());
}

TEST_F(HealerTest, OnlyManagerThatIsBeingEmptiedGivesItsSeatAway) {
  make("aaa");
  root_.members = {1};
  providers_[1].draining = true;
  const auto moves = tick(0);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0], (wire::MoveGroup{.group = kRootGroup, .epoch = 1, .next = {2}}));
}

TEST_F(HealerTest, SeatThatTwoOnlyManagersShareIsLeftAlone) {
  make("aaa");
  root_.members = {1, 2};
  root_.next = {2};
  providers_[1].draining = providers_[2].draining = true;
  EXPECT_TRUE(tick(0).empty());
  EXPECT_TRUE(tick(10'000).empty());
}

}  // namespace
}  // namespace juxmem

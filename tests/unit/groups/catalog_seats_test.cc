// Providers with data folders that come back, and the seats of those that have forgotten what they voted.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "groups/catalog/catalog.h"
#include "groups/membership/healer.h"

namespace juxmem {
namespace {

using Nodes = std::vector<NodeId>;

// One site; numbers 1 to 4, of which 1 is the manager; the store of each is its number times 100.
class CatalogSeatsTest : public testing::Test {
 protected:
  CatalogSeatsTest() {
    for (NodeId node = 1; node <= 4; ++node) {
      wire::JoinProvider command = life(node, 1);
      command.node = node == 1 ? 1 : 0;
      command.manager = node == 1;
      EXPECT_EQ(catalog_.join(++instance_, command).number, node);
    }
  }

  wire::JoinProvider life(NodeId node, std::uint64_t incarnation) {
    const std::string name = "p" + std::to_string(node);
    return {.name = name,
            .site = "a",
            .address = "tcp://" + name,
            .incarnation = incarnation,
            .capacity_bytes = 1000,
            .node = node,
            .store = node * 100,
            .whole = true};
  }
  GroupId make_group(std::uint32_t copies, Durability durability) {
    const wire::CreateGroup create{.shape = {1, copies}, .durability = durability, .prefer = 2, .reserve_bytes = 100};
    return static_cast<GroupId>(catalog_.create_group(++instance_, create).number);
  }
  wire::Reply come_back(const wire::JoinProvider& command) { return catalog_.join(++instance_, command); }
  const wire::CatalogGroup& row(GroupId group) { return catalog_.groups().at(group); }
  void next_epoch(GroupId group) {
    const wire::CatalogGroup& now = row(group);
    EXPECT_EQ(catalog_.group_moved(++instance_, {.group = group, .epoch = now.epoch + 1, .members = now.members}).code,
              Code::kOk);
  }

  Catalog catalog_{1, {}, Durability::kDisk};
  Instance instance_ = 0;
};

TEST_F(CatalogSeatsTest, LaterLifeIsTheSameProvider) {
  wire::JoinProvider later = life(3, 2);
  later.address = "tcp://elsewhere";
  EXPECT_EQ(come_back(later).number, 3U);
  EXPECT_EQ(catalog_.providers().at(3).incarnation, 2U);
  EXPECT_EQ(catalog_.providers().at(3).address, "tcp://elsewhere");
  EXPECT_EQ(catalog_.providers().size(), 4U);
}

TEST_F(CatalogSeatsTest, FoldersThatDoNotFitAreRefused) {
  wire::JoinProvider other = life(3, 2);
  other.store = 7;
  EXPECT_EQ(come_back(other).code, Code::kStale);
  other = life(3, 2);
  other.site = "b";
  EXPECT_EQ(come_back(other).code, Code::kInvalid);
  EXPECT_EQ(come_back(life(9, 2)).code, Code::kStale);
  ASSERT_EQ(come_back(life(3, 5)).code, Code::kOk);
  EXPECT_EQ(come_back(life(3, 4)).code, Code::kStale);
}

TEST_F(CatalogSeatsTest, MemberOnDiskKeepsItsSeat) {
  const GroupId group = make_group(3, Durability::kDisk);
  come_back(life(2, 2));
  EXPECT_TRUE(row(group).vacant.empty());
}

TEST_F(CatalogSeatsTest, MemberWhoseFolderHasLostTheGroupLeavesItsSeatVacant) {
  const GroupId kept = make_group(3, Durability::kDisk);
  const GroupId lost = make_group(2, Durability::kDisk);
  wire::JoinProvider damaged = life(2, 2);
  damaged.whole = false;
  damaged.kept = {kept};
  come_back(damaged);
  EXPECT_TRUE(row(kept).vacant.empty());
  EXPECT_EQ(row(lost).vacant, Nodes{2});
}

TEST_F(CatalogSeatsTest, SeatInMemoryIsVacantForTwoEpochs) {
  const GroupId group = make_group(3, Durability::kMemory);
  come_back(life(2, 2));
  EXPECT_EQ(row(group).vacant, Nodes{2});
  EXPECT_EQ(row(group).vacant_until, std::vector<std::uint32_t>{3});
  next_epoch(group);
  EXPECT_EQ(row(group).vacant, Nodes{2});
  come_back(life(2, 3));
  EXPECT_EQ(row(group).vacant_until, std::vector<std::uint32_t>{4});
  next_epoch(group);
  next_epoch(group);
  EXPECT_TRUE(row(group).vacant.empty());
  EXPECT_FALSE(row(group).lost);
}

TEST_F(CatalogSeatsTest, GroupWithoutAQuorumThatRemembersIsLost) {
  const GroupId group = make_group(3, Durability::kMemory);
  come_back(life(2, 2));
  EXPECT_FALSE(row(group).lost);
  come_back(life(3, 2));
  EXPECT_TRUE(row(group).lost);
  EXPECT_EQ(row(group).reserved_bytes, 0U);
  EXPECT_EQ(catalog_.providers().at(2).reserved_bytes, 0U);
  EXPECT_EQ(catalog_.reserve(++instance_, {.group = group, .bytes = 1}).code, Code::kLost);
  EXPECT_NE(make_group(3, Durability::kMemory), group);
  catalog_.check_invariants();
}

TEST_F(CatalogSeatsTest, HealerLetsGroupsPassTheEpochsOfVacantSeats) {
  const GroupId group = make_group(3, Durability::kMemory);
  come_back(life(2, 2));
  const Timing timing;
  Healer healer(timing);
  for (std::uint32_t epoch = 1; epoch <= 2; ++epoch) {
    const std::vector<wire::MoveGroup> moves =
        healer.tick(epoch * 60'000'000'000, catalog_.providers(), catalog_.groups(), catalog_.root());
    ASSERT_EQ(moves.size(), 1U);
    EXPECT_EQ(moves.front().next, row(group).members);
    ASSERT_EQ(catalog_.move_group(++instance_, moves.front()).code, Code::kOk);
    EXPECT_TRUE(healer.tick(epoch * 60'000'000'000 + 1, catalog_.providers(), catalog_.groups(), catalog_.root()).empty());
    next_epoch(group);
  }
  EXPECT_TRUE(healer.tick(180'000'000'000, catalog_.providers(), catalog_.groups(), catalog_.root()).empty());
}

// A majority of the managers is a quorum, wherever they are.
TEST(CatalogRootTest, RootIsNotLostWithASiteThatHasForgotten) {
  Catalog catalog(3, {}, Durability::kMemory);
  Instance instance = 0;
  const auto join = [&](NodeId node, const std::string& name, std::uint64_t incarnation) {
    const NodeId number = node <= 3 ? node : 0;
    wire::JoinProvider command;
    command.name = command.site = name;
    command.address = "tcp://" + name;
    command.incarnation = incarnation;
    command.capacity_bytes = 1000;
    command.node = number;
    command.manager = number != 0;
    return catalog.join(++instance, command).number;
  };
  for (NodeId node = 1; node <= 3; ++node) ASSERT_EQ(join(node, "p" + std::to_string(node), 1), node);
  ASSERT_EQ(join(4, "p3", 2), 4U);
  ASSERT_EQ(catalog.move_group(++instance, {.group = kRootGroup, .epoch = 1, .next = {1, 4, 3}}).code, Code::kOk);
  ASSERT_EQ(catalog.group_moved(++instance, {.group = kRootGroup, .epoch = 2, .members = {1, 4, 3}}).code, Code::kOk);
  EXPECT_FALSE(catalog.root().lost);
}

}  // namespace
}  // namespace juxmem

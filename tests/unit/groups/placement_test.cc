#include "groups/placement/placement.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace juxmem {
namespace {

wire::CatalogProvider row(NodeId node, const char* site, std::uint64_t capacity = 100, std::uint64_t reserved = 0) {
  wire::CatalogProvider provider;
  provider.node = node;
  provider.site = site;
  provider.capacity_bytes = capacity;
  provider.reserved_bytes = reserved;
  return provider;
}

wire::CatalogGroup group(GroupId number, Shape shape, std::vector<NodeId> members) {
  wire::CatalogGroup row;
  row.group = number;
  row.shape = shape;
  row.members = std::move(members);
  return row;
}

Placement asked(Shape shape, NodeId prefer = 0, std::uint64_t room = 0) {
  return {.shape = shape, .durability = Durability::kMemory, .prefer = prefer, .room_bytes = room};
}

using Providers = std::vector<wire::CatalogProvider>;
using Groups = std::vector<wire::CatalogGroup>;

const Providers kGrid{row(1, "a"), row(2, "a"), row(3, "a"), row(4, "b"), row(5, "b"), row(6, "c")};

TEST(Place, PreferredNodeAndItsSiteComeFirst) {
  const auto members = place(kGrid, Groups{}, asked({2, 2}, 5));
  ASSERT_TRUE(members);
  EXPECT_EQ(*members, (std::vector<NodeId>{5, 4, 1, 2}));
}

TEST(Place, NodesWithLessGroupsAreTaken) {
  const Groups groups{group(1, {1, 1}, {1}), group(2, {1, 1}, {2})};
  EXPECT_EQ(*place(kGrid, groups, asked({1, 1})), std::vector<NodeId>{3});
}

TEST(Place, NodesWithMoreMemoryAreTaken) {
  const Providers providers{row(1, "a", 100, 60), row(2, "a", 100, 30), row(3, "a", 100, 90)};
  EXPECT_EQ(*place(providers, Groups{}, asked({1, 2})), (std::vector<NodeId>{2, 1}));
}

TEST(Place, PreferredNodeWithoutRoomIsPassedOver) {
  const Providers providers{row(1, "a", 100, 100), row(2, "a"), row(3, "a")};
  EXPECT_EQ(place(providers, Groups{}, asked({1, 2}, 1, 10))->front(), 2U);
}

TEST(Place, ProvidersWithoutMemoryAreNotCounted) {
  const Providers providers{row(1, "a", 0), row(2, "a")};
  EXPECT_EQ(place(providers, Groups{}, asked({1, 2})).error().code, Code::kImpossibleShape);
}

TEST(Place, FailureSaysWhatThereIs) {
  const auto shape = place(kGrid, Groups{}, asked({3, 2}));
  ASSERT_FALSE(shape);
  EXPECT_EQ(shape.error().code, Code::kImpossibleShape);
  EXPECT_NE(shape.error().detail.find("3 sites: a with 3, b with 2, c with 1"), std::string::npos) << shape.error().detail;
  EXPECT_EQ(place(kGrid, Groups{}, asked({3, 1}, 0, 101)).error().code, Code::kNoSpace);
  EXPECT_EQ(place(Providers{}, Groups{}, asked({1, 1})).error().code, Code::kImpossibleShape);
}

TEST(PickGroup, TheOneLedByThePreferredNodeWins) {
  const Groups groups{group(1, {1, 2}, {1, 2}), group(2, {1, 2}, {2, 1}), group(3, {1, 2}, {3, 1})};
  EXPECT_EQ(pick_group(kGrid, groups, asked({1, 2}, 2)), 2U);
}

TEST(PickGroup, NoneIsPickedWhenThePreferredNodeCouldLeadANewOne) {
  const Groups groups{group(1, {1, 2}, {1, 2})};
  EXPECT_EQ(pick_group(kGrid, groups, asked({1, 2}, 2)), std::nullopt);
}

TEST(PickGroup, MembershipCountsWhenThePreferredNodeCannotLead) {
  // Node 6 is alone in its site, so it cannot lead two nodes of one site.
  const Groups groups{group(1, {1, 2}, {1, 2}), group(2, {1, 2}, {4, 5})};
  EXPECT_EQ(pick_group(kGrid, groups, asked({1, 2}, 6)), 1U);
}

TEST(PickGroup, GroupsOfOtherShapesWithoutRoomOrWithDeadMembersAreNotPicked) {
  Providers providers = kGrid;
  providers[0].reserved_bytes = 95;
  providers[3].up = false;
  const Groups groups{group(1, {1, 2}, {1, 2}), group(2, {1, 2}, {4, 5}), group(3, {1, 1}, {3})};
  EXPECT_EQ(pick_group(providers, groups, asked({1, 2}, 0, 10)), std::nullopt);
  EXPECT_EQ(pick_group(providers, groups, asked({1, 2}, 0, 5)), 1U);
}

TEST(PickGroup, MostFreeMemoryWinsWithoutPreference) {
  Providers providers = kGrid;
  providers[0].reserved_bytes = 50;
  const Groups groups{group(1, {1, 2}, {1, 2}), group(2, {1, 2}, {4, 5})};
  EXPECT_EQ(pick_group(providers, groups, asked({1, 2})), 2U);
}

}  // namespace
}  // namespace juxmem

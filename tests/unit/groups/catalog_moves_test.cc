// Groups that get other members, in the catalog.
#include <gtest/gtest.h>

#include "groups/catalog/catalog.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

// Five providers on one site, numbers 2 to 6; a group of three on 2, 3 and 4 with 10 MiB.
class CatalogMovesTest : public testing::Test {
 protected:
  CatalogMovesTest() {
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      catalog_.join(++now_, {.name = name, .site = "s", .address = name, .incarnation = 1, .capacity_bytes = 100 * kMiB});
    }
    group_ = catalog_
                 .create_group(++now_,
                               {.shape = {1, 3}, .durability = Durability::kMemory, .prefer = 2, .reserve_bytes = 10 * kMiB})
                 .number;
  }
  ~CatalogMovesTest() override { catalog_.check_invariants(); }

  wire::Reply move(std::vector<NodeId> next, std::uint32_t epoch = 1) {
    return catalog_.move_group(++now_, {.group = group_, .epoch = epoch, .next = std::move(next)});
  }
  wire::Reply moved(std::uint32_t epoch, std::vector<NodeId> members) {
    return catalog_.group_moved(++now_, {.group = group_, .epoch = epoch, .members = std::move(members)});
  }
  const wire::CatalogGroup& row() const { return catalog_.groups().at(group_); }
  std::uint64_t reserved(NodeId node) const { return catalog_.providers().at(node).reserved_bytes; }
  using Nodes = std::vector<NodeId>;

  Catalog catalog_{1};
  Instance now_ = 0;
  GroupId group_ = 0;
};

TEST_F(CatalogMovesTest, IntentReservesOnTheNewMember) {
  ASSERT_EQ(move({2, 3, 5}).code, Code::kOk);
  EXPECT_EQ(row().next, (Nodes{2, 3, 5}));
  EXPECT_EQ(row().epoch, 1U);
  EXPECT_EQ(reserved(5), 10 * kMiB);
  EXPECT_EQ(reserved(4), 10 * kMiB);
  EXPECT_EQ(catalog_.version(), now_);
}

TEST_F(CatalogMovesTest, MoveFreesWhereTheGroupWas) {
  move({2, 3, 5});
  ASSERT_EQ(moved(2, {3, 2, 5}).code, Code::kOk);
  EXPECT_EQ(row().members, (Nodes{3, 2, 5}));
  EXPECT_EQ(row().epoch, 2U);
  EXPECT_TRUE(row().next.empty());
  EXPECT_EQ(reserved(4), 0U);
  EXPECT_EQ(reserved(5), 10 * kMiB);
}

TEST_F(CatalogMovesTest, WhatIsToldAgainChangesNothing) {
  move({2, 3, 5});
  moved(2, {2, 3, 5});
  const std::uint64_t version = catalog_.version();
  EXPECT_EQ(moved(2, {2, 3, 5}).code, Code::kOk);
  EXPECT_EQ(moved(1, {2, 3, 4}).code, Code::kOk);
  EXPECT_EQ(catalog_.version(), version);
}

TEST_F(CatalogMovesTest, MemoryOfAnEarlierIntentStaysReservedUntilTheGroupHasMoved) {
  move({2, 3, 5});
  ASSERT_EQ(move({2, 3, 6}).code, Code::kOk);
  EXPECT_EQ(reserved(5), 10 * kMiB);
  EXPECT_EQ(reserved(6), 10 * kMiB);
  ASSERT_EQ(moved(2, {2, 3, 5}).code, Code::kOk);  // the group had begun with the first one
  EXPECT_EQ(reserved(5), 10 * kMiB);
  EXPECT_EQ(reserved(6), 0U);
}

TEST_F(CatalogMovesTest, ReservationsReachThoseThatMayBecomeMembers) {
  move({2, 3, 5});
  ASSERT_EQ(catalog_.reserve(++now_, {group_, 90 * kMiB}).code, Code::kOk);
  EXPECT_EQ(reserved(5), 100 * kMiB);
  EXPECT_EQ(catalog_.reserve(++now_, {group_, 1}).code, Code::kNoSpace);
}

TEST_F(CatalogMovesTest, IntentIsGivenUpByNamingNobody) {
  move({2, 3, 5});
  ASSERT_EQ(move({}).code, Code::kOk);
  EXPECT_TRUE(row().next.empty());
}

TEST_F(CatalogMovesTest, IntentsThatCannotBeAreRefused) {
  EXPECT_EQ(move({2, 3, 5}, 2).code, Code::kWrongEpoch);
  EXPECT_EQ(move({2, 3}).code, Code::kInvalid);
  EXPECT_EQ(move({2, 3, 3}).code, Code::kInvalid);
  EXPECT_EQ(move({2, 3, 99}).code, Code::kInvalid);
  EXPECT_EQ(catalog_.move_group(++now_, {.group = 77, .epoch = 1, .next = {2}}).code, Code::kInvalid);
  catalog_.create_group(++now_,
                        {.shape = {1, 1}, .durability = Durability::kMemory, .prefer = 5, .reserve_bytes = 95 * kMiB});
  EXPECT_EQ(move({2, 3, 5}).code, Code::kNoSpace);
  EXPECT_TRUE(row().next.empty());
}

TEST_F(CatalogMovesTest, MembersThatNobodyIntendedAreRefused) {
  EXPECT_EQ(moved(2, {2, 3, 6}).code, Code::kInvalid);
  EXPECT_EQ(row().epoch, 1U);
}

TEST_F(CatalogMovesTest, FormerLifeIsForgottenWithItsLastGroup) {
  catalog_.join(++now_, {.name = "c", .site = "s", .address = "c", .incarnation = 2, .capacity_bytes = 100 * kMiB});
  ASSERT_TRUE(catalog_.providers().contains(4));
  EXPECT_FALSE(catalog_.providers().at(4).up);
  move({2, 3, 7});
  moved(2, {2, 3, 7});
  EXPECT_FALSE(catalog_.providers().contains(4));
}

TEST_F(CatalogMovesTest, DrainingProviderTakesNoNewGroups) {
  ASSERT_EQ(catalog_.drain(++now_, {.node = 6, .draining = true}).code, Code::kOk);
  ASSERT_EQ(catalog_.drain(++now_, {.node = 5, .draining = true}).code, Code::kOk);
  const auto reply = catalog_.create_group(++now_, {.shape = {1, 4}, .durability = Durability::kMemory});
  EXPECT_EQ(reply.code, Code::kImpossibleShape);
  catalog_.drain(++now_, {.node = 5, .draining = false});
  EXPECT_EQ(catalog_.create_group(++now_, {.shape = {1, 4}, .durability = Durability::kMemory}).code, Code::kOk);
  EXPECT_EQ(catalog_.drain(++now_, {.node = 99, .draining = true}).code, Code::kInvalid);
}

// The root has one manager, number 1.
class OnlySeatTest : public CatalogMovesTest {
 protected:
  OnlySeatTest() {
    catalog_.join(++now_, {.name = "m", .site = "s", .address = "m", .incarnation = 1, .manager = true, .node = 1});
    EXPECT_EQ(catalog_.move_group(++now_, {.group = kRootGroup, .epoch = 1, .next = {4}}).code, Code::kOk);
  }
  Code root_moved(std::uint32_t epoch, Nodes members) {
    return catalog_.group_moved(++now_, {.group = kRootGroup, .epoch = epoch, .members = std::move(members)}).code;
  }
};

TEST_F(OnlySeatTest, GoesByWayOfAnEpochOfBoth) {
  ASSERT_EQ(root_moved(2, {1, 4}), Code::kOk);
  EXPECT_EQ(catalog_.root().members, (Nodes{1, 4}));
  EXPECT_EQ(catalog_.root().next, Nodes{4});
  EXPECT_TRUE(catalog_.providers().at(4).manager);
  ASSERT_EQ(root_moved(3, {4}), Code::kOk);
  EXPECT_EQ(catalog_.root().members, Nodes{4});
  EXPECT_TRUE(catalog_.root().next.empty());
  EXPECT_FALSE(catalog_.providers().at(1).manager);
}

TEST_F(OnlySeatTest, SharedSeatGoesOnEvenIfTheIntentWasGivenUp) {
  ASSERT_EQ(catalog_.move_group(++now_, {.group = kRootGroup, .epoch = 1, .next = {}}).code, Code::kOk);
  ASSERT_EQ(root_moved(2, {4, 1}), Code::kOk);
  EXPECT_EQ(catalog_.root().next, Nodes{4});
}

TEST_F(OnlySeatTest, IsSharedWithNobodyElse) {
  EXPECT_EQ(root_moved(2, {1, 5}), Code::kInvalid);
  EXPECT_EQ(root_moved(2, {4, 5}), Code::kInvalid);
  ASSERT_EQ(root_moved(2, {1, 4}), Code::kOk);
  EXPECT_EQ(root_moved(3, {1, 4}), Code::kInvalid);
}

}  // namespace
}  // namespace juxmem

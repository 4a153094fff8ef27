#include "juxmem/provider/replica_checks.h"

#include <gtest/gtest.h>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr GroupId kGroup = 3;
constexpr NodeId kAgent = 9;
const OpId kOp{5, 0, 1};

wire::Command publish(std::vector<wire::Range> ranges) {
  wire::Publish action;
  action.block = make_block_id(kGroup, 1);
  action.ranges = std::move(ranges);
  return {kOp, action};
}

TEST(AgentsCommand, APublishWhoseRangesFitItsDataIsTaken) {
  EXPECT_TRUE(check_agents_command(kGroup, kAgent, publish({{0, 10}, {4096, 20}}), 30));
}

TEST(AgentsCommand, RangesThatDoNotFitTheDataAreRefused) {
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, publish({{0, 10}, {4096, 20}}), 29));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, publish({{0, 10}, {4096, 20}}), 31));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, publish({{0, UINT64_MAX}, {0, 31}}), 30));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, publish({{UINT64_MAX - 5, 30}}), 30));
}

TEST(AgentsCommand, MoreDataThanAnEntryMayHaveIsTooBig) {
  const auto refused =
      check_agents_command(kGroup, kAgent, publish({{0, wire::kEntryBytesMax + 1}}), wire::kEntryBytesMax + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kTooBig);
}

TEST(AgentsCommand, BlocksOfOtherGroupsAreRefused) {
  EXPECT_FALSE(check_agents_command(kGroup + 1, kAgent, publish({{0, 10}}), 10));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {kOp, wire::Free{make_block_id(4, 1)}}, 0));
  EXPECT_TRUE(check_agents_command(kGroup, kAgent, {kOp, wire::Free{make_block_id(kGroup, 1)}}, 0));
}

TEST(AgentsCommand, TheRootAndOtherGroupsTakeDifferentCommands) {
  wire::Allocate allocate;
  allocate.size_bytes = 4096;
  EXPECT_TRUE(check_agents_command(kGroup, kAgent, {kOp, allocate}, 0));
  EXPECT_FALSE(check_agents_command(kRootGroup, kAgent, {kOp, allocate}, 0));
  EXPECT_TRUE(check_agents_command(kRootGroup, kAgent, {kOp, wire::CreateGroup{}}, 0));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {kOp, wire::CreateGroup{}}, 0));
}

TEST(AgentsCommand, WhatOnlyCoordinatorsSayIsRefused) {
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {kOp, wire::ExpireSession{1}}, 0));
  EXPECT_FALSE(check_agents_command(kRootGroup, kAgent, {kOp, wire::ProviderState{1, false}}, 0));
  EXPECT_FALSE(check_agents_command(kRootGroup, kAgent, {kOp, wire::JoinProvider{}}, 0));
}

TEST(AgentsCommand, OperationsNeedANumberAndSessionsTheirOwner) {
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {OpId{}, wire::Free{make_block_id(kGroup, 1)}}, 0));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent,
                                    {OpId{5, wire::kSlotsPerSessionMax, 1}, wire::Free{make_block_id(kGroup, 1)}}, 0));
  EXPECT_TRUE(check_agents_command(kGroup, kAgent, {OpId{}, wire::OpenSession{kAgent, 7}}, 0));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {OpId{}, wire::OpenSession{kAgent + 1, 7}}, 0));
  EXPECT_FALSE(check_agents_command(kGroup, kAgent, {OpId{}, wire::OpenSession{kAgent, 7}}, 1));
}

}  // namespace
}  // namespace juxmem

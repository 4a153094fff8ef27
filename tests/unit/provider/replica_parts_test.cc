#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "juxmem/provider/replica_proposals.h"
#include "juxmem/provider/replica_waits.h"

namespace juxmem {
namespace {

Proposal proposal_of(NodeId from, std::uint64_t tag, std::size_t bytes = 0) {
  Proposal proposal;
  proposal.from = from;
  proposal.tag = tag;
  proposal.data = Buffer::take(std::vector<std::byte>(bytes));
  return proposal;
}

TEST(Proposals, ARequestIsKnownUntilItIsApplied) {
  Proposals proposals;
  EXPECT_FALSE(proposals.contains(5, 1));
  proposals.place(10, Ballot{1, 1}, proposal_of(5, 1));
  EXPECT_TRUE(proposals.contains(5, 1));
  EXPECT_FALSE(proposals.contains(5, 2));
  EXPECT_FALSE(proposals.applied(9, Ballot{1, 1}));
  const auto applied = proposals.applied(10, Ballot{1, 1});
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->tag, 1U);
  EXPECT_FALSE(proposals.contains(5, 1));
}

TEST(Proposals, AnEntryOfAnotherBallotIsNotTheOneProposed) {
  Proposals proposals;
  proposals.place(10, Ballot{1, 1}, proposal_of(5, 1));
  EXPECT_FALSE(proposals.applied(10, Ballot{2, 2}));
  EXPECT_FALSE(proposals.contains(5, 1));
}

TEST(Proposals, WhatWaitsIsBoundedAndKeepsItsOrder) {
  Proposals proposals;
  std::uint64_t taken = 0;
  while (proposals.wait(proposal_of(5, taken + 1, 1U << 20))) ++taken;
  EXPECT_GT(taken, 8U);
  EXPECT_LE(taken, 64U);
  EXPECT_EQ(proposals.take_first_waiting().tag, 1U);
  EXPECT_FALSE(proposals.contains(5, 1));
  EXPECT_TRUE(proposals.wait(proposal_of(5, 1, 1U << 20)));
  const std::vector<Proposal> rest = proposals.take_all();
  ASSERT_EQ(rest.size(), taken);
  EXPECT_EQ(rest.front().tag, 2U);
  EXPECT_EQ(rest.back().tag, 1U);
  EXPECT_FALSE(proposals.has_waiting());
}

TEST(Waits, AreTakenBySubjectInOrder) {
  Waits<std::string> waits(10);
  ASSERT_TRUE(waits.add({7, 2, 1}, "b", 100));
  ASSERT_TRUE(waits.add({7, 1, 1}, "a", 100));
  ASSERT_TRUE(waits.add({8, 1, 1}, "c", 100));
  const auto taken = waits.take(7);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].second, "a");
  EXPECT_EQ(taken[1].second, "b");
  EXPECT_EQ(waits.take_up_to(8).size(), 1U);
  EXPECT_TRUE(waits.empty());
  EXPECT_EQ(waits.next_deadline(), INT64_MAX);
}

TEST(Waits, EndAtTheirDeadline) {
  Waits<std::string> waits(10);
  ASSERT_TRUE(waits.add({1, 1, 1}, "late", 200));
  ASSERT_TRUE(waits.add({2, 1, 1}, "soon", 100));
  EXPECT_EQ(waits.next_deadline(), 100);
  EXPECT_TRUE(waits.take_overdue(99).empty());
  const auto overdue = waits.take_overdue(100);
  ASSERT_EQ(overdue.size(), 1U);
  EXPECT_EQ(overdue[0].second, "soon");
  EXPECT_EQ(waits.next_deadline(), 200);
}

TEST(Waits, ARepeatedOneReplacesTheFormerAndTheNumberIsBounded) {
  Waits<std::string> waits(2);
  ASSERT_TRUE(waits.add({1, 1, 1}, "old", 100));
  ASSERT_TRUE(waits.add({1, 1, 1}, "new", 300));
  ASSERT_TRUE(waits.add({2, 1, 1}, "other", 200));
  EXPECT_FALSE(waits.add({3, 1, 1}, "too many", 100));
  EXPECT_EQ(waits.next_deadline(), 200);
  EXPECT_EQ(waits.take(1).at(0).second, "new");
}

}  // namespace
}  // namespace juxmem

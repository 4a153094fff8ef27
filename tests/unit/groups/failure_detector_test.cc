#include "groups/membership/failure_detector.h"

#include <gtest/gtest.h>

#include <vector>

namespace juxmem {
namespace {

using Rows = std::map<NodeId, wire::CatalogProvider>;

Rows rows(std::vector<NodeId> nodes) {
  Rows rows;
  for (NodeId node : nodes) {
    rows[node].node = node;
    rows[node].incarnation = 7;
  }
  return rows;
}

wire::Report report(NodeId node, std::uint64_t progress) {
  return {.node = node, .incarnation = 7, .used_bytes = 100, .progress = progress};
}

std::vector<NodeId> nodes_of(const std::vector<wire::ProviderState>& states, bool up) {
  std::vector<NodeId> nodes;
  for (const wire::ProviderState& state : states) {
    if (state.up == up) nodes.push_back(state.node);
  }
  return nodes;
}

class FailureDetectorTest : public testing::Test {
 protected:
  FailureDetectorTest() { detector.start(); }

  std::vector<NodeId> down_at(std::int64_t ms) { return nodes_of(detector.tick(ms_to_ns(ms), providers), false); }
  std::vector<NodeId> up_at(std::int64_t ms) { return nodes_of(detector.tick(ms_to_ns(ms), providers), true); }
  bool reported(std::int64_t ms, const wire::Report& report) { return detector.on_report(ms_to_ns(ms), providers, report); }

  Timing timing;
  FailureDetector detector{timing};
  Rows providers = rows({1, 2});
  const std::vector<NodeId> none;
};

TEST_F(FailureDetectorTest, SilentProviderIsCalledDownAfterTheFullTime) {
  EXPECT_EQ(down_at(0), none);
  EXPECT_TRUE(reported(100, report(1, 1)));
  EXPECT_TRUE(reported(1500, report(1, 2)));
  EXPECT_EQ(down_at(timing.provider_dead_ms - 1), none);
  EXPECT_EQ(down_at(timing.provider_dead_ms), std::vector<NodeId>{2});
}

TEST_F(FailureDetectorTest, ReportsWithoutProgressKeepNobodyAlive) {
  down_at(0);
  for (std::int64_t ms = 100; ms < 2000; ms += 100) {
    reported(ms, report(1, 5));
    reported(ms, report(2, 5 + static_cast<std::uint64_t>(ms)));
  }
  EXPECT_EQ(down_at(timing.provider_dead_ms), std::vector<NodeId>{1});
}

TEST_F(FailureDetectorTest, LaterLifeOfAProviderIsJudgedByItsOwnProgress) {
  down_at(0);
  providers.erase(2);
  reported(100, report(1, 1));
  reported(200, report(1, 1000));
  providers[1].incarnation = 8;
  wire::Report later = report(1, 1);
  later.incarnation = 8;
  for (std::int64_t ms = 2300; ms < 5000; ms += 250) {
    EXPECT_TRUE(reported(ms, later));
    EXPECT_EQ(down_at(ms), none);
    ++later.progress;
  }
}

TEST_F(FailureDetectorTest, ProposalComesAgainWhenTheCatalogDoesNotFollow) {
  down_at(0);
  EXPECT_EQ(down_at(2000).size(), 2U);
  EXPECT_EQ(down_at(2001), none);
  EXPECT_EQ(down_at(2000 + 4 * timing.report_ms).size(), 2U);
  providers[1].up = false;
  providers[2].up = false;
  EXPECT_EQ(down_at(2000 + 20 * timing.report_ms), none);
}

TEST_F(FailureDetectorTest, ProviderThatMovesAgainIsCalledUp) {
  providers[1].up = false;
  EXPECT_EQ(up_at(0), none);
  reported(100, report(1, 5));
  EXPECT_EQ(up_at(101), none) << "one report shows no progress";
  reported(200, report(1, 6));
  EXPECT_EQ(up_at(201), std::vector<NodeId>{1});
}

TEST_F(FailureDetectorTest, NewCoordinatorGivesEverybodyTheFullTime) {
  down_at(0);
  detector.start();
  EXPECT_EQ(down_at(5000), none);
  EXPECT_EQ(down_at(5000 + timing.provider_dead_ms).size(), 2U);
}

TEST_F(FailureDetectorTest, StrangersAndFormerLivesAreRefused) {
  EXPECT_FALSE(reported(0, report(9, 1)));
  wire::Report former = report(1, 1);
  former.incarnation = 6;
  EXPECT_FALSE(reported(0, former));
}

TEST_F(FailureDetectorTest, NewProviderGetsTheFullTime) {
  down_at(0);
  providers[3].node = 3;
  providers[3].incarnation = 7;
  EXPECT_EQ(down_at(2500), (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(down_at(4499 - 1), (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(down_at(4500), std::vector<NodeId>{3});
}

TEST_F(FailureDetectorTest, TellsTheMemoryLastReported) {
  EXPECT_EQ(detector.used_bytes(1), 0U);
  reported(0, report(1, 1));
  EXPECT_EQ(detector.used_bytes(1), 100U);
}

}  // namespace
}  // namespace juxmem

#include "consistency/paxos/writers.h"

#include <gtest/gtest.h>

#include "juxmem/base/timing.h"
#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

constexpr SiteId kOwn = 1;
constexpr TimeNs kWindow = ms_to_ns(100);

class WritersTest : public testing::Test {
 protected:
  WritersTest() { writers_.begin(now_); }
  // One window with so many proposals of each site; what is due at its end.
  SiteId window(int own, int second, int third = 0) {
    for (int i = 0; i < own; ++i) writers_.proposed(now_, kOwn);
    for (int i = 0; i < second; ++i) writers_.proposed(now_, 2);
    for (int i = 0; i < third; ++i) writers_.proposed(now_, 3);
    now_ += kWindow;
    return writers_.due(now_);
  }

  TimeNs now_ = ms_to_ns(5);
  Writers writers_{kWindow, kOwn};
};

TEST_F(WritersTest, TwoWindowsOfAnotherSiteMoveTheRole) {
  EXPECT_EQ(window(2, 30), 0U);
  EXPECT_EQ(window(2, 30), 2U);
  EXPECT_EQ(writers_.share().site, 2U);
  EXPECT_EQ(writers_.share().percent, 93U);
}

TEST_F(WritersTest, OneWindowMovesNothing) {
  EXPECT_EQ(window(0, 100), 0U);
  EXPECT_EQ(window(100, 0), 0U);
  EXPECT_EQ(window(0, 100), 0U);
}

TEST_F(WritersTest, BalancedWritersMoveNothing) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(window(50, 50), 0U);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(window(0, 50, 50), 0U);
}

TEST_F(WritersTest, FewProposalsMoveNothing) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(window(0, 7), 0U);
}

TEST_F(WritersTest, OwnSiteMovesNothing) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(window(100, 1), 0U);
}

TEST_F(WritersTest, PauseBeginsAnew) {
  EXPECT_EQ(window(0, 100), 0U);
  now_ += 3 * kWindow;
  EXPECT_EQ(writers_.due(now_), 0U);
  EXPECT_EQ(window(0, 100), 0U);
  EXPECT_EQ(window(0, 100), 2U);
}

TEST_F(WritersTest, SwitchedOffNobodyIsFollowed) {
  Writers off(0, kOwn);
  off.begin(now_);
  for (int i = 0; i < 1000; ++i) {
    off.proposed(now_, 2);
    now_ += kWindow / 100;
    EXPECT_EQ(off.due(now_), 0U);
  }
}

// ---- the stream follows -------------------------------------------------------------------------------------------

StreamConfig two_sites(std::int64_t follow_ms) {
  StreamConfig config;
  config.stream = {1, 1};
  config.members = {{1, 1}, {2, 2}, {3, 2}};
  config.preferred = 1;
  config.timing.follow_ms = follow_ms;
  return config;
}

// Node 1 or whoever leads after it puts what two sites write into the log, for 3 seconds; returns how often the role moved.
int moves(std::int64_t follow_ms, SiteId one, SiteId other, NodeId& at_last) {
  StreamCluster cluster(two_sites(follow_ms));
  cluster.start();
  cluster.run(20);
  NodeId leader = 1;
  int moved = 0;
  for (int ms = 0; ms < 3000; ++ms) {
    for (NodeId node = 1; node <= 3; ++node) {
      if (!cluster[node].is_coordinator()) continue;
      if (node != leader) ++moved;
      leader = node;
      (void)cluster[node].propose(cluster.now(), {{}, wire::EntryKind::kCommand, Buffer::copy_of("a"), {}},
                                  ms % 2 == 0 ? one : other);
    }
    cluster.run(1);
  }
  at_last = leader;
  return moved;
}

TEST(StreamWriters, RoleMovesToTheWritersOnce) {
  NodeId leader = 0;
  EXPECT_EQ(moves(200, 2, 2, leader), 1);
  EXPECT_NE(leader, 1U);
}

TEST(StreamWriters, RoleStaysWithBalancedWriters) {
  NodeId leader = 0;
  EXPECT_EQ(moves(200, 1, 2, leader), 0);
  EXPECT_EQ(leader, 1U);
}

TEST(StreamWriters, RoleStaysWhenSwitchedOff) {
  NodeId leader = 0;
  EXPECT_EQ(moves(0, 2, 2, leader), 0);
}

}  // namespace
}  // namespace juxmem

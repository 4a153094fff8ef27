// A member that was left behind goes on after a snapshot.
#include <gtest/gtest.h>

#include "consistency/paxos/entry_log.h"
#include "consistency/paxos/stream.h"
#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kSmall = kEntryOverheadBytes + 1;

// Member 3 was away for so long that the others have forgotten what it lacks.
class LeftBehind : public testing::Test {
 protected:
  static StreamConfig config() {
    StreamConfig config = StreamCluster::three();
    config.limits.kept_bytes = 10 * kSmall;
    return config;
  }
  void SetUp() override {
    cluster.start();
    cluster.run(20);
    cluster.cut(3);
    cluster.run(1000);
    propose(100);
    cluster.mend(3);
    cluster.run(200);
    ASSERT_TRUE(status(3).left_behind);
  }
  void propose(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(cluster.propose(1, "x"));
      cluster.run(1);
    }
  }
  StreamStatus status(NodeId node) { return cluster[node].status(cluster.now()); }

  StreamCluster cluster{config()};
};

TEST_F(LeftBehind, ContinuesAfterTheSnapshot) {
  cluster[3].await_snapshot(cluster.now());
  const Instance at = status(1).decided;
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), at));
  cluster.run(200);
  EXPECT_FALSE(status(3).left_behind);
  EXPECT_TRUE(status(1).members[2].live);
  EXPECT_FALSE(status(1).members[2].left_behind);
  const std::size_t before = cluster.texts(3).size();
  propose(5);
  cluster.run(50);
  EXPECT_EQ(cluster.texts(3).size(), before + 5);
  EXPECT_EQ(status(3).applied, status(1).applied);
}

TEST_F(LeftBehind, WhatComesDuringTheSnapshotIsKeptForIt) {
  cluster[3].await_snapshot(cluster.now());
  const Instance at = status(1).decided;
  propose(8);
  EXPECT_LE(status(1).log_first, at + 1);
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), at));
  cluster.run(300);
  EXPECT_EQ(status(3).applied, status(1).applied);
  EXPECT_EQ(cluster.texts(3).size(), 8U);
}

TEST_F(LeftBehind, SnapshotThatIsOvertakenByTheLogsLimitLeavesItBehind) {
  cluster[3].await_snapshot(cluster.now());
  const Instance at = status(1).decided;
  propose(50);
  EXPECT_GT(status(1).log_first, at + 1);
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), at));
  cluster.run(200);
  EXPECT_TRUE(status(3).left_behind);
}

TEST_F(LeftBehind, NothingIsHandedOutAndNothingLedWhileItWaits) {
  cluster[3].await_snapshot(cluster.now());
  const std::size_t before = cluster.texts(3).size();
  cluster.cut(1);
  cluster.run(3000);
  EXPECT_TRUE(cluster[2].is_coordinator());
  EXPECT_FALSE(cluster[3].is_coordinator());
  EXPECT_EQ(cluster.texts(3).size(), before);
}

TEST_F(LeftBehind, ItsPromiseStaysAndItsVoteCountsAfterwards) {
  const Ballot promised = cluster[3].ballot();
  cluster[3].await_snapshot(cluster.now());
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), status(1).decided));
  EXPECT_EQ(cluster[3].ballot(), promised);
  cluster.run(200);
  cluster.cut(2);
  const std::size_t before = cluster.texts(1).size();
  propose(3);
  cluster.run(100);
  EXPECT_EQ(cluster.texts(1).size(), before + 3);
}

TEST_F(LeftBehind, MemberThatCaughtUpCanLead) {
  cluster[3].await_snapshot(cluster.now());
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), status(1).decided));
  cluster.run(300);
  ASSERT_TRUE(cluster[1].transfer(cluster.now(), 3));
  cluster.run(300);
  EXPECT_TRUE(cluster[3].is_coordinator());
  EXPECT_GT(status(3).decided, 100U);
}

TEST(StreamSnapshot, OlderThanWhatWasHandedOutIsRefused) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.run(50);
  cluster[3].await_snapshot(cluster.now());
  EXPECT_EQ(cluster[3].install_snapshot(cluster.now(), 2).error().code, Code::kStale);
  EXPECT_TRUE(cluster[3].status(cluster.now()).awaits_snapshot);
}

TEST(StreamSnapshot, MemberThatCampaignsGivesItUp) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.cut(3);
  cluster.run(5000);
  cluster[3].await_snapshot(cluster.now());
  EXPECT_EQ(cluster[3].status(cluster.now()).role, StreamRole::kFollower);
  cluster.run(3000);
  EXPECT_EQ(cluster[3].status(cluster.now()).role, StreamRole::kFollower);
}

TEST(StreamSnapshot, AcceptedSuffixBeyondItStays) {
  StreamConfig config = StreamCluster::three();
  StreamCluster cluster(config);
  cluster.start();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  cluster[1].hurry(3);
  cluster.settle();
  const StreamStatus before = cluster[3].status(cluster.now());
  ASSERT_GT(before.log_last, before.decided);
  cluster[3].await_snapshot(cluster.now());
  ASSERT_TRUE(cluster[3].install_snapshot(cluster.now(), before.log_last - 2));
  EXPECT_EQ(cluster[3].last(), before.log_last);
  EXPECT_NE(cluster[3].entry_at(before.log_last), nullptr);
  EXPECT_EQ(cluster[3].entry_at(before.log_last - 2), nullptr);
  cluster.run(100);
  EXPECT_EQ(cluster.texts(3).size(), 2U);
}

}  // namespace
}  // namespace juxmem

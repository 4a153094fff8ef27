// The end of an epoch.
#include <gtest/gtest.h>

#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

const std::vector<StreamMember> kNext = {{1, 1}, {2, 1}, {4, 1}};

class StreamStopTest : public testing::Test {
 protected:
  explicit StreamStopTest(const StreamConfig& config = StreamCluster::three()) : cluster_(config) {
    cluster_.start();
    cluster_.run(20);
  }
  // Runs the stream of the next epoch beside the ended one.
  static StreamConfig next_of(const StreamEnd& end) { return next_config(StreamCluster::three(), end.stop, end.next); }

  StreamCluster cluster_;
};

TEST_F(StreamStopTest, EveryMemberLearnsEndAndNextMembers) {
  ASSERT_TRUE(cluster_.propose(1, "a"));
  const Result<Instance> stop = cluster_[1].propose_stop(cluster_.now(), kNext);
  ASSERT_TRUE(stop);
  cluster_.run(3);
  for (NodeId node : {1, 2, 3}) {
    ASSERT_TRUE(cluster_.end(node)) << node;
    EXPECT_EQ(cluster_.end(node)->stop, *stop);
    EXPECT_EQ(cluster_.end(node)->next.members, kNext);
    EXPECT_EQ(cluster_.end(node)->next.next_epoch, 2U);
    EXPECT_TRUE(cluster_[node].has_ended());
    EXPECT_EQ(cluster_[node].last(), *stop);
    EXPECT_EQ(cluster_.texts(node).size(), 1U);
  }
  EXPECT_TRUE(cluster_[1].status(cluster_.now()).end_is_known);
}

TEST_F(StreamStopTest, NothingIsProposedAfterAStop) {
  cluster_.cut(1);  // the Stop stays undecided
  ASSERT_TRUE(cluster_[1].propose_stop(cluster_.now(), kNext));
  EXPECT_EQ(cluster_.propose(1, "late").error().code, Code::kStopping);
  EXPECT_EQ(cluster_[1].propose_stop(cluster_.now(), kNext).error().code, Code::kStopping);
  const Instance last = cluster_[1].last();
  cluster_[1].report_digest(cluster_.now(), 1, 7);
  EXPECT_EQ(cluster_[1].last(), last);
}

TEST_F(StreamStopTest, EndedStreamTakesNothingMore) {
  ASSERT_TRUE(cluster_[1].propose_stop(cluster_.now(), kNext));
  cluster_.run(3);
  EXPECT_EQ(cluster_.propose(1, "late").error().code, Code::kStopping);
  EXPECT_EQ(cluster_[2].request_read(cluster_.now(), 1).error().code, Code::kStopping);
  EXPECT_FALSE(cluster_[1].serves(cluster_.now()));
  cluster_.run(5000);
  for (NodeId node : {1, 2, 3}) EXPECT_EQ(cluster_[node].status(cluster_.now()).role, StreamRole::kFollower) << node;
}

TEST_F(StreamStopTest, OnlyTheCoordinatorStopsAndOnlyForGoodMembers) {
  EXPECT_EQ(cluster_[2].propose_stop(cluster_.now(), kNext).error().code, Code::kNotCoordinator);
  EXPECT_EQ(cluster_[1].propose_stop(cluster_.now(), {}).error().code, Code::kInvalid);
  EXPECT_EQ(cluster_[1].propose_stop(cluster_.now(), {{1, 1}, {1, 2}}).error().code, Code::kInvalid);
  EXPECT_TRUE(cluster_.propose(1, "still works"));
}

TEST_F(StreamStopTest, StopThatNobodyElseAcceptedIsUndone) {
  cluster_.cut(1);
  ASSERT_TRUE(cluster_[1].propose_stop(cluster_.now(), kNext));
  cluster_.run(2000);
  const NodeId leader = cluster_[2].is_coordinator() ? 2 : 3;
  ASSERT_TRUE(cluster_[leader].is_coordinator());
  ASSERT_TRUE(cluster_.propose(leader, "b"));
  cluster_.run(100);
  cluster_.mend(1);
  cluster_.run(500);
  EXPECT_FALSE(cluster_.end(1));
  EXPECT_EQ(cluster_.texts(1), std::vector<std::string>{"b"});
}

TEST_F(StreamStopTest, ReadsWithoutAPlaceAreHandedBack) {
  cluster_.cut(3);
  ASSERT_TRUE(cluster_[3].request_read(cluster_.now(), 77));
  cluster_.settle();
  ASSERT_TRUE(cluster_[1].propose_stop(cluster_.now(), kNext));
  cluster_.run(2000);
  cluster_.mend(3);
  cluster_.run(5000);
  ASSERT_TRUE(cluster_.end(3));
  EXPECT_EQ(cluster_.end(3)->reads, std::vector<std::uint64_t>{77});
  EXPECT_TRUE(cluster_.reads(3).empty());
}

TEST_F(StreamStopTest, NextEpochGoesOnAfterTheStopUnderHigherRounds) {
  ASSERT_TRUE(cluster_.propose(1, "a"));
  ASSERT_TRUE(cluster_[1].propose_stop(cluster_.now(), kNext));
  cluster_.run(3);
  const StreamEnd end = *cluster_.end(1);
  const StreamConfig config = next_of(end);
  EXPECT_EQ(config.stream, (StreamId{1, 2}));
  EXPECT_EQ(config.base, end.stop);
  EXPECT_EQ(config.preferred, 1U);
  StreamCluster next(config);
  next.start();
  next.run(5);
  ASSERT_TRUE(next[1].is_coordinator());
  EXPECT_GT(next[1].ballot(), cluster_[1].ballot());
  const Result<Instance> place = next.propose(1, "b");
  ASSERT_TRUE(place);
  EXPECT_EQ(*place, end.stop + 2);  // after the coordinator's Noop
  next.run(20);
  for (const StreamMember& member : kNext) {
    EXPECT_EQ(next.texts(member.node), std::vector<std::string>{"b"}) << member.node;
    EXPECT_EQ(next[member.node].decided(), *place) << member.node;
  }
}

TEST(StreamStop, LaggingMemberIsTaughtInPieces) {
  StreamConfig config = StreamCluster::three();
  config.limits.batch_entries = 3;
  StreamCluster cluster(config);
  cluster.start();
  cluster.run(20);
  cluster.cut(3);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  ASSERT_TRUE(cluster[1].propose_stop(cluster.now(), kNext));
  cluster.run(1000);  // whoever announces the end has given up
  ASSERT_TRUE(cluster.end(2));
  EXPECT_FALSE(cluster[1].status(cluster.now()).end_is_known);
  std::size_t largest = 0;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    if (const auto* ended = std::get_if<wire::Ended>(&outgoing.message)) largest = std::max(largest, ended->entries.size());
  };
  cluster.mend(3);
  cluster.run(5000);
  ASSERT_TRUE(cluster.end(3));
  EXPECT_EQ(cluster.texts(3).size(), 20U);
  EXPECT_EQ(largest, 3U);
  EXPECT_TRUE(cluster[1].status(cluster.now()).end_is_known);
}

TEST(StreamStop, LoneMemberEndsByItself) {
  StreamConfig config = StreamCluster::three();
  config.members = {{1, 1}};
  StreamCluster cluster(config);
  cluster.start();
  ASSERT_TRUE(cluster[1].propose_stop(cluster.now(), kNext));
  cluster.run(1);
  ASSERT_TRUE(cluster.end(1));
  EXPECT_TRUE(cluster[1].status(cluster.now()).end_is_known);
}

TEST(StreamStop, UnsoundEndsAreIgnored) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.run(20);
  const StopSign sign{2, 1, kNext};
  const wire::Entry stop{{9, 2}, wire::EntryKind::kStop, encode(sign), {}};
  const wire::Entry command{{9, 2}, wire::EntryKind::kCommand, Buffer::copy_of("x"), {}};
  const auto told = [&](Instance first, std::vector<wire::Entry> entries, Instance end) {
    cluster[3].receive(cluster.now(), 2, wire::Ended{{1, 1}, {9, 2}, first, std::move(entries), end});
    cluster.settle();
    return cluster.end(3).has_value() || cluster[3].ballot() == Ballot{9, 2};
  };
  EXPECT_FALSE(told(2, {command}, 2));        // its end is no Stop
  EXPECT_FALSE(told(2, {stop, command}, 3));  // a Stop before the end
  EXPECT_FALSE(told(2, {command, stop}, 2));  // entries beyond the end
  EXPECT_FALSE(told(9, {}, 3));               // begins beyond the end
}

}  // namespace
}  // namespace juxmem

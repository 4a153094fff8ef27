// Bounded memory, flow control and truncation of a Stream.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "consistency/paxos/entry_log.h"
#include "consistency/paxos/stream.h"
#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kSmall = kEntryOverheadBytes + 1;  // an entry of one character

TEST(StreamLimits, UndecidedEntriesAreBounded) {
  StreamConfig config = StreamCluster::three();
  config.limits.undecided_bytes = 4 * kSmall;
  StreamCluster cluster(config);
  cluster.start();
  cluster.cut(1);
  int taken = 0;
  Code code = Code::kOk;
  for (int i = 0; i < 10 && code == Code::kOk; ++i) {
    const auto place = cluster.propose(1, "x");
    if (place)
      ++taken;
    else
      code = place.error().code;
  }
  EXPECT_EQ(taken, 4);
  EXPECT_EQ(code, Code::kOverloaded);
  cluster.mend(1);
  cluster.run(200);
  EXPECT_TRUE(cluster.propose(1, "y"));
}

TEST(StreamLimits, BatchesKeepToTheirBounds) {
  StreamConfig config = StreamCluster::three();
  config.limits.batch_entries = 3;
  config.limits.batch_bytes = 2 * kSmall;
  StreamCluster cluster(config);
  std::size_t largest = 0;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    if (const auto* accept = std::get_if<wire::Accept>(&outgoing.message))
      largest = std::max(largest, accept->entries.size());
  };
  cluster.start();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.run(10);
  EXPECT_EQ(largest, 2U);
  EXPECT_EQ(cluster.texts(3).size(), 20U);
}

TEST(StreamLimits, NothingBeyondTheWindowIsSentUnacknowledged) {
  StreamConfig config = StreamCluster::three();
  config.limits.window_bytes = 4 * kSmall;
  config.limits.batch_entries = 1;
  config.timing.thrift_ms = 0;
  StreamCluster cluster(config);
  cluster.start();
  cluster.run(20);
  int sent_to_3 = 0;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    if (outgoing.to == 3 && std::holds_alternative<wire::Accept>(outgoing.message)) ++sent_to_3;
  };
  cluster.cut(3);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  EXPECT_EQ(sent_to_3, 4);
}

TEST(StreamLimits, OnlySmallEntriesWaitForMembersThatNoQuorumNeeds) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.run(20);
  std::map<NodeId, int> sent_to;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    if (std::holds_alternative<wire::Accept>(outgoing.message)) ++sent_to[outgoing.to];
  };
  ASSERT_TRUE(cluster.propose(1, "small"));
  cluster.settle();
  EXPECT_EQ(sent_to[2] + sent_to[3], 1);
  ASSERT_TRUE(cluster.propose(1, std::string(100'000, 'x')));
  cluster.settle();
  EXPECT_EQ(sent_to[2] + sent_to[3], 3) << "the small one goes along";
  ASSERT_TRUE(cluster.propose(1, "small"));
  cluster.settle();
  EXPECT_EQ(sent_to[2] + sent_to[3], 4);
  cluster[1].hurry(2);
  cluster[1].hurry(3);
  cluster.settle();
  EXPECT_EQ(sent_to[2] + sent_to[3], 5);
}

TEST(StreamLimits, EntryLargerThanTheWindowStillTravels) {
  StreamConfig config = StreamCluster::three();
  config.limits.window_bytes = 10;
  config.limits.batch_bytes = 10;
  StreamCluster cluster(config);
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, std::string(5000, 'x')));
  cluster.run(20);
  EXPECT_EQ(cluster.texts(2).size(), 1U);
}

TEST(StreamLimits, LogIsForgottenOnceEverybodyKnowsItDecided) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.run(200);
  for (NodeId node : {1, 2, 3}) {
    EXPECT_LE(cluster[node].status(cluster.now()).log_bytes, 4 * kSmall) << node;
    EXPECT_EQ(cluster.texts(node).size(), 1000U);
  }
}

TEST(StreamLimits, SilentMemberFallsOffWhenTheLogGetsTooLarge) {
  StreamConfig config = StreamCluster::three();
  config.limits.kept_bytes = 50 * kSmall;
  config.limits.undecided_bytes = 10 * kSmall;
  StreamCluster cluster(config);
  cluster.start();
  cluster.run(100);
  cluster.cut(3);
  cluster.run(1000);  // now it counts as silent
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x")) << i;
    cluster.run(1);
  }
  EXPECT_LE(cluster[1].status(cluster.now()).log_bytes, 70 * kSmall);
  cluster.mend(3);
  cluster.run(300);
  EXPECT_TRUE(cluster[3].status(cluster.now()).left_behind);
  const StreamStatus status = cluster[1].status(cluster.now());
  ASSERT_EQ(status.members.size(), 3U);
  EXPECT_TRUE(status.members[2].left_behind);
  EXPECT_FALSE(status.members[1].left_behind);
  EXPECT_GT(status.members[2].lag, 0U);
}

TEST(StreamLimits, MemberThatFellOffIsNotElected) {
  StreamConfig config = StreamCluster::three();
  config.limits.kept_bytes = 10 * kSmall;
  StreamCluster cluster(config);
  cluster.start();
  cluster.cut(3);
  cluster.run(1000);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
    cluster.run(1);
  }
  cluster.mend(3);
  cluster.run(100);
  cluster.cut(1);
  cluster.run(5000);
  EXPECT_FALSE(cluster[3].is_coordinator());
  EXPECT_EQ(cluster.texts(2).size(), 50U);
}

TEST(StreamLimits, LiveMemberThatLagsHoldsProposalsBack) {
  StreamConfig config = StreamCluster::three();
  config.limits.kept_bytes = 10 * kSmall;
  config.limits.undecided_bytes = 10 * kSmall;
  StreamCluster cluster(config);
  cluster.start();
  cluster.run(10);
  cluster.cut(3);  // it still counts as live for a while
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    if (!cluster.propose(1, "x")) break;
    ++taken;
    cluster.settle();
  }
  EXPECT_LT(taken, 25);
  cluster.mend(3);
  cluster.run(300);
  EXPECT_EQ(cluster.texts(3).size(), static_cast<std::size_t>(taken));
  EXPECT_TRUE(cluster.propose(1, "y"));
}

TEST(StreamLimits, WaitingReadsAreBounded) {
  StreamConfig config = StreamCluster::three();
  config.limits.reads_waiting = 2;
  StreamCluster cluster(config);
  EXPECT_TRUE(cluster[3].request_read(cluster.now(), 1));
  EXPECT_TRUE(cluster[3].request_read(cluster.now(), 2));
  EXPECT_EQ(cluster[3].request_read(cluster.now(), 3).error().code, Code::kOverloaded);
}

}  // namespace
}  // namespace juxmem

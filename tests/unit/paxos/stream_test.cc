#include "consistency/paxos/stream.h"

#include <gtest/gtest.h>

#include "consistency/paxos/digest_check.h"
#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

using Texts = std::vector<std::string>;

TEST(Stream, PreferredMemberCoordinatesWithoutWaiting) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  EXPECT_TRUE(cluster[1].serves(cluster.now()));
  EXPECT_EQ(cluster[2].coordinator(), 1U);
  ASSERT_FALSE(cluster.roles(1).empty());
  EXPECT_EQ(cluster.roles(1).back().role, StreamRole::kCoordinator);
  EXPECT_EQ(cluster.roles(1).back().first_own, 1U);
}

TEST(Stream, WithoutPreferenceSomebodyIsElected) {
  StreamConfig config = StreamCluster::three();
  config.preferred = 0;
  StreamCluster cluster(config);
  cluster.start();
  cluster.run(2000);
  const NodeId coordinator = cluster[1].coordinator();
  EXPECT_NE(coordinator, 0U);
  EXPECT_EQ(cluster[2].coordinator(), coordinator);
  EXPECT_TRUE(cluster[coordinator].serves(cluster.now()));
}

TEST(Stream, AloneEverythingIsDecidedAtOnce) {
  StreamConfig config = StreamCluster::three();
  config.members = {{1, 1}};
  StreamCluster cluster(config);
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.settle();
  EXPECT_EQ(cluster.texts(1), Texts{"a"});
  cluster.run(5000);
  EXPECT_TRUE(cluster[1].serves(cluster.now()));
}

TEST(Stream, EntriesAreDecidedInTheSameOrderEverywhere) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  Texts expected;
  for (int i = 0; i < 500; ++i) {
    expected.push_back(std::to_string(i));
    ASSERT_TRUE(cluster.propose(1, expected.back()));
    if (i % 7 == 0) cluster.settle();
  }
  cluster.run(20);
  for (NodeId node : {1, 2, 3}) EXPECT_EQ(cluster.texts(node), expected);
}

TEST(Stream, OthersRefuseProposals) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  const auto refused = cluster.propose(2, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kNotCoordinator);
}

TEST(Stream, LostAcceptsAreSentAgain) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.cut(3);
  for (const char* text : {"a", "b"}) {
    ASSERT_TRUE(cluster.propose(1, text));
    cluster.settle();
  }
  EXPECT_EQ(cluster.texts(1), (Texts{"a", "b"}));
  EXPECT_TRUE(cluster.texts(3).empty());
  cluster.mend(3);
  cluster.run(200);
  EXPECT_EQ(cluster.texts(3), (Texts{"a", "b"}));
}

TEST(Stream, SurvivorsElectAnotherCoordinatorAndLoseNothing) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.settle();
  cluster.cut(1);
  cluster.run(3000);
  const NodeId next = cluster[2].coordinator();
  EXPECT_NE(next, 1U);
  ASSERT_TRUE(cluster.propose(next, "b"));
  cluster.run(10);
  EXPECT_EQ(cluster.texts(2), (Texts{"a", "b"}));
  EXPECT_EQ(cluster.texts(3), (Texts{"a", "b"}));
  EXPECT_FALSE(cluster[1].is_coordinator());
}

TEST(Stream, SuccessorKnowsWhenTheLastLoanBeganHoweverLongItsElectionTook) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.run(200);
  const TimeNs lent = cluster[1].lend(cluster.now());
  EXPECT_GT(lent, cluster.now() - ms_to_ns(Timing{}.heartbeat_ms + 1));
  const TimeNs cut_at = cluster.now();
  cluster.cut(1);
  cluster.run(1500);
  Stream& successor = cluster[2].is_coordinator() ? cluster[2] : cluster[3];
  ASSERT_TRUE(successor.is_coordinator());
  EXPECT_GE(successor.borrowed_before(), lent);
  EXPECT_LT(successor.borrowed_before(), cut_at + ms_to_ns(10));
}

TEST(Stream, SuccessorByTransferKnowsOfLoansUntilThen) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.run(200);
  const TimeNs lent = cluster[1].lend(cluster.now());
  ASSERT_TRUE(cluster[1].transfer(cluster.now(), 2));
  cluster.settle();
  ASSERT_TRUE(cluster[2].is_coordinator());
  EXPECT_GE(cluster[2].borrowed_before(), lent);
}

TEST(Stream, LeaseEndsWithoutAQuorumAndServingWithIt) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.cut(1);
  cluster.run(301);
  EXPECT_FALSE(cluster[1].serves(cluster.now()));
}

TEST(Stream, ReadAtAReplicaIncludesWhatWasAcknowledged) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.settle();
  const Instance acknowledged = cluster[1].decided();
  ASSERT_TRUE(cluster[3].request_read(cluster.now(), 42));
  cluster.settle();
  ASSERT_EQ(cluster.reads(3).size(), 1U);
  EXPECT_EQ(cluster.reads(3)[0].tag, 42U);
  EXPECT_GE(cluster.reads(3)[0].instance, acknowledged);
  EXPECT_EQ(cluster.texts(3), Texts{"a"});
}

TEST(Stream, ReadsWaitWhileNobodyCanAnswerAndAreAnsweredAfterwards) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.cut(3);
  ASSERT_TRUE(cluster[3].request_read(cluster.now(), 1));
  cluster.run(2000);
  EXPECT_TRUE(cluster.reads(3).empty());
  cluster.mend(3);
  cluster.run(2000);
  EXPECT_EQ(cluster.reads(3).size(), 1U);
}

TEST(Stream, TransferMovesTheRoleWithoutWaitingForLeases) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, "a"));
  ASSERT_TRUE(cluster[1].transfer(cluster.now(), 3));
  cluster.settle();
  EXPECT_TRUE(cluster[3].serves(cluster.now()));
  EXPECT_FALSE(cluster[1].serves(cluster.now()));
  EXPECT_EQ(cluster.texts(3), Texts{"a"});
}

TEST(Stream, TransferToADeadMemberIsGivenUpInTime) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.cut(3);
  ASSERT_TRUE(cluster.propose(1, "a"));
  ASSERT_TRUE(cluster[1].transfer(cluster.now(), 3));
  cluster.settle();
  const auto refused = cluster.propose(1, "b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  cluster.run(StreamConfig{}.timing.transfer_ms + 1);
  EXPECT_TRUE(cluster.propose(1, "b"));
}

TEST(Stream, MemberThatHasNeverAnsweredIsNotLive) {
  StreamCluster cluster(StreamCluster::three());
  cluster.cut(3);
  cluster.start();
  const StreamStatus status = cluster[1].status(cluster.now());
  ASSERT_EQ(status.members.size(), 3U);
  EXPECT_TRUE(status.members[1].live);
  EXPECT_FALSE(status.members[2].live);
}

TEST(Stream, TransferNeedsTheRoleAndAnotherMember) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  EXPECT_EQ(cluster[2].transfer(cluster.now(), 3).error().code, Code::kNotCoordinator);
  EXPECT_EQ(cluster[1].transfer(cluster.now(), 1).error().code, Code::kInvalid);
  EXPECT_EQ(cluster[1].transfer(cluster.now(), 99).error().code, Code::kInvalid);
}

TEST(Stream, EvidenceOfADecisionMakesAReplicaLearnAtOnce) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  const auto place = cluster.propose(1, "a");
  ASSERT_TRUE(place);
  cluster[1].hurry(3);
  cluster.settle();
  EXPECT_TRUE(cluster.texts(3).empty());
  cluster[3].learn_decided(cluster.now(), cluster[1].ballot(), *place);
  cluster.settle();
  EXPECT_EQ(cluster.texts(3), Texts{"a"});
}

TEST(Stream, DifferingDigestIsToldAtTheReplicaThatDiffers) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster[1].report_digest(cluster.now(), 1, 11);
  cluster[2].report_digest(cluster.now(), 1, 11);
  cluster[3].report_digest(cluster.now(), 1, 13);
  cluster.run(20);
  EXPECT_FALSE(cluster.mismatch(1));
  EXPECT_FALSE(cluster.mismatch(2));
  ASSERT_TRUE(cluster.mismatch(3));
  EXPECT_EQ(cluster.mismatch(3)->logged, 11U);
}

TEST(Stream, CoordinatorWhoseStateMachineHangsStepsDown) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  cluster.hang(1);
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.run(StreamConfig{}.timing.stall_ms + 100);
  EXPECT_FALSE(cluster[1].is_coordinator());
  cluster.run(3000);
  EXPECT_NE(cluster[2].coordinator(), 1U);
  EXPECT_NE(cluster[2].coordinator(), 0U);
}

TEST(Stream, StrangersAndOtherStreamsAreIgnored) {
  StreamCluster cluster(StreamCluster::three());
  cluster.start();
  const Ballot before = cluster[2].ballot();
  cluster[2].receive(cluster.now(), 77, wire::Heartbeat{{1, 1}, {9, 77}, 0, 0, 1, 1});
  cluster[2].receive(cluster.now(), 3, wire::Heartbeat{{1, 2}, {9, 3}, 0, 0, 1, 1});
  cluster[2].receive(cluster.now(), 3, wire::Heartbeat{{1, 1}, {9, 1}, 0, 0, 1, 1});
  EXPECT_EQ(cluster[2].ballot(), before);
}

TEST(Stream, MessagesThatTellTheAcceptorsStateAreMarkedForDurability) {
  StreamCluster cluster(StreamCluster::three());
  int marked = 0;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    const bool tells_state = std::holds_alternative<wire::Promise>(outgoing.message) ||
                             std::holds_alternative<wire::Accepted>(outgoing.message) ||
                             std::holds_alternative<wire::Prepare>(outgoing.message) ||
                             std::holds_alternative<wire::Nack>(outgoing.message);
    if (tells_state) {
      EXPECT_EQ(outgoing.first, Durable::kState);
      ++marked;
    }
    if (std::holds_alternative<wire::Accept>(outgoing.message)) {
      EXPECT_EQ(outgoing.first, Durable::kNothing);
    }
  };
  cluster.start();
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.run(100);
  EXPECT_GT(marked, 3);
}

}  // namespace
}  // namespace juxmem

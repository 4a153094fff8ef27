// One relay per remote site: what crosses between the sites, and what is believed of what a relay says.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/unit/paxos/stream_cluster.h"

namespace juxmem {
namespace {

constexpr Ballot kBallot{1, 1};

// Three sites of three; node 1 coordinates.
StreamConfig nine(std::int64_t relay_ms) {
  StreamConfig config;
  config.stream = {1, 1};
  for (NodeId node = 1; node <= 9; ++node) config.members.push_back({node, (node - 1) / 3 + 1});
  config.preferred = 1;
  config.timing.relay_ms = relay_ms;
  return config;
}

SiteId site_of(NodeId node) { return (node - 1) / 3 + 1; }

std::uint64_t entry_bytes(const wire::StreamMessage& message) {
  const auto* accept = std::get_if<wire::Accept>(&message);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; accept != nullptr && i < accept->entries.size(); ++i) bytes += accept->entries[i].size_bytes();
  return bytes;
}

// Bytes of entries that left the coordinator's site, per byte proposed.
double far_bytes_per_byte(std::int64_t relay_ms) {
  StreamCluster cluster(nine(relay_ms));
  std::uint64_t far = 0;
  cluster.on_message = [&](NodeId from, const Outgoing& outgoing) {
    if (site_of(from) != site_of(outgoing.to)) far += entry_bytes(outgoing.message);
  };
  cluster.start();
  cluster.run(20);
  far = 0;
  std::uint64_t proposed = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string text(i % 2 == 0 ? 100 : 100'000, 'x');
    proposed += text.size();
    EXPECT_TRUE(cluster.propose(1, text));
    cluster.run(1);
  }
  cluster.run(50);
  for (NodeId node = 1; node <= 9; ++node) EXPECT_EQ(cluster.texts(node).size(), 50U) << node;
  return static_cast<double>(far) / static_cast<double>(proposed);
}

TEST(StreamRelay, EntriesCrossOnceToEachRemoteSite) { EXPECT_EQ(far_bytes_per_byte(50), 2.0); }

TEST(StreamRelay, SwitchedOffEntriesCrossOnceToEachReplica) { EXPECT_EQ(far_bytes_per_byte(0), 6.0); }

TEST(StreamRelay, OneAnswerComesBackFromEachSite) {
  StreamCluster cluster(nine(50));
  cluster.start();
  cluster.run(20);
  std::map<SiteId, int> answers;
  cluster.on_message = [&](NodeId from, const Outgoing& outgoing) {
    if (outgoing.to == 1 && std::holds_alternative<wire::SiteAccepted>(outgoing.message)) ++answers[site_of(from)];
  };
  ASSERT_TRUE(cluster.propose(1, "a"));
  cluster.settle();
  cluster.run(3);
  EXPECT_LE(answers[2], 1);
  EXPECT_LE(answers[3], 1);
  EXPECT_EQ(answers[2] + answers[3], 2);
}

TEST(StreamRelay, RelayStaysTheSame) {
  StreamCluster cluster(nine(50));
  cluster.start();
  cluster.run(20);
  std::set<NodeId> relays;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    const auto* accept = std::get_if<wire::Accept>(&outgoing.message);
    if (accept != nullptr && !accept->pass_to.empty()) relays.insert(outgoing.to);
  };
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cluster.propose(1, "a"));
    cluster.run(7);
  }
  EXPECT_EQ(relays.size(), 2U);
}

TEST(StreamRelay, DeadRelayIsBypassedInTime) {
  StreamCluster cluster(nine(50));
  cluster.start();
  cluster.run(60);
  NodeId relay = 0;
  for (const MemberStatus& member : cluster[1].status(cluster.now()).members) {
    if (member.relays && site_of(member.node) == 2) relay = member.node;
  }
  ASSERT_NE(relay, 0U);
  for (NodeId node = 7; node <= 9; ++node) cluster.cut(node);  // now site 2 is needed
  cluster.cut(relay);
  ASSERT_TRUE(cluster.propose(1, "a"));
  const Instance place = cluster[1].last();
  int took_ms = 0;
  for (; cluster[1].decided() < place && took_ms < 1000; ++took_ms) cluster.run(1);
  // Answers come at once here, so relay_ms is all that is waited for where that is known, else retransmit_ms more.
  EXPECT_LE(took_ms, 50 + 60 + 1);
  EXPECT_GE(took_ms, 50);
}

TEST(StreamRelay, MuchDataUnderWayGetsTheTimeItNeeds) {
  StreamCluster cluster(nine(50));
  cluster.start();
  cluster.run(60);
  for (NodeId node = 4; node <= 9; ++node) cluster.cut(node);
  cluster.run(1);
  int sent_directly = 0;
  cluster.on_message = [&](NodeId, const Outgoing& outgoing) {
    const auto* accept = std::get_if<wire::Accept>(&outgoing.message);
    if (accept != nullptr && site_of(outgoing.to) != 1 && accept->pass_to.empty()) ++sent_directly;
  };
  ASSERT_TRUE(cluster.propose(1, std::string(1 << 20, 'x')));
  cluster.run(100);  // 1 MiB may take 100 ms longer than an empty answer
  EXPECT_EQ(sent_directly, 0);
  cluster.run(120);
  EXPECT_GT(sent_directly, 0);
}

// ---- what is believed ---------------------------------------------------------------------------------------------

class StreamRelayTest : public testing::Test {
 protected:
  StreamRelayTest() : cluster_(nine(50)) {
    cluster_.start();
    cluster_.run(20);
    for (NodeId node = 2; node <= 9; ++node) cluster_.cut(node);
    EXPECT_TRUE(cluster_.propose(1, "a"));
    cluster_.settle();
    place_ = cluster_[1].last();
  }
  void tell(NodeId from, std::vector<wire::MemberAccepted> rows, Ballot ballot = kBallot) {
    cluster_[1].receive(cluster_.now(), from, wire::SiteAccepted{{1, 1}, ballot, std::move(rows)});
    cluster_.settle();
  }
  wire::MemberAccepted holds(NodeId node) const { return {node, place_, 0, cluster_.now()}; }
  bool is_decided() { return cluster_[1].decided() == place_; }
  void accept_beside_coordinator() {
    cluster_[1].receive(cluster_.now(), 2, wire::Accepted{{1, 1}, kBallot, place_, 0, cluster_.now()});
  }

  StreamCluster cluster_;
  Instance place_ = 0;
};

TEST_F(StreamRelayTest, RowsCountForTheirMembers) {
  accept_beside_coordinator();
  tell(4, {holds(4), holds(5)});
  EXPECT_TRUE(is_decided());
}

TEST_F(StreamRelayTest, RelayAloneIsNoMajorityOfItsSite) {
  accept_beside_coordinator();
  tell(4, {holds(4)});
  EXPECT_FALSE(is_decided());
}

TEST_F(StreamRelayTest, RowsOfOtherSitesAreIgnored) {
  accept_beside_coordinator();
  tell(7, {holds(4), holds(5)});
  EXPECT_FALSE(is_decided());
}

TEST_F(StreamRelayTest, OtherBallotsAndAbsurdRowsAreIgnored) {
  accept_beside_coordinator();
  tell(4, {holds(4), holds(5)}, {1, 2});
  tell(4, {{4, place_ + 1, 0, cluster_.now()}, {5, place_ + 1, 0, cluster_.now()}, {99, place_, 0, 0}});
  EXPECT_FALSE(is_decided());
}

TEST_F(StreamRelayTest, LeaseCountsFromWhatTheMembersAnswered) {
  const TimeNs before = cluster_[1].status(cluster_.now()).lease_until;
  const TimeNs sent_at = cluster_.now();
  cluster_.run(100);
  tell(4, {{4, 0, 0, sent_at}, {5, 0, 0, sent_at}});
  cluster_[1].receive(cluster_.now(), 2, wire::Accepted{{1, 1}, kBallot, 0, 0, sent_at});
  EXPECT_LE(cluster_[1].status(cluster_.now()).lease_until - before, ms_to_ns(100));
}

TEST_F(StreamRelayTest, AcceptOfAStrangerOrInAnothersNameIsRefused) {
  wire::Accept accept{{1, 1}, kBallot, place_, {{{}, wire::EntryKind::kCommand, Buffer::copy_of("x"), {}}}, 0, 1, 0};
  cluster_[5].receive(cluster_.now(), 4, accept);  // not the coordinator's, and nobody passed it on
  accept.relay = 6;
  cluster_[5].receive(cluster_.now(), 4, accept);
  EXPECT_EQ(cluster_[5].last(), 1U);
}

TEST_F(StreamRelayTest, RelayServesItsOwnSiteOnly) {
  std::multiset<NodeId> served;
  cluster_.on_message = [&](NodeId from, const Outgoing& outgoing) {
    if (from == 4 && std::holds_alternative<wire::Accept>(outgoing.message)) served.insert(outgoing.to);
  };
  wire::Accept accept{{1, 1}, kBallot, place_, {{{}, wire::EntryKind::kCommand, Buffer::copy_of("a"), {}}}, 0, 1, 0};
  accept.pass_to = {1, 4, 5, 5, 7, 42};
  cluster_[4].receive(cluster_.now(), 1, accept);
  cluster_.settle();
  EXPECT_EQ(served, std::multiset<NodeId>{5});
}

}  // namespace
}  // namespace juxmem

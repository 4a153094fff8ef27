#include "juxmem/provider/snapshot_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "juxmem/base/timing.h"
#include "tests/unit/machines/machine_fixture.h"

namespace juxmem {
namespace {

class SnapshotServerTest : public testing::Test {
 protected:
  SnapshotServerTest() {
    const BlockId block = rig_.allocate(8 << 20);
    for (std::uint64_t i = 0; i < 8; ++i)
      rig_.run(wire::Publish{block, grant(1), {{i << 20, 1 << 20}}}, bytes(1 << 20, 'a'));
    block_ = block;
  }
  void ask(NodeId from, std::uint64_t snapshot, std::uint64_t piece, Instance at_least = 1, Instance log_first = 1) {
    server_.on_request(now_, from, {.group = kGroup, .snapshot = snapshot, .piece = piece, .at_least = at_least},
                       rig_.machine, {.first = log_first});
  }
  void pass(std::int64_t ms) {
    now_ += ms_to_ns(ms);
    server_.tick(now_, rig_.machine);
  }
  std::vector<std::pair<NodeId, wire::SnapshotReply>> take() { return std::exchange(sent_, {}); }

  BlockRig rig_;
  BlockId block_ = 0;
  TimeNs now_ = ms_to_ns(1000);
  std::vector<std::pair<NodeId, wire::SnapshotReply>> sent_;
  SnapshotServer server_{[this](NodeId to, wire::SnapshotReply reply) { sent_.emplace_back(to, std::move(reply)); }};
};

TEST_F(SnapshotServerTest, PiecesMakeTheState) {
  PageArena arena = *PageArena::create(kArenaBytes);
  BlockMachine copy(kGroup, arena);
  ask(5, 0, 0);
  std::uint64_t piece = 0;
  for (bool last = false; !last; pass(8)) {
    const auto sent = take();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].first, 5U);
    EXPECT_EQ(sent[0].second.piece, piece);
    EXPECT_EQ(sent[0].second.at, rig_.instance);
    const Status taken = copy.restore(sent[0].second.data);
    ASSERT_TRUE(taken) << to_string(taken.error());
    last = sent[0].second.last;
    if (!last) ask(5, sent[0].second.snapshot, ++piece);
  }
  EXPECT_EQ(copy.digest(), rig_.machine.digest());
}

TEST_F(SnapshotServerTest, NotAllIsSentAtOnce) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  pass(8);
  for (std::uint64_t piece = 1; piece <= 6; ++piece) ask(5, snapshot, piece);
  const std::size_t at_once = take().size();
  EXPECT_LE(at_once, 3U);
  EXPECT_LE(server_.next_tick(), now_ + ms_to_ns(8));
  for (int i = 0; i < 6; ++i) pass(8);
  EXPECT_EQ(at_once + take().size(), 6U);
}

TEST_F(SnapshotServerTest, ReplicaWithMuchToDoServesSlower) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  pass(8);
  for (std::uint64_t piece = 1; piece <= 2; ++piece) ask(5, snapshot, piece);
  for (int i = 0; i < 100; ++i) rig_.run(wire::Publish{block_, grant(1), {{0, 8}}}, bytes(8, 'b'));
  pass(8);
  EXPECT_EQ(take().size(), 2U);
  ask(5, snapshot, 3);
  pass(8);
  EXPECT_EQ(take().size(), 0U);
  pass(16);
  EXPECT_EQ(take().size(), 1U);
}

TEST_F(SnapshotServerTest, FillingLogMakesItHurry) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  for (int i = 0; i < 100; ++i) rig_.run(wire::Publish{block_, grant(1), {{0, 8}}}, bytes(8, 'b'));
  pass(8);
  const SnapshotServer::Log filling{.first = 1, .last = rig_.instance, .bytes = 1 << 20, .bytes_max = 1 << 20};
  server_.on_request(now_, 5, {.group = kGroup, .snapshot = snapshot, .piece = 1, .at_least = 1}, rig_.machine, filling);
  server_.on_request(now_, 5, {.group = kGroup, .snapshot = snapshot, .piece = 2, .at_least = 1}, rig_.machine, filling);
  EXPECT_EQ(take().size(), 1U);
  pass(8);
  EXPECT_EQ(take().size(), 1U);
}

TEST_F(SnapshotServerTest, OneThatDoesNotReachSoFarIsNotGiven) {
  ask(5, 0, 0, rig_.instance + 1);
  const auto sent = take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].second.code, Code::kTryAgain);
  EXPECT_EQ(server_.open_count(), 0U);
}

TEST_F(SnapshotServerTest, TwoMembersShareAYoungSnapshot) {
  ask(5, 0, 0);
  pass(8);
  ask(6, 0, 0);
  EXPECT_EQ(server_.open_count(), 1U);
  const auto sent = take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].second.data, sent[1].second.data);
}

TEST_F(SnapshotServerTest, MemberThatAsksAgainLaterGetsANewerOne) {
  ask(5, 0, 0);
  rig_.run(wire::Publish{block_, grant(1), {{0, 1}}}, bytes(1, 'b'));
  pass(8);
  ask(5, 0, 0, rig_.instance);
  const auto sent = take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_NE(sent[0].second.snapshot, sent[1].second.snapshot);
  EXPECT_EQ(sent[1].second.at, rig_.instance);
}

TEST_F(SnapshotServerTest, SnapshotThatNobodyAsksForIsClosed) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  pass(11'000);
  EXPECT_EQ(server_.open_count(), 0U);
  EXPECT_FALSE(rig_.machine.snapshot_at(snapshot));
  ask(5, snapshot, 1);
  EXPECT_EQ(take().at(0).second.code, Code::kSnapshotGone);
}

TEST_F(SnapshotServerTest, SnapshotThatTheMachineGaveUpIsSaidGone) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  rig_.machine.close_snapshot(snapshot);
  pass(8);
  ask(5, snapshot, 1);
  EXPECT_EQ(take().at(0).second.code, Code::kSnapshotGone);
}

TEST_F(SnapshotServerTest, ManyOpenAtOnceAreNot) {
  for (NodeId node = 5; node < 9; ++node) {
    rig_.run(wire::Publish{block_, grant(1), {{0, 1}}}, bytes(1, 'b'));
    ask(node, 0, 0, rig_.instance);
    pass(8);
  }
  EXPECT_LE(server_.open_count(), 2U);
  EXPECT_EQ(std::ranges::count(take(), Code::kTryAgain, [](const auto& sent) { return sent.second.code; }), 2);
}

TEST_F(SnapshotServerTest, ClearClosesAll) {
  ask(5, 0, 0);
  const std::uint64_t snapshot = take().at(0).second.snapshot;
  server_.clear(rig_.machine);
  EXPECT_FALSE(rig_.machine.snapshot_at(snapshot));
  EXPECT_EQ(server_.open_count(), 0U);
}

}  // namespace
}  // namespace juxmem

// A replica that was away for so long that nobody keeps what it lacks.
#include <gtest/gtest.h>

#include <string>

#include "juxmem/provider/block_machine.h"
#include "tests/unit/provider/far_agent.h"
#include "tests/unit/provider/provider_grid.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kBlockBytes = 8 << 20;

// Three providers on one site with short logs; one group on all three, led by the second, one block in it. The third goes away.
class ReplicaSnapshot : public testing::Test {
 protected:
  ReplicaSnapshot() : grid({"a", "a", "a"}, 1), agent(grid, 900) {
    for (std::size_t i = 0; i < 3; ++i) grid.options(i).limits.kept_bytes = 100'000;
  }

  void SetUp() override {
    grid.start_all();
    ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
    grid.run_for(600);
    const SessionId root = agent.open(0, kRootGroup);
    const auto created = agent.execute(
        0, kRootGroup, {root, 0, 1},
        wire::CreateGroup{.shape = {1, 3}, .prefer = grid.provider(1).self(), .reserve_bytes = 2 * kBlockBytes});
    ASSERT_TRUE(created && created->reply.code == Code::kOk);
    group = created->reply.number;
    ASSERT_TRUE(grid.run_until([&] { return grid.leader_of(group) == 1; }));
    session = agent.open(1, group);
    agent.renew_with(1, group, session);
    wire::Allocate allocate;
    allocate.size_bytes = kBlockBytes;
    allocate.added_quota_bytes = kBlockBytes;
    const auto allocated = agent.execute(1, group, next_op(), allocate);
    ASSERT_TRUE(allocated && allocated->reply.code == Code::kOk);
    block = allocated->reply.block;
    grid.run_for(200);
    grid.cut_off(2);
    for (int i = 0; i < 15; ++i) {
      agent.renew();
      grid.run_for(100);
    }
    fill('a');
    ASSERT_FALSE(replica(2).is_catching_up());
  }

  OpId next_op() { return {session, 0, ++counter}; }
  const Replica& replica(std::size_t provider) { return *grid.provider(provider).replica(group); }

  void publish(std::uint64_t offset, const std::string& text) {
    wire::Publish change;
    change.block = block;
    change.grant = {{9, 1}, 1};
    change.ranges = {{offset, text.size()}};
    const auto executed = agent.execute(1, group, next_op(), change, Buffer::copy_of(text));
    ASSERT_TRUE(executed && executed->reply.code == Code::kOk);
  }
  // The whole block, megabyte by megabyte.
  void fill(char byte) {
    for (std::uint64_t offset = 0; offset < kBlockBytes; offset += 1 << 20) publish(offset, std::string(1 << 20, byte));
  }
  bool is_like(std::size_t one, std::size_t other) {
    return replica(one).applied() == replica(other).applied() &&
           replica(one).machine().digest() == replica(other).machine().digest();
  }
  char byte_at(std::size_t provider, std::uint64_t offset) {
    const wire::PagesReply reply =
        replica(provider).blocks()->read_pages({.block = block, .tag = 0, .offset = offset, .size_bytes = 1}, 1);
    return reply.data.empty() ? '\0' : static_cast<char>(reply.data[0].data()[offset % kPageBytes]);
  }

  ProviderGrid grid;
  FarAgent agent;
  GroupId group = 0;
  BlockId block = 0;
  SessionId session = 0;
  std::uint64_t counter = 0;
};

TEST_F(ReplicaSnapshot, MemberThatWasLeftBehindTakesPartAgain) {
  grid.heal(2);
  ASSERT_TRUE(grid.run_until([&] { return replica(2).stats().snapshots_installed == 1; }));
  ASSERT_TRUE(grid.run_until([&] { return !replica(2).is_catching_up() && is_like(2, 1); }));
  EXPECT_EQ(byte_at(2, kBlockBytes - 1), 'a');
  EXPECT_EQ(byte_at(2, 5000), 'a');
  // Its vote is needed now.
  grid.cut_off(0);
  publish(5000, "b");
  EXPECT_TRUE(grid.run_until([&] { return is_like(2, 1); }));
  EXPECT_EQ(byte_at(2, 5000), 'b');
}

TEST_F(ReplicaSnapshot, WhatIsWrittenMeanwhileFollowsFromTheLog) {
  grid.heal(2);
  ASSERT_TRUE(
      grid.run_until([&] { return replica(2).is_catching_up() && replica(2).status().catching_up.at(0).percent > 0; }));
  for (std::uint64_t i = 0; i < 20; ++i) publish(i * 300'000, "c");
  ASSERT_TRUE(grid.run_until([&] { return replica(2).stats().snapshots_installed > 0 && is_like(2, 1); }));
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(byte_at(2, i * 300'000), 'c');
}

TEST_F(ReplicaSnapshot, MemberCatchesUpWhileMoreIsWrittenThanTheLogKeeps) {
  grid.heal(2);
  bool has_caught_up = false;
  for (std::uint64_t i = 0; i < 300 && !has_caught_up; ++i) {
    publish(i % 25 * 40'000, std::string(40'000, static_cast<char>('c' + i % 20)));
    grid.run_for(3);
    agent.renew();
    const bool follows = replica(2).applied() + 4 >= replica(1).applied();
    has_caught_up = replica(2).stats().snapshots_installed > 0 && !replica(2).is_catching_up() && follows;
  }
  EXPECT_TRUE(has_caught_up);
  EXPECT_GT(replica(2).stats().changes_installed, 0U);
  ASSERT_TRUE(grid.run_until([&] { return is_like(2, 1); }));
  for (std::uint64_t offset = 0; offset < kBlockBytes; offset += 10'000) {
    ASSERT_EQ(byte_at(2, offset), byte_at(1, offset)) << offset;
  }
}

TEST_F(ReplicaSnapshot, NothingIsReadFromItMeanwhile) {
  grid.heal(2);
  ASSERT_TRUE(grid.run_until([&] { return replica(2).is_catching_up(); }));
  agent.send(2, wire::ReadPages{.block = block, .tag = 5, .offset = 0, .size_bytes = 1});
  const auto reply = agent.receive<wire::PagesReply>();
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->code == Code::kTryAgain || !replica(2).is_catching_up());
}

TEST_F(ReplicaSnapshot, ServerThatDiesInTheMiddleIsReplacedByAnother) {
  grid.heal(2);
  ASSERT_TRUE(
      grid.run_until([&] { return replica(2).is_catching_up() && replica(2).status().catching_up.at(0).percent > 0; }));
  // The one after it is the first one it asks.
  grid.cut_off(0);
  ASSERT_TRUE(grid.run_until([&] { return replica(2).stats().snapshots_installed == 1; }));
  EXPECT_TRUE(grid.run_until([&] { return is_like(2, 1); }));
  EXPECT_EQ(replica(2).stats().snapshots_refused, 0U);
}

TEST_F(ReplicaSnapshot, SessionsAndRepliesAreThereAfterwards) {
  const OpId last{session, 0, counter};
  grid.heal(2);
  ASSERT_TRUE(grid.run_until([&] { return replica(2).stats().snapshots_installed == 1; }));
  EXPECT_EQ(replica(2).machine().sessions().outcome(last).state, OutcomeState::kExecuted);
  EXPECT_TRUE(replica(2).machine().sessions().is_alive(session));
}

}  // namespace
}  // namespace juxmem

#include "juxmem/provider/replica.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "juxmem/provider/block_machine.h"
#include "juxmem/wire/codec.h"
#include "tests/unit/provider/far_agent.h"
#include "tests/unit/provider/provider_grid.h"

namespace juxmem {
namespace {

// Three providers on one site, the first a manager; one group on all three, one block of 8 KiB in it.
class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() : grid({"a", "a", "a"}, 1), agent(grid, 900), other(grid, 901) {}

  void SetUp() override {
    grid.start_all();
    ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
    grid.run_for(600);
    const SessionId root = agent.open(0, kRootGroup);
    ASSERT_NE(root, 0U);
    wire::CreateGroup create;
    create.shape = {1, 3};
    create.prefer = grid.provider(1).self();
    create.reserve_bytes = 1U << 20;
    const auto created = agent.execute(0, kRootGroup, {root, 0, 1}, create);
    ASSERT_TRUE(created);
    ASSERT_EQ(created->reply.code, Code::kOk) << created->reply.detail;
    group = created->reply.number;
    ASSERT_TRUE(grid.run_until([&] { return grid.leader_of(group) >= 0; }));
    leader = static_cast<std::size_t>(grid.leader_of(group));
    session = agent.open(leader, group);
    ASSERT_NE(session, 0U);
    agent.renew_with(leader, group, session);
    wire::Allocate allocate;
    allocate.size_bytes = 8192;
    allocate.added_quota_bytes = 1U << 20;
    const auto allocated = agent.execute(leader, group, next_op(), allocate);
    ASSERT_TRUE(allocated);
    ASSERT_EQ(allocated->reply.code, Code::kOk) << allocated->reply.detail;
    block = allocated->reply.block;
  }

  OpId next_op() { return {session, 0, ++counter}; }

  std::optional<wire::Granted> acquire(FarAgent& who, SessionId with, Mode mode, std::uint64_t request) {
    wire::RequestOwnership wanted;
    wanted.block = block;
    wanted.session = with;
    wanted.mode = mode;
    wanted.request = request;
    who.send(leader, wanted);
    return who.receive<wire::Granted>([=](const wire::Granted& granted) { return granted.request == request; });
  }

  wire::Publish publish_of(const Grant& grant) const {
    wire::Publish publish;
    publish.block = block;
    publish.grant = grant;
    publish.ranges = {{0, 5}};
    return publish;
  }

  std::size_t some_follower() const { return (leader + 1) % 3; }

  ProviderGrid grid;
  FarAgent agent;
  FarAgent other;
  GroupId group = 0;
  std::size_t leader = 0;
  SessionId session = 0;
  std::uint64_t counter = 0;
  BlockId block = 0;
};

TEST_F(ReplicaTest, ThePreferredProviderLeadsWithoutAnElectionsWait) {
  EXPECT_EQ(leader, 1U);
  EXPECT_EQ(grid.provider(1).replica(group)->stream().ballot().round, 1U);
}

TEST_F(ReplicaTest, AnOperationThatComesAgainIsExecutedOnce) {
  const OpId op = next_op();
  wire::Allocate allocate;
  allocate.size_bytes = 4096;
  const auto first = agent.execute(leader, group, op, allocate);
  const auto again = agent.execute(leader, group, op, allocate);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->reply, again->reply);
  EXPECT_EQ(grid.provider(leader).replica(group)->blocks()->block_count(), 2U);
  EXPECT_EQ(grid.provider(leader).replica(group)->stats().repeated, 1U);
}

TEST_F(ReplicaTest, ARequestSentTwiceWhileUnderWayIsPutIntoTheLogOnce) {
  wire::Propose request;
  request.group = group;
  request.tag = 5000;
  request.command = wire::encode_command({next_op(), wire::Free{block}});
  const std::uint64_t before = grid.provider(leader).replica(group)->stats().proposed;
  agent.send(leader, request);
  agent.send(leader, request);
  ASSERT_TRUE(agent.receive<wire::Executed>());
  EXPECT_EQ(grid.provider(leader).replica(group)->stats().proposed, before + 1);
  EXPECT_FALSE(agent.receive<wire::Executed>(nullptr, 500));
}

TEST_F(ReplicaTest, NonsenseIsRefusedWithItsReason) {
  const auto refused = agent.execute(leader, group, next_op(), wire::CreateGroup{});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reply.code, Code::kInvalid);
  wire::Propose garbage;
  garbage.group = group;
  garbage.tag = 6000;
  garbage.command = Buffer::copy_of("no command at all");
  agent.send(leader, garbage);
  const auto answer = agent.receive<wire::Executed>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->reply.code, Code::kProtocol);
  EXPECT_EQ(grid.provider(leader).replica(group)->stats().refused, 2U);
}

TEST_F(ReplicaTest, WhoDoesNotLeadNamesTheCoordinator) {
  agent.propose(some_follower(), group, next_op(), wire::Free{block});
  const auto redirect = agent.receive<wire::Redirect>();
  ASSERT_TRUE(redirect);
  EXPECT_EQ(redirect->group, group);
  EXPECT_EQ(redirect->coordinator, grid.provider(leader).self());
}

TEST_F(ReplicaTest, AProviderOutsideTheGroupSaysThatItDoesNotKnowIt) {
  wire::ReadBlock question;
  question.block = make_block_id(77, 1);
  question.tag = 3;
  agent.send(leader, question);
  const auto redirect = agent.receive<wire::Redirect>();
  ASSERT_TRUE(redirect);
  EXPECT_EQ(redirect->tag, 3U);
  EXPECT_EQ(redirect->epoch, 0U);
}

TEST_F(ReplicaTest, WhatIsPublishedIsReadAtEveryReplica) {
  const auto granted = acquire(agent, session, Mode::kExclusive, 1);
  ASSERT_TRUE(granted);
  ASSERT_EQ(granted->code, Code::kOk);
  EXPECT_EQ(granted->size_bytes, 8192U);
  const auto published = agent.execute(leader, group, next_op(), publish_of(granted->grant), Buffer::copy_of("hello"));
  ASSERT_TRUE(published);
  ASSERT_EQ(published->reply.code, Code::kOk) << published->reply.detail;
  for (std::size_t i = 0; i < 3; ++i) {
    wire::ReadPages read;
    read.block = block;
    read.tag = 10 + i;
    read.size_bytes = 8192;
    read.at_least = published->reply.version;
    agent.send(i, read);
    const auto pages = agent.receive<wire::PagesReply>();
    ASSERT_TRUE(pages);
    ASSERT_EQ(pages->code, Code::kOk);
    ASSERT_EQ(pages->data.size(), 1U);
    EXPECT_EQ(pages->data[0].text().substr(0, 5), "hello");
    EXPECT_EQ(pages->version, published->reply.version);
  }
}

TEST_F(ReplicaTest, PagesOfALaterVersionThanAppliedAreWaitedForAndThenGivenUp) {
  wire::ReadPages read;
  read.block = block;
  read.tag = 1;
  read.size_bytes = 4096;
  read.at_least = 1'000'000;
  agent.send(leader, read);
  const auto pages = agent.receive<wire::PagesReply>();
  ASSERT_TRUE(pages);
  EXPECT_EQ(pages->code, Code::kTryAgain);
}

TEST_F(ReplicaTest, AWatchIsAnsweredByTheNextVersion) {
  wire::WatchBlock watch;
  watch.block = block;
  watch.than = 0;
  watch.for_ms = 10'000;
  other.send(leader, watch);
  EXPECT_FALSE(other.receive<wire::BlockChanged>(nullptr, 300));
  agent.renew();
  const auto granted = acquire(agent, session, Mode::kExclusive, 1);
  ASSERT_TRUE(granted);
  const auto published = agent.execute(leader, group, next_op(), publish_of(granted->grant), Buffer::copy_of("hello"));
  ASSERT_TRUE(published);
  const auto changed = other.receive<wire::BlockChanged>();
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->code, Code::kOk);
  EXPECT_EQ(changed->version, published->reply.version);
}

TEST_F(ReplicaTest, AWatchOfABlockThatIsFreedSaysSo) {
  wire::WatchBlock watch;
  watch.block = block;
  watch.than = 100;
  watch.for_ms = 10'000;
  other.send(leader, watch);
  grid.run_for(50);
  ASSERT_TRUE(agent.execute(leader, group, next_op(), wire::Free{block}));
  const auto changed = other.receive<wire::BlockChanged>();
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->code, Code::kNotFound);
}

TEST_F(ReplicaTest, ABlockThatDoesNotExistIsGrantedToNobody) {
  const BlockId real = block;
  block = make_block_id(group, 12345);
  const auto refused = acquire(agent, session, Mode::kShared, 1);
  block = real;
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::kNotFound);
}

TEST_F(ReplicaTest, OnlyTheOwnerOfASessionSpeaksForIt) {
  EXPECT_FALSE(acquire(other, session, Mode::kExclusive, 1));
  EXPECT_GT(grid.provider(leader).replica(group)->stats().refused, 0U);
}

TEST_F(ReplicaTest, AnExclusiveHolderThatIsSilentLosesTheBlockToTheNext) {
  const auto granted = acquire(agent, session, Mode::kExclusive, 1);
  ASSERT_TRUE(granted);
  agent.stop_renewing();
  const SessionId second = other.open(leader, group);
  ASSERT_NE(second, 0U);
  other.renew_with(leader, group, second);
  const auto next = acquire(other, second, Mode::kExclusive, 1);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->code, Code::kOk);
  EXPECT_GT(next->grant, granted->grant);
  const auto late = agent.execute(leader, group, next_op(), publish_of(granted->grant), Buffer::copy_of("hello"));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->reply.code, Code::kSessionExpired);
}

TEST_F(ReplicaTest, TheOutcomeOfAnOperationOutlivesItsAgent) {
  const OpId executed = next_op();
  const auto granted = acquire(agent, session, Mode::kExclusive, 1);
  ASSERT_TRUE(granted);
  const auto published = agent.execute(leader, group, executed, publish_of(granted->grant), Buffer::copy_of("hello"));
  ASSERT_TRUE(published);
  const OpId never = next_op();
  agent.stop_renewing();
  wire::Outcome question;
  question.group = group;
  question.tag = 1;
  question.op = executed;
  other.send(leader, question);
  const auto known = other.receive<wire::Executed>();
  ASSERT_TRUE(known);
  EXPECT_EQ(known->reply, published->reply);
  question.tag = 2;
  question.op = {never.session, 1, 1};
  other.send(leader, question);
  const auto dead = other.receive<wire::Executed>();
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->reply.code, Code::kOwnerDead);
}

TEST_F(ReplicaTest, ANewCoordinatorAsksWhatIsHeldBeforeItGrants) {
  const auto granted = acquire(agent, session, Mode::kExclusive, 1);
  ASSERT_TRUE(granted);
  agent.stop_renewing();
  grid.cut_off(leader);
  const std::size_t former = leader;
  std::optional<wire::Reregister> question;
  ASSERT_TRUE(grid.run_until([&] { return (question = agent.listener().take<wire::Reregister>()).has_value(); }));
  leader = 3;
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != former && grid.provider(i).replica(group)->stream().is_coordinator()) leader = i;
  }
  ASSERT_LT(leader, 3U);
  EXPECT_GT(question->ballot, granted->ballot);
  wire::HoldingsReply holdings;
  holdings.group = group;
  holdings.session = session;
  holdings.ballot = question->ballot;
  holdings.holdings = {{block, Mode::kExclusive, granted->grant}};
  agent.send(leader, holdings);
  agent.renew_with(leader, group, session);
  const SessionId second = other.open(leader, group);
  wire::RequestOwnership wanted;
  wanted.block = block;
  wanted.session = second;
  wanted.mode = Mode::kShared;
  wanted.request = 1;
  other.renew_with(leader, group, second);
  other.send(leader, wanted);
  const auto recall = agent.receive<wire::Recall>();
  ASSERT_TRUE(recall);
  EXPECT_EQ(recall->grant, granted->grant);
  wire::Yield yield;
  yield.block = block;
  yield.session = session;
  yield.grant = recall->grant;
  agent.send(leader, yield);
  const auto next = other.receive<wire::Granted>();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->code, Code::kOk);
  EXPECT_GT(next->grant, granted->grant);
}

TEST_F(ReplicaTest, ACoordinatorThatIsCutOffServesNothingAfterItsLease) {
  grid.cut_off(some_follower());
  grid.cut_off((leader + 2) % 3);
  grid.run_for(1000);
  EXPECT_FALSE(grid.provider(leader).replica(group)->leads());
  wire::ReadBlock question;
  question.block = block;
  question.tag = 1;
  agent.send(leader, question);
  EXPECT_TRUE(agent.receive<wire::Redirect>());
  EXPECT_FALSE(agent.receive<wire::BlockFacts>(nullptr, 300));
}

TEST_F(ReplicaTest, StatusTellsBlocksSessionsAndMembers) {
  const wire::GroupStatus status = grid.provider(leader).replica(group)->status();
  EXPECT_EQ(status.blocks, 1U);
  EXPECT_EQ(status.used_bytes, 8192U);
  EXPECT_EQ(status.sessions, 1U);
  ASSERT_EQ(status.members.size(), 3U);
  for (const wire::GroupMemberStatus& member : status.members) EXPECT_TRUE(member.heard);
}

}  // namespace
}  // namespace juxmem

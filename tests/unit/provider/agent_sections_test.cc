#include <gtest/gtest.h>

#include "tests/unit/provider/agent_world.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kOther = 88;

class AgentSectionsTest : public testing::Test {
 protected:
  void SetUp() override {
    world.beating = {AgentWorld::kClient, kOther};
    world.hello();
    world.hello(kOther);
    block = world.malloc(3 * kPageBytes);
  }
  StandInGroup& group() { return world.group(group_of(block)); }
  std::uint64_t ask_for_lock(std::uint64_t client) {
    return world.ask(
        wire::AcquireRequest{
            .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0},
        5000, client);
  }

  AgentWorld world;
  BlockId block = 0;
};

using Section = AgentSectionsTest;

TEST_F(Section, ReleaseMakesChangesVisible) {
  const wire::ClientAnswer section = world.acquire(block);
  ASSERT_EQ(section.code, Code::kOk);
  EXPECT_EQ(section.size_bytes, 3 * kPageBytes);
  EXPECT_NE(section.op.counter, 0U);
  const wire::ClientAnswer released = world.release(section, block, "hello");
  EXPECT_EQ(released.code, Code::kOk);
  EXPECT_EQ(released.version, group().blocks().find(block)->version);
  EXPECT_EQ(world.content(block, 0, 5), "hello");
}

TEST_F(Section, NextSectionSeesWhatTheLastOneWrote) {
  world.release(world.acquire(block), block, "hello");
  const wire::ClientAnswer next = world.call(wire::AcquireRequest{
      .block = block, .mode = Mode::kShared, .try_only = false, .have = 0, .offset = 0, .size_bytes = 3 * kPageBytes});
  ASSERT_EQ(next.code, Code::kOk);
  EXPECT_EQ(next.covered_bytes, 3 * kPageBytes);
  ASSERT_EQ(next.data.size(), 1U);
  EXPECT_EQ(next.data[0].text().substr(0, 5), "hello");
}

TEST_F(Section, PagesTheClientHasAreNotSentAgain) {
  const wire::ClientAnswer released = world.release(world.acquire(block), block, "hello");
  const wire::ClientAnswer next = world.call(wire::AcquireRequest{.block = block,
                                                                  .mode = Mode::kShared,
                                                                  .try_only = false,
                                                                  .have = released.version,
                                                                  .offset = 0,
                                                                  .size_bytes = 3 * kPageBytes});
  EXPECT_EQ(next.code, Code::kOk);
  EXPECT_EQ(next.covered_bytes, 3 * kPageBytes);
  EXPECT_TRUE(next.data.empty());
}

TEST_F(Section, OwnershipKeptMakesFurtherSectionsLocal) {
  world.release(world.acquire(block), block, "hello");
  const std::uint64_t sent = world.sent;
  const std::uint64_t proposals = group().proposals;
  const std::uint64_t acquire = world.ask(wire::AcquireRequest{
      .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  ASSERT_EQ(world.answered(acquire), 1U);
  wire::ReleaseRequest release = AgentWorld::changes(world.answer(acquire).section, block, 0, "");
  release.answer = false;
  const std::uint64_t released = world.ask(release);
  EXPECT_EQ(world.answered(released), 0U);
  EXPECT_EQ(world.sent, sent);
  EXPECT_EQ(group().proposals, proposals);
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, SecondWriterWaitsForTheFirst) {
  const wire::ClientAnswer first = world.acquire(block);
  const std::uint64_t second = ask_for_lock(kOther);
  world.pass(100);
  EXPECT_EQ(world.answered(second, kOther), 0U);
  world.release(first, block, "one");
  world.run();
  ASSERT_EQ(world.answered(second, kOther), 1U);
  EXPECT_EQ(world.answer(second, kOther).code, Code::kOk);
}

TEST_F(Section, TryOfAHeldBlockIsBusy) {
  world.acquire(block);
  const wire::ClientAnswer busy = world.call(
      wire::AcquireRequest{
          .block = block, .mode = Mode::kExclusive, .try_only = true, .have = 0, .offset = 0, .size_bytes = 0},
      5000, kOther);
  EXPECT_EQ(busy.code, Code::kBusy);
}

TEST_F(Section, WaitingBeyondTheLimitTimesOut) {
  world.acquire(block);
  const wire::ClientAnswer late = world.call(
      wire::AcquireRequest{
          .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0},
      200, kOther);
  EXPECT_EQ(late.code, Code::kTimedOut);
}

TEST_F(Section, UnknownBlockIsNotFound) {
  EXPECT_EQ(world.acquire(make_block_id(group_of(block), 999)).code, Code::kNotFound);
  EXPECT_EQ(world.acquire(make_block_id(4321, 1)).code, Code::kNotFound);
  EXPECT_EQ(world.acquire(0).code, Code::kNotFound);
}

TEST_F(Section, RangeBeyondTheEndIsRefusedAndTheLockIsFree) {
  const wire::ClientAnswer refused = world.call(wire::AcquireRequest{.block = block,
                                                                     .mode = Mode::kExclusive,
                                                                     .try_only = false,
                                                                     .have = 0,
                                                                     .offset = kPageBytes,
                                                                     .size_bytes = 3 * kPageBytes});
  EXPECT_EQ(refused.code, Code::kOutOfRange);
  EXPECT_EQ(world.acquire(block).code, Code::kOk);
}

TEST_F(Section, RepeatedRequestsAreAnsweredAgainButNotExecutedAgain) {
  const wire::AcquireRequest acquire{
      .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0};
  const std::uint64_t number = world.ask(acquire);
  world.run();
  const wire::ClientAnswer first = world.answer(number);
  world.ask_as(number, acquire);
  ASSERT_EQ(world.answered(number), 2U);
  EXPECT_EQ(world.answer(number).section, first.section);

  const wire::ReleaseRequest release = AgentWorld::changes(first.section, block, 0, "once");
  const std::uint64_t released = world.ask(release);
  world.ask_as(released, release);
  world.run();
  const Version version = world.answer(released).version;
  world.ask_as(released, release);
  world.run();
  EXPECT_EQ(world.answered(released), 2U);
  EXPECT_EQ(world.answer(released).version, version);
  EXPECT_EQ(world.agent->stats().publishes, 1U);
}

TEST_F(Section, ReleaseWhoseAnswerFromTheGroupIsLostHappensOnce) {
  const wire::ClientAnswer section = world.acquire(block);
  group().answers_lost = 1;
  const wire::ClientAnswer released = world.release(section, block, "once");
  EXPECT_EQ(released.code, Code::kOk);
  EXPECT_EQ(group().blocks().find(block)->version, released.version);
}

TEST_F(Section, SilentClientLosesItsSectionAndPublishesNothing) {
  const wire::ClientAnswer section = world.acquire(block);
  world.beating = {kOther};
  world.pass(world.timing.client_lease_ms + 500);
  EXPECT_EQ(world.agent->stats().clients_expired, 1U);
  EXPECT_EQ(world.acquire(block, Mode::kExclusive, kOther).code, Code::kOk);
  // It comes back: first it is told to introduce itself, then its release is refused.
  world.beat();
  ASSERT_FALSE(world.agent_beats.empty());
  EXPECT_FALSE(world.agent_beats.back().known);
  world.hello();
  world.beating = {AgentWorld::kClient, kOther};
  EXPECT_EQ(world.release(section, block, "late").code, Code::kOwnerDead);
  EXPECT_EQ(world.call(wire::OutcomeRequest{.block = block, .op = section.op}).code, Code::kOwnerDead);
  EXPECT_EQ(group().blocks().find(block)->version, 0U);
}

TEST_F(Section, SilentClientsReleaseThatWasOnItsWayIsRemembered) {
  const wire::ClientAnswer section = world.acquire(block);
  group().answers_lost = 1;
  world.ask(AgentWorld::changes(section.section, block, 0, "sent"));
  world.run();
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(wire::ClientGoodbye{.client = AgentWorld::kClient}));
  world.pass(1000);
  world.hello();
  const wire::ClientAnswer again = world.release(section, block, "sent");
  EXPECT_EQ(again.code, Code::kOk);
  EXPECT_EQ(again.version, group().blocks().find(block)->version);
  EXPECT_EQ(world.call(wire::OutcomeRequest{.block = block, .op = section.op}).code, Code::kOk);
}

TEST_F(Section, ExpiredSessionMakesTheReleaseOwnerDead) {
  const wire::ClientAnswer section = world.acquire(block);
  group().expire(section.op.session);
  EXPECT_EQ(world.release(section, block, "lost").code, Code::kOwnerDead);
  EXPECT_EQ(group().blocks().find(block)->version, 0U);
  EXPECT_EQ(world.acquire(block).code, Code::kOk);
}

TEST_F(Section, ExpiredSessionIsToldAtAnEmptyRelease) {
  const wire::ClientAnswer section = world.acquire(block);
  group().expire(section.op.session);
  world.pass(2 * world.timing.agent_renew_ms);
  EXPECT_EQ(world.release(section, block).code, Code::kOwnerDead);
}

TEST_F(Section, NobodyIsLetInWhileTheLeaseHasRunOut) {
  world.release(world.acquire(block), block, "x");
  group().renews = false;
  world.pass(2 * world.timing.agent_lease_ms);
  const std::uint64_t waiting = world.ask(wire::AcquireRequest{
      .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  world.pass(100);
  EXPECT_EQ(world.answered(waiting), 0U);
  group().renews = true;
  world.pass(500);
  EXPECT_EQ(world.answer(waiting).code, Code::kOk);
}

TEST_F(Section, NewCoordinatorGetsTheReleaseUnderWay) {
  // Proposed to a coordinator that falls silent; another node leads from then on.
  const wire::ClientAnswer section = world.acquire(block);
  const NodeId second = group().leader == 1 ? 3 : 1;
  group().leader = second;
  const std::uint64_t released = world.ask(AgentWorld::changes(section.section, block, 0, "kept"), 10'000);
  world.pass(2000);
  ASSERT_EQ(world.answered(released), 1U);
  EXPECT_EQ(world.answer(released).code, Code::kOk);
  EXPECT_EQ(world.content(block, 0, 4), "kept");
}

TEST_F(Section, ReleaseWithoutAnswerFromTheGroupEndsAtItsLimitAndIsKnownLater) {
  const wire::ClientAnswer section = world.acquire(block);
  group().silent = true;
  const wire::ClientAnswer undecided = world.call(AgentWorld::changes(section.section, block, 0, "later"), 300);
  EXPECT_EQ(undecided.code, Code::kTryAgain);
  group().silent = false;
  const wire::ClientAnswer decided = world.call(AgentWorld::changes(section.section, block, 0, "later"), 5000);
  EXPECT_EQ(decided.code, Code::kOk);
  EXPECT_EQ(world.content(block, 0, 5), "later");
}

TEST_F(Section, ChangesBeyondTheEndEndTheSectionWithoutPublishing) {
  const wire::ClientAnswer section = world.acquire(block);
  EXPECT_EQ(world.call(AgentWorld::changes(section.section, block, 3 * kPageBytes - 1, "xy")).code, Code::kOutOfRange);
  EXPECT_EQ(world.acquire(block).code, Code::kOk);
  EXPECT_EQ(group().blocks().find(block)->version, 0U);
}

TEST_F(Section, BeatThatNoLongerHoldsASectionReleasesIt) {
  const std::uint64_t acquire = world.ask(wire::AcquireRequest{
      .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  world.run();
  wire::ClientBeat beat;
  beat.client = AgentWorld::kClient;
  beat.last = acquire;
  beat.held = {world.answer(acquire).section};
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(beat));
  EXPECT_EQ(world.agent->stats().sections_open, 1U);
  beat.held.clear();
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(beat));
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, CancelledAcquireIsNotGrantedLater) {
  const wire::ClientAnswer first = world.acquire(block);
  const std::uint64_t second = ask_for_lock(kOther);
  world.ask(wire::CancelRequest{.cancelled = second}, 5000, kOther);
  world.release(first, block);
  EXPECT_EQ(world.answer(second, kOther).code, Code::kTimedOut);
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, CancelOfAGrantedAcquireLetsGo) {
  const std::uint64_t acquire = world.ask(wire::AcquireRequest{
      .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  world.run();
  ASSERT_EQ(world.answer(acquire).code, Code::kOk);
  world.ask(wire::CancelRequest{.cancelled = acquire});
  world.run();
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
  EXPECT_EQ(world.acquire(block, Mode::kExclusive, kOther).code, Code::kOk);
}

TEST_F(Section, CancelThatOvertakesItsRequestStopsIt) {
  const std::uint64_t cancelled = 1000;
  world.ask(wire::CancelRequest{.cancelled = cancelled});
  world.ask_as(cancelled,
               wire::AcquireRequest{
                   .block = block, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  world.run();
  EXPECT_EQ(world.answer(cancelled).code, Code::kTimedOut);
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, BlockOfAGroupTheCatalogDoesNotHaveYetIsWaitedFor) {
  world.catalog_late = true;
  // Another agent makes a group; this one's catalog does not show it.
  world.root().execute(wire::Command{.op = {}, .action = wire::OpenSession{.node = 9, .incarnation = 9}});
  const OpId op{.session = world.root().applied(), .slot = 0, .counter = 1};
  const wire::CreateGroup create{.shape = {1, 2}, .durability = Durability::kMemory, .prefer = 0, .reserve_bytes = 0};
  const BlockId elsewhere = make_block_id(world.root().execute(wire::Command{.op = op, .action = create}).number, 1);
  const std::uint64_t stat = world.ask(wire::StatRequest{.block = elsewhere});
  const std::uint64_t acquire = world.ask(wire::AcquireRequest{
      .block = elsewhere, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0});
  const std::uint64_t others = world.ask(
      wire::AcquireRequest{
          .block = elsewhere, .mode = Mode::kExclusive, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0},
      5000, kOther);
  world.pass(300);
  EXPECT_EQ(world.answered(stat), 0U);
  world.ask(wire::CancelRequest{.cancelled = acquire});
  EXPECT_EQ(world.answer(acquire).code, Code::kTimedOut);
  world.agent->on_client(kOther, wire::ClientMessage(wire::ClientGoodbye{.client = kOther}));
  world.catalog_late = false;
  world.update_catalog();
  world.run();
  EXPECT_EQ(world.answer(stat).code, Code::kNotFound);  // the group knows that there is no such block in it
  EXPECT_EQ(world.answered(others, kOther), 0U);
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, ClientWithTooManySectionsIsRefusedAndOthersAreNot) {
  world.limits.client_sections_max = 2;
  world.restart_agent();
  world.hello();
  world.hello(kOther);
  const BlockId blocks[] = {world.malloc(4096), world.malloc(4096), world.malloc(4096)};
  const wire::ClientAnswer first = world.acquire(blocks[0]);
  world.acquire(blocks[1]);
  const wire::ClientAnswer refused = world.acquire(blocks[2]);
  EXPECT_EQ(refused.code, Code::kLimit);
  EXPECT_NE(refused.detail.find("2 sections"), std::string::npos) << refused.detail;
  EXPECT_EQ(world.call(wire::ReadRequest{.block = blocks[2], .offset = 0, .size_bytes = 1}).code, Code::kLimit);
  EXPECT_EQ(world.acquire(blocks[2], Mode::kExclusive, kOther).code, Code::kOk);
  EXPECT_EQ(world.release(first, blocks[0], "x").code, Code::kOk);
  EXPECT_EQ(world.acquire(blocks[0]).code, Code::kOk);
}

TEST_F(Section, BlockOfAGroupThatNobodyMadeIsNotFoundAtOnce) {
  const std::uint64_t stat = world.ask(wire::StatRequest{.block = make_block_id(4711, 1)});
  world.run();
  ASSERT_EQ(world.answered(stat), 1U);
  EXPECT_EQ(world.answer(stat).code, Code::kNotFound);
  EXPECT_NE(world.answer(stat).detail.find("4711:1"), std::string::npos) << world.answer(stat).detail;
}

TEST_F(Section, OutcomeOfAnotherAgentsOperationComesFromTheGroup) {
  // Another agent's session: one operation executed, one not.
  group().execute(wire::Command{.op = {}, .action = wire::OpenSession{.node = 9, .incarnation = 9}});
  const SessionId session = group().applied();
  const OpId done{.session = session, .slot = 0, .counter = 1};
  const OpId never{.session = session, .slot = 1, .counter = 1};
  group().execute(
      wire::Command{.op = done, .action = wire::Publish{.block = block, .grant = {}, .ranges = {wire::Range{0, 2}}}},
      Buffer::copy_of("ab"));
  const wire::ClientAnswer executed = world.call(wire::OutcomeRequest{.block = block, .op = done});
  EXPECT_EQ(executed.code, Code::kOk);
  EXPECT_EQ(executed.version, group().blocks().find(block)->version);
  const std::uint64_t asked = world.ask(wire::OutcomeRequest{.block = block, .op = never}, 10'000);
  world.pass(300);
  EXPECT_EQ(world.answered(asked), 0U);
  group().expire(session);
  world.pass(1000);
  EXPECT_EQ(world.answer(asked).code, Code::kOwnerDead);
}

TEST_F(Section, OneShotWriteAndReadAreOneRequestEach) {
  const wire::ClientAnswer written =
      world.call(wire::WriteRequest{.block = block, .offset = 10, .data = Buffer::copy_of("one-shot")});
  ASSERT_EQ(written.code, Code::kOk);
  const wire::ClientAnswer read = world.call(wire::ReadRequest{.block = block, .offset = 12, .size_bytes = 3}, 5000, kOther);
  ASSERT_EQ(read.code, Code::kOk);
  EXPECT_EQ(read.covered_bytes, 3U);
  ASSERT_EQ(read.data.size(), 1U);
  EXPECT_EQ(read.data[0].text(), "e-s");
  EXPECT_EQ(read.version, written.version);
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
}

TEST_F(Section, NextOneShotWriteIsTheOperationItsClientKnows) {
  const wire::ClientAnswer first =
      world.call(wire::WriteRequest{.block = block, .offset = 0, .data = Buffer::copy_of("1"), .op = {}});
  ASSERT_EQ(world.operations_told.size(), 1U);
  const wire::ClientAnswer second =
      world.call(wire::WriteRequest{.block = block, .offset = 0, .data = Buffer::copy_of("2"), .op = first.op});
  EXPECT_EQ(second.code, Code::kOk);
  EXPECT_EQ(world.operations_told.size(), 1U);
  EXPECT_EQ(group().sessions().outcome(first.op).state, OutcomeState::kExecuted);
  EXPECT_EQ(second.op.slot, first.op.slot);
  EXPECT_EQ(second.op.counter, first.op.counter + 1);
}

TEST_F(Section, OneShotWriteUnderAnOperationThatIsNotItsClientsDoesNotHappen) {
  const wire::ClientAnswer first =
      world.call(wire::WriteRequest{.block = block, .offset = 0, .data = Buffer::copy_of("1"), .op = {}});
  wire::WriteRequest stolen{.block = block, .offset = 0, .data = Buffer::copy_of("2"), .op = first.op};
  EXPECT_EQ(world.call(stolen, 5000, kOther).code, Code::kOwnerDead);
  EXPECT_EQ(world.content(block, 0, 1), "1");
  EXPECT_EQ(world.call(stolen).code, Code::kOk);
  EXPECT_EQ(world.call(stolen).code, Code::kOwnerDead);
}

TEST_F(Section, OperationThatAClientLeavesBehindNeverHappens) {
  const wire::ClientAnswer first =
      world.call(wire::WriteRequest{.block = block, .offset = 0, .data = Buffer::copy_of("1"), .op = {}});
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(wire::ClientGoodbye{.client = AgentWorld::kClient}));
  world.run();
  const OpOutcome outcome = group().sessions().outcome(first.op);
  ASSERT_EQ(outcome.state, OutcomeState::kExecuted);
  EXPECT_EQ(outcome.reply->code, Code::kOwnerDead);
}

TEST_F(Section, OneShotWriteOfAnExpiredSessionIsDoneAgainOnce) {
  world.acquire(block, Mode::kShared);
  const SessionId session = group().sessions().live().front().session;
  group().expire(session);
  world.beating = {AgentWorld::kClient};
  const wire::ClientAnswer written =
      world.call(wire::WriteRequest{.block = world.malloc(kPageBytes), .offset = 0, .data = Buffer::copy_of("w")});
  EXPECT_EQ(written.code, Code::kOk);
}

TEST_F(Section, FreeWaitsForTheHolderAndThenTheBlockIsGone) {
  const wire::ClientAnswer section = world.acquire(block);
  const std::uint64_t freed = world.ask(wire::FreeRequest{.block = block}, 5000, kOther);
  world.pass(100);
  EXPECT_EQ(world.answered(freed, kOther), 0U);
  world.release(section, block, "bye");
  world.run();
  EXPECT_EQ(world.answer(freed, kOther).code, Code::kOk);
  EXPECT_FALSE(group().blocks().find(block).has_value());
  EXPECT_EQ(world.call(wire::StatRequest{.block = block}).code, Code::kNotFound);
}

TEST_F(Section, GoodbyeLetsGoOfEverything) {
  world.acquire(block);
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(wire::ClientGoodbye{.client = AgentWorld::kClient}));
  world.run();
  EXPECT_EQ(world.acquire(block, Mode::kExclusive, kOther).code, Code::kOk);
}

TEST_F(Section, TooManyRequestsAtOnceAreRefused) {
  world.limits.client_requests_max = 8;
  world.restart_agent();
  world.hello();
  for (std::uint64_t i = 0; i < 9; ++i) {
    world.ask_as(100 + i, wire::WaitRequest{.block = block, .than = 1'000'000});
  }
  EXPECT_EQ(world.answered(107), 0U);
  EXPECT_EQ(world.answer(108).code, Code::kLimit);
}

TEST_F(Section, OneKeyGetsSoManyClientsAndOthersAreStillServed) {
  world.limits.user_clients_max = 2;
  world.restart_agent();
  for (const PeerId peer : {101, 102, 103}) world.users[peer] = "mallory";
  world.users[104] = "alice";
  for (const PeerId peer : {101, 102, 103, 104}) world.hello(peer);
  ASSERT_GE(world.welcomes.size(), 4U);
  const auto code = [&](std::size_t from_end) {
    return (world.welcomes.end() - static_cast<std::ptrdiff_t>(from_end))->code;
  };
  EXPECT_EQ(code(3), Code::kOk);
  EXPECT_EQ(code(2), Code::kLimit) << "the third one of mallory";
  EXPECT_EQ(code(1), Code::kOk) << "alice";
  // Who is gone makes room, and not before.
  world.pass(world.timing.client_lease_ms + 500);
  world.hello(103);
  EXPECT_EQ(code(1), Code::kOk);
}

TEST_F(Section, ChangesOfOneKeysClientsAreLimitedTogether) {
  world.limits.user_bytes_max = 3000;
  world.restart_agent();
  world.beating = {101, 102, 103};
  for (const PeerId peer : {101, 102}) world.users[peer] = "mallory";
  for (const PeerId peer : {101, 102, 103}) world.hello(peer);
  group().silent = true;
  const wire::WriteRequest write{.block = block, .offset = 0, .data = Buffer::copy_of(std::string(2000, 'x'))};
  world.ask_as(1, write, 5000, 101);
  world.ask_as(1, write, 5000, 102);
  world.ask_as(1, write, 5000, 103);
  EXPECT_EQ(world.answered(1, 101), 0U);
  EXPECT_EQ(world.answer(1, 102).code, Code::kLimit);
  EXPECT_EQ(world.answered(1, 103), 0U);
  group().silent = false;
  world.pass(3000);
  EXPECT_EQ(world.answer(1, 101).code, Code::kOk);
  world.ask_as(2, write, 5000, 102);
  world.pass(1000);
  EXPECT_EQ(world.answer(2, 102).code, Code::kOk);
}

TEST_F(Section, UnansweredClientIsToldToIntroduceItself) {
  world.ask(wire::StatRequest{.block = block}, 5000, 12345);
  ASSERT_FALSE(world.agent_beats.empty());
  EXPECT_EQ(world.agent_beats.back().client, 12345U);
  EXPECT_FALSE(world.agent_beats.back().known);
}

}  // namespace
}  // namespace juxmem

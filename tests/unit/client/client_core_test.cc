#include <gtest/gtest.h>

#include <limits>

#include "juxmem/wire/limits.h"
#include "tests/unit/client/client_world.h"

namespace juxmem {
namespace {

constexpr BlockId kBlock = make_block_id(1, 1);

struct Pieces final : PageSink {
  void put(std::uint64_t offset, std::span<const std::byte> bytes) override { sizes[offset] += bytes.size(); }
  std::map<std::uint64_t, std::size_t> sizes;
};

wire::ClientAnswer answer_to(const wire::ClientRequest& request) {
  wire::ClientAnswer answer;
  answer.request = request.request;
  return answer;
}

TEST(ClientCore, GreetsUntilItIsWelcomed) {
  ClientWorld world({"a"});
  Kept<void> connected;
  world.core().connect(5000, connected.completion());
  world.pass_ms(400);
  EXPECT_GE(world.take_message<wire::ClientHello>("a").size(), 2U);
  EXPECT_FALSE(connected.has());
  world.welcome("a");
  EXPECT_TRUE(connected.is_ok());
  EXPECT_EQ(world.core().agent_node(), world.peer("a"));
}

TEST(ClientCore, ConnectEndsAtItsLimit) {
  ClientWorld world({"a"});
  Kept<void> connected;
  world.core().connect(500, connected.completion());
  world.flush();
  world.pass_ms(499);
  EXPECT_FALSE(connected.has());
  world.pass_ms(1);
  EXPECT_EQ(connected.code(), Code::kUnreachable);
}

TEST(ClientCore, AnAgentThatCannotServeIsLeftForAnother) {
  ClientWorld world({"a", "b"});
  wire::ClientWelcome refusal;
  refusal.client = ClientWorld::kClient;
  refusal.code = Code::kTryAgain;
  world.say("a", refusal);
  world.pass_ms(200);
  EXPECT_FALSE(world.take_message<wire::ClientHello>("b").empty());
  world.welcome("b");
  EXPECT_TRUE(world.core().is_served());
}

TEST(ClientCore, RequestsAskedBeforeTheWelcomeGoOutWithIt) {
  ClientWorld world({"a"});
  Kept<BlockStat> facts;
  world.core().stat(kBlock, 1000, facts.completion());
  world.flush();
  EXPECT_TRUE(world.take<wire::StatRequest>("a").empty());
  world.welcome("a");
  const auto requests = world.take<wire::StatRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  wire::ClientAnswer answer = answer_to(requests[0]);
  answer.size_bytes = 42;
  answer.version = 7;
  world.answer("a", answer);
  ASSERT_TRUE(facts.is_ok());
  EXPECT_EQ(facts.value().size_bytes, 42U);
  EXPECT_EQ(facts.value().version, 7U);
}

TEST(ClientCore, AnUnansweredRequestIsRepeatedUnderItsNumber) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<BlockStat> facts;
  world.core().stat(kBlock, 10'000, facts.completion());
  world.flush();
  world.pass_ms(1000);
  const auto requests = world.take<wire::StatRequest>("a");
  ASSERT_GE(requests.size(), 3U);
  for (const auto& request : requests) EXPECT_EQ(request.request, requests[0].request);
  EXPECT_LT(requests.back().limit_ms, requests.front().limit_ms) << "the agent hears how long is left";
}

TEST(ClientCore, EveryCallEndsAtItsLimit) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<BlockId> allocated;
  Kept<Version> waited;
  Kept<Acquired> acquired;
  Kept<Version> written;
  world.core().allocate({.size_bytes = 1}, 1000, allocated.completion());
  world.core().wait(kBlock, 0, 1000, waited.completion());
  world.core().acquire({.block = kBlock}, 1000, acquired.completion());
  world.core().write(kBlock, 0, Buffer::copy_of("x"), 1000, written.completion());
  world.flush();
  world.pass_ms(1000 + ClientCore::kGraceMs);
  EXPECT_EQ(allocated.code(), Code::kTryAgain);
  EXPECT_EQ(waited.code(), Code::kTryAgain);
  EXPECT_EQ(acquired.code(), Code::kTryAgain);
  EXPECT_EQ(written.code(), Code::kTryAgain);
  EXPECT_EQ(world.core().open_requests(), 0U);
  EXPECT_EQ(world.take<wire::CancelRequest>("a").size(), 4U);
}

TEST(ClientCore, ManyAnswersBehindALongRequestAreConfirmedEarly) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<Version> waited;
  world.core().wait(kBlock, 0, 100'000, waited.completion());
  for (int i = 0; i < 1500; ++i) {
    Kept<BlockStat> facts;
    world.core().stat(kBlock, 1000, facts.completion());
    world.flush();
    world.answer("a", answer_to(world.take<wire::StatRequest>("a").at(0)));
    EXPECT_TRUE(facts.is_ok());
  }
  const auto beats = world.take_message<wire::ClientBeat>("a");
  ASSERT_EQ(beats.size(), 1U) << "no time has passed";
  EXPECT_EQ(beats[0].open, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(beats[0].last, 1025U);
}

TEST(ClientCore, TheLongestLimitDoesNotOverflow) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<Version> waited;
  world.core().wait(kBlock, 0, std::numeric_limits<std::int64_t>::max(), waited.completion());
  world.flush();
  const auto requests = world.take<wire::WaitRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].limit_ms, wire::kTimeoutMsMax);
  world.pass_ms(60'000);
  EXPECT_FALSE(waited.has());
}

TEST(ClientCore, ALateGrantIsLetGo) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<Acquired> acquired;
  world.core().acquire({.block = kBlock}, 100, acquired.completion());
  world.flush();
  const auto requests = world.take<wire::AcquireRequest>("a");
  world.pass_ms(100 + ClientCore::kGraceMs);
  EXPECT_EQ(acquired.code(), Code::kTryAgain);
  wire::ClientAnswer grant = answer_to(requests[0]);
  grant.section = 12;
  world.answer("a", grant);
  const auto releases = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(releases.size(), 1U);
  EXPECT_EQ(std::get<wire::ReleaseRequest>(releases[0].body).section, 12U);
}

TEST(ClientCore, ASilentAgentIsLeftAndItsAcquiresAskedElsewhere) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  Kept<Acquired> acquired;
  world.core().acquire({.block = kBlock}, 20'000, acquired.completion());
  world.flush();
  const auto at_a = world.take<wire::AcquireRequest>("a");
  world.beats_are_answered = false;
  world.pass_ms(1500);
  ASSERT_FALSE(world.take_message<wire::ClientHello>("b").empty());
  EXPECT_FALSE(world.take_message<wire::ClientGoodbye>("a").empty());
  world.welcome("b");
  const auto at_b = world.take<wire::AcquireRequest>("b");
  ASSERT_EQ(at_b.size(), 1U);
  EXPECT_EQ(at_b[0].request, at_a[0].request);

  wire::ClientAnswer late = answer_to(at_a[0]);
  late.section = 1;
  world.answer("a", late);
  EXPECT_FALSE(acquired.has()) << "an agent that was left has nothing to say";
  wire::ClientAnswer grant = answer_to(at_b[0]);
  grant.section = 2;
  world.answer("b", grant);
  EXPECT_TRUE(acquired.is_ok());
}

TEST(ClientCore, ProvidersHeardOfAreTriedToo) {
  ClientWorld world({"a"});
  world.welcome("a", 1, {"b"});
  world.beats_are_answered = false;
  world.pass_ms(1500);
  EXPECT_FALSE(world.take_message<wire::ClientHello>("b").empty());
}

TEST(ClientCore, OwnSleepIsNotTheAgentsSilence) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  world.pass_ms(150);
  // Stopped and continued: the timer runs late, with a beat unanswered.
  world.beats_are_answered = false;
  world.pass_ms(60);
  world.beats_are_answered = true;
  world.pass_ms(400);
  EXPECT_TRUE(world.take_message<wire::ClientHello>("b").empty());
}

TEST(ClientCore, BytesBeyondTheFirstAnswerAreFetched) {
  ClientWorld world({"a"});
  world.welcome("a");
  Pieces pieces;
  Pieces others;
  Kept<Acquired> acquired;
  constexpr std::uint64_t kMiB = 1U << 20;
  world.core().acquire({.block = kBlock,
                        .mode = Mode::kShared,
                        .try_only = false,
                        .wants = {{.offset = 0, .size_bytes = 3 * kMiB, .have = 4, .sink = &pieces},
                                  {.offset = 8 * kMiB, .size_bytes = 10, .have = 0, .sink = &others}}},
                       10'000, acquired.completion());
  world.flush();
  const auto requests = world.take<wire::AcquireRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(std::get<wire::AcquireRequest>(requests[0].body).have, 4U);
  wire::ClientAnswer grant = answer_to(requests[0]);
  grant.section = 3;
  grant.version = 6;
  grant.covered_bytes = kMiB;
  grant.ranges = {{.offset = 4096, .size_bytes = 4096}};
  grant.data = {Buffer::take(std::vector<std::byte>(4096))};
  world.answer("a", grant);
  EXPECT_FALSE(acquired.has());

  std::uint64_t covered = 0;
  for (auto more = world.take<wire::SectionPagesRequest>("a"); !more.empty();
       more = world.take<wire::SectionPagesRequest>("a")) {
    for (const auto& request : more) {
      const auto& pages = std::get<wire::SectionPagesRequest>(request.body);
      EXPECT_EQ(pages.section, 3U);
      EXPECT_EQ(pages.since, pages.offset >= 8 * kMiB ? 0U : 4U);
      wire::ClientAnswer reply = answer_to(request);
      reply.covered_bytes = std::min(pages.size_bytes, kMiB);
      covered += reply.covered_bytes;
      reply.ranges = {{.offset = pages.offset, .size_bytes = 5}};
      reply.data = {Buffer::copy_of("bytes")};
      world.answer("a", reply);
    }
  }
  EXPECT_EQ(covered, 2 * kMiB + 10);
  EXPECT_TRUE(acquired.is_ok());
  EXPECT_EQ(pieces.sizes.size(), 3U);
  EXPECT_EQ(others.sizes[8 * kMiB], 5U);
}

TEST(ClientCore, AnAgentLostDuringTheFetchMeansToAcquireAgain) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  Pieces pieces;
  Kept<Acquired> acquired;
  world.core().acquire({.block = kBlock,
                        .mode = Mode::kShared,
                        .try_only = false,
                        .wants = {{.offset = 0, .size_bytes = 2U << 20, .have = 0, .sink = &pieces}}},
                       10'000, acquired.completion());
  world.flush();
  wire::ClientAnswer grant = answer_to(world.take<wire::AcquireRequest>("a")[0]);
  grant.section = 3;
  grant.version = 6;
  grant.covered_bytes = 1U << 20;
  world.answer("a", grant);
  world.beats_are_answered = false;
  world.pass_ms(1500);
  world.welcome("b");
  const auto again = world.take<wire::AcquireRequest>("b");
  ASSERT_EQ(again.size(), 1U);
  wire::ClientAnswer second = answer_to(again[0]);
  second.section = 1;
  second.version = 8;
  second.covered_bytes = 2U << 20;
  world.answer("b", second);
  ASSERT_TRUE(acquired.is_ok());
  EXPECT_EQ(acquired.value().version, 8U);
  EXPECT_EQ(world.core().open_sections(), 1U);
}

// ---- hints about the connection ----

TEST(ClientCore, AgentThatIsGoneIsLeftAtOnce) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 7);
  world.core().on_peer_event(world.peer("a"), PeerEvent::kGone);
  world.flush();
  EXPECT_TRUE(world.core().is_lost(section));
  EXPECT_FALSE(world.take_message<wire::ClientHello>("b").empty());
}

TEST(ClientCore, OnlyAgentThatIsGoneIsGreetedAgain) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 7);
  world.take_message<wire::ClientHello>("a");
  world.core().on_peer_event(world.peer("a"), PeerEvent::kGone);
  world.flush();
  EXPECT_TRUE(world.core().is_lost(section));
  EXPECT_FALSE(world.take_message<wire::ClientHello>("a").empty());
}

TEST(ClientCore, ConnectionThatComesBackLosesNothing) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 7);
  world.take_message<wire::ClientBeat>("a");
  world.core().on_peer_event(world.peer("a"), PeerEvent::kReconnected);
  world.flush();
  EXPECT_EQ(world.take_message<wire::ClientBeat>("a").size(), 1U) << "it says whether it still knows us";
  EXPECT_FALSE(world.core().is_lost(section));
}

TEST(ClientCore, EventsOfAFormerAgentMeanNothing) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 7);
  world.core().on_peer_event(world.peer("b"), PeerEvent::kGone);
  EXPECT_FALSE(world.core().is_lost(section));
}

TEST(ClientCore, KeyThatEveryAgentRefusesEndsTheConnectAtOnce) {
  ClientWorld world({"a", "b"});
  Kept<void> connected;
  Kept<BlockStat> stat;
  world.core().connect(20'000, connected.completion());
  world.core().stat(kBlock, 20'000, stat.completion());
  world.core().on_peer_event(world.peer("a"), PeerEvent::kKeyRefused);
  EXPECT_FALSE(connected.has());
  world.core().on_peer_event(world.peer("b"), PeerEvent::kNoHandshake);
  EXPECT_EQ(connected.code(), Code::kKeyRefused);
  EXPECT_EQ(stat.code(), Code::kKeyRefused);
}

TEST(ClientCore, AgentBehindOneThatRefusesTheKeyServes) {
  ClientWorld world({"a", "b"});
  Kept<void> connected;
  world.core().connect(20'000, connected.completion());
  world.core().on_peer_event(world.peer("a"), PeerEvent::kKeyRefused);
  world.welcome("b");
  EXPECT_TRUE(connected.is_ok());
}

// A client of "a" and "b" whose write through "a" has become an operation when "a" falls silent and "b" takes over.
struct WriteInDoubt {
  WriteInDoubt() {
    world.welcome("a");
    world.core().write(kBlock, 8, Buffer::copy_of("x"), 20'000, written.completion());
    world.flush();
    const wire::ClientRequest asked = world.take<wire::WriteRequest>("a").at(0);
    world.say("a", wire::OperationNumber{.client = ClientWorld::kClient, .request = asked.request, .op = op});
    world.beats_are_answered = false;
    world.pass_ms(1500);
    world.welcome("b");
    world.beats_are_answered = true;
  }

  const OpId op{.session = 9, .slot = 2, .counter = 3};
  ClientWorld world{{"a", "b"}};
  Kept<Version> written;
};

TEST(ClientCore, WriteWhoseAgentDiesIsSettledByItsOperation) {
  WriteInDoubt doubt;
  const wire::ClientRequest outcome = doubt.world.take<wire::OutcomeRequest>("b").at(0);
  EXPECT_EQ(std::get<wire::OutcomeRequest>(outcome.body).op, doubt.op);
  wire::ClientAnswer executed = answer_to(outcome);
  executed.version = 12;
  doubt.world.answer("b", executed);
  ASSERT_TRUE(doubt.written.is_ok());
  EXPECT_EQ(doubt.written.value(), 12U);
  EXPECT_TRUE(doubt.world.take<wire::WriteRequest>("b").empty());
}

TEST(ClientCore, WriteThatCertainlyDidNotHappenIsMadeAgain) {
  WriteInDoubt doubt;
  doubt.world.refuse("b", doubt.world.take<wire::OutcomeRequest>("b").at(0).request, Code::kOwnerDead);
  const wire::ClientRequest again = doubt.world.take<wire::WriteRequest>("b").at(0);
  EXPECT_EQ(std::get<wire::WriteRequest>(again.body).offset, 8U);
  wire::ClientAnswer executed = answer_to(again);
  executed.version = 13;
  doubt.world.answer("b", executed);
  EXPECT_TRUE(doubt.written.is_ok());
}

// A write through "a" whose answer tells what the next one in the group will be.
OpId write_and_hear_next(ClientWorld& world) {
  Kept<Version> written;
  world.core().write(kBlock, 0, Buffer::copy_of("x"), 20'000, written.completion());
  world.flush();
  wire::ClientAnswer done = answer_to(world.take<wire::WriteRequest>("a").at(0));
  done.op = {.session = 9, .slot = 2, .counter = 4};
  world.answer("a", done);
  EXPECT_TRUE(written.is_ok());
  return done.op;
}

TEST(ClientCore, NextWriteInAGroupIsTheOperationThatTheLastAnswerTold) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const OpId told = write_and_hear_next(world);
  Kept<Version> second;
  Kept<Version> third;
  world.core().write(kBlock, 0, Buffer::copy_of("y"), 20'000, second.completion());
  world.core().write(kBlock, 0, Buffer::copy_of("z"), 20'000, third.completion());
  world.flush();
  const std::vector<wire::ClientRequest> asked = world.take<wire::WriteRequest>("a");
  EXPECT_EQ(std::get<wire::WriteRequest>(asked.at(0).body).op, told);
  EXPECT_EQ(std::get<wire::WriteRequest>(asked.at(1).body).op, OpId{});
  world.beats_are_answered = false;
  world.pass_ms(1500);
  world.welcome("b");
  EXPECT_EQ(std::get<wire::OutcomeRequest>(world.take<wire::OutcomeRequest>("b").at(0).body).op, told);
  EXPECT_EQ(third.code(), Code::kTryAgain);
}

TEST(ClientCore, OperationOfAWriteWithoutAnAnswerIsNotThatOfTheNext) {
  ClientWorld world({"a"});
  world.welcome("a");
  write_and_hear_next(world);
  Kept<Version> late;
  world.core().write(kBlock, 0, Buffer::copy_of("y"), 100, late.completion());
  world.flush();
  world.refuse("a", world.take<wire::WriteRequest>("a").at(0).request, Code::kTryAgain);
  EXPECT_EQ(late.code(), Code::kTryAgain);
  Kept<Version> next;
  world.core().write(kBlock, 0, Buffer::copy_of("z"), 20'000, next.completion());
  world.flush();
  EXPECT_EQ(std::get<wire::WriteRequest>(world.take<wire::WriteRequest>("a").at(0).body).op, OpId{});
}

TEST(ClientCore, WriteThatItsAgentKnowsDidNotHappenIsMadeAgain) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<Version> written;
  world.core().write(kBlock, 0, Buffer::copy_of("x"), 20'000, written.completion());
  world.flush();
  const std::uint64_t request = world.take<wire::WriteRequest>("a").at(0).request;
  world.say("a", wire::OperationNumber{.client = ClientWorld::kClient, .request = request, .op = {1, 2, 3}});
  world.refuse("a", request, Code::kOwnerDead);
  EXPECT_FALSE(written.has());
  world.answer("a", answer_to(world.take<wire::WriteRequest>("a").at(0)));
  EXPECT_TRUE(written.is_ok());
}

TEST(ClientCore, AWriteWhoseAgentDiesBeforeTellingItsOperationIsUndecided) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  Kept<Version> written;
  world.core().write(kBlock, 0, Buffer::copy_of("x"), 20'000, written.completion());
  world.flush();
  world.beats_are_answered = false;
  world.pass_ms(1500);
  EXPECT_EQ(written.code(), Code::kTryAgain);
  world.welcome("b");
  EXPECT_TRUE(world.take<wire::WriteRequest>("b").empty()) << "it might happen twice";
}

TEST(ClientCore, AFreeRepeatedElsewhereMayFindNothing) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  Kept<void> freed;
  Kept<void> freed_at_once;
  world.core().free(kBlock, 20'000, freed.completion());
  world.flush();
  world.beats_are_answered = false;
  world.pass_ms(1500);
  world.welcome("b");
  world.refuse("b", world.take<wire::FreeRequest>("b").at(0).request, Code::kNotFound);
  EXPECT_TRUE(freed.is_ok());
  world.core().free(kBlock, 20'000, freed_at_once.completion());
  world.flush();
  world.refuse("b", world.take<wire::FreeRequest>("b").at(0).request, Code::kNotFound);
  EXPECT_EQ(freed_at_once.code(), Code::kNotFound);
}

TEST(ClientCore, PublishingAgainForTheSameBlockIsNoError) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<void> published;
  world.core().publish("n", kBlock, 1000, published.completion());
  world.flush();
  world.refuse("a", world.take<wire::NameRequest>("a").at(0).request, Code::kNameTaken);
  wire::ClientAnswer found = answer_to(world.take<wire::LookupRequest>("a").at(0));
  found.block = kBlock;
  world.answer("a", found);
  EXPECT_TRUE(published.is_ok());
}

TEST(ClientCore, StopClosesWhatIsOpen) {
  ClientWorld world({"a"});
  world.welcome("a");
  Kept<Version> waited;
  Kept<Version> later;
  world.core().wait(kBlock, 0, 1000, waited.completion());
  world.core().stop();
  EXPECT_EQ(waited.code(), Code::kClosed);
  EXPECT_EQ(world.take_message<wire::ClientGoodbye>("a").size(), 1U);
  world.core().wait(kBlock, 0, 1000, later.completion());
  EXPECT_EQ(later.code(), Code::kClosed);
}

TEST(ClientCore, AnswersThatMakeNoSenseAreIgnored) {
  ClientWorld world({"a"});
  world.welcome("a");
  wire::ClientAnswer stray;
  stray.request = 4711;
  stray.section = 3;
  world.answer("a", stray);
  wire::ClientAnswer foreign;
  foreign.client = 1;
  foreign.request = 1;
  world.say("a", foreign);
  EXPECT_TRUE(world.take<wire::ReleaseRequest>("a").empty());
}

}  // namespace
}  // namespace juxmem

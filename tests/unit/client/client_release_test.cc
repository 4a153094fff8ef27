#include <gtest/gtest.h>

#include "juxmem/wire/limits.h"
#include "tests/unit/client/client_world.h"

namespace juxmem {
namespace {

constexpr BlockId kBlock = make_block_id(1, 1);

std::vector<Change> change(std::size_t size_bytes, std::uint64_t offset = 0) {
  std::vector<Change> changes;
  changes.push_back({.offset = offset, .data = Buffer::take(std::vector<std::byte>(size_bytes, std::byte{1}))});
  return changes;
}

wire::ClientAnswer released(const wire::ClientRequest& request, Version version) {
  wire::ClientAnswer answer;
  answer.request = request.request;
  answer.version = version;
  return answer;
}

// The agent falls silent and another one takes its place.
void fail_over(ClientWorld& world, const std::string& to) {
  world.beats_are_answered = false;
  world.pass_ms(1500);
  world.beats_are_answered = true;
  world.welcome(to);
}

TEST(ClientRelease, ASmallSectionIsOneMessage) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  Kept<Version> done;
  world.core().release(section, change(100, 50), 1000, done.completion());
  world.flush();
  const auto requests = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  const auto& release = std::get<wire::ReleaseRequest>(requests[0].body);
  EXPECT_EQ(release.section, 31U);
  EXPECT_FALSE(release.more);
  EXPECT_TRUE(release.answer);
  EXPECT_EQ(release.ranges, (std::vector<wire::Range>{{50, 100}}));
  EXPECT_FALSE(done.has());
  world.answer("a", released(requests[0], 9));
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done.value(), 9U);
  EXPECT_EQ(world.core().open_sections(), 0U);
}

TEST(ClientRelease, AnEmptyOneIsOneWay) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31, 5);
  Kept<Version> done;
  world.core().release(section, {}, 1000, done.completion());
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done.value(), 5U);
  world.flush();
  const auto requests = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_FALSE(std::get<wire::ReleaseRequest>(requests[0].body).answer);
  EXPECT_EQ(world.core().open_requests(), 0U);
}

TEST(ClientRelease, AnEmptyOneWaitsWhenTheLeaseMayHaveEnded) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.pass_ms(1600);
  Kept<Version> done;
  world.core().release(section, {}, 1000, done.completion());
  EXPECT_FALSE(done.has());
  world.flush();
  const auto requests = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  world.refuse("a", requests[0].request, Code::kOwnerDead);
  EXPECT_EQ(done.code(), Code::kOwnerDead);
}

TEST(ClientRelease, BeatsTellWhatIsHeldAndWhatIsOpen) {
  ClientWorld world({"a"});
  world.welcome("a");
  world.hold("a", kBlock, 40);
  world.hold("a", kBlock + 1, 31);
  Kept<Version> waited;
  world.core().wait(kBlock, 0, 100'000, waited.completion());
  world.flush();
  world.take_message<wire::ClientBeat>("a");
  world.pass_ms(200);
  const auto beats = world.take_message<wire::ClientBeat>("a");
  ASSERT_FALSE(beats.empty());
  EXPECT_EQ(beats[0].held, (std::vector<std::uint64_t>{31, 40}));
  EXPECT_EQ(beats[0].open, (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(beats[0].last, 3U);
  EXPECT_EQ(beats[0].confirmed, 2U);
}

TEST(ClientRelease, ALargeOneComesInPartsAndTheLastWaitsForTheOthers) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  Kept<Version> done;
  world.core().release(section, change(10U << 20), 10'000, done.completion());
  world.flush();
  auto requests = world.take<wire::ReleaseRequest>("a");
  std::uint64_t bytes = 0;
  std::uint32_t part = 0;
  bool last_seen = false;
  while (!requests.empty()) {
    for (const auto& request : requests) {
      const auto& release = std::get<wire::ReleaseRequest>(request.body);
      EXPECT_EQ(release.part, part++);
      EXPECT_FALSE(last_seen);
      if (!release.more) {
        EXPECT_EQ(requests.size(), 1U);
        last_seen = true;
      }
      for (std::size_t i = 0; i < release.ranges.size(); ++i) {
        EXPECT_EQ(release.ranges[i].offset, bytes);
        EXPECT_LE(release.ranges[i].size_bytes, wire::kEntryBytesMax);
        bytes += release.ranges[i].size_bytes;
      }
    }
    for (const auto& request : requests) world.answer("a", released(request, 77));
    requests = world.take<wire::ReleaseRequest>("a");
  }
  EXPECT_TRUE(last_seen);
  EXPECT_EQ(bytes, 10U << 20);
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done.value(), 77U);
}

TEST(ClientRelease, TheFirstChangesGoWhileTheNextAreSought) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.core().release_some(section, change(5U << 20), 10'000);
  world.flush();
  const auto first = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(std::get<wire::ReleaseRequest>(first[0].body).more);
  world.answer("a", released(first[0], 0));
  Kept<Version> done;
  world.core().release(section, change(1U << 20, 5U << 20), 10'000, done.completion());
  world.flush();
  const auto last = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(last.size(), 1U);
  const auto& rest = std::get<wire::ReleaseRequest>(last[0].body);
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(rest.ranges, (std::vector<wire::Range>{{4U << 20, 1U << 20}, {5U << 20, 1U << 20}}));
  world.answer("a", released(last[0], 7));
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(done.value(), 7U);
}

TEST(ClientRelease, AFailureOfTheFirstChangesIsToldAtTheRelease) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.core().release_some(section, change(5U << 20), 10'000);
  world.flush();
  const auto first = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(first.size(), 1U);
  wire::ClientAnswer refusal = released(first[0], 0);
  refusal.code = Code::kSessionExpired;
  world.answer("a", refusal);
  world.core().release_some(section, change(5U << 20, 5U << 20), 10'000);
  world.flush();
  EXPECT_TRUE(world.take<wire::ReleaseRequest>("a").empty()) << "in vain";
  Kept<Version> done;
  world.core().release(section, {}, 10'000, done.completion());
  EXPECT_EQ(done.code(), Code::kOwnerDead);
  EXPECT_EQ(world.core().open_sections(), 0U);
}

TEST(ClientRelease, ASectionMayBeGivenUpAfterTheFirstChanges) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.core().release_some(section, change(5U << 20), 10'000);
  world.core().abandon(section);
  world.flush();
  const auto requests = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(std::get<wire::ReleaseRequest>(requests[1].body).ranges.empty());
  wire::ClientAnswer refusal = released(requests[0], 0);
  refusal.code = Code::kOwnerDead;
  world.answer("a", refusal);
  world.answer("a", released(requests[1], 0));
  EXPECT_EQ(world.core().open_sections(), 0U);
}

TEST(ClientRelease, ASectionOfALostAgentIsLost) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  EXPECT_FALSE(world.core().is_lost(section));
  fail_over(world, "b");
  EXPECT_TRUE(world.core().is_lost(section));
  Kept<Version> done;
  world.core().release(section, change(10), 1000, done.completion());
  EXPECT_EQ(done.code(), Code::kOwnerDead);
  world.flush();
  EXPECT_TRUE(world.take<wire::ReleaseRequest>("b").empty());
  EXPECT_EQ(world.core().open_sections(), 0U);
}

TEST(ClientRelease, AnotherLifeOfTheAgentIsAnotherAgent) {
  ClientWorld world({"a"});
  world.welcome("a", 1);
  const SectionId section = world.hold("a", kBlock, 31);
  world.welcome("a", 2);
  EXPECT_TRUE(world.core().is_lost(section));
}

TEST(ClientRelease, AnAgentThatForgotUsHasLetOurSectionsGo) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.say("a", wire::AgentBeat{.client = ClientWorld::kClient, .known = false});
  EXPECT_TRUE(world.core().is_lost(section));
  EXPECT_FALSE(world.take_message<wire::ClientHello>("a").empty());
}

TEST(ClientRelease, OneUnderWayAsksTheNextAgentForItsOutcome) {
  for (const bool executed : {true, false}) {
    ClientWorld world({"a", "b"});
    world.welcome("a");
    const SectionId section = world.hold("a", kBlock, 31);
    Kept<Version> done;
    world.core().release(section, change(10), 20'000, done.completion());
    world.flush();
    fail_over(world, "b");
    EXPECT_FALSE(done.has());
    EXPECT_TRUE(world.take<wire::ReleaseRequest>("b").empty());
    const auto questions = world.take<wire::OutcomeRequest>("b");
    ASSERT_EQ(questions.size(), 1U);
    EXPECT_EQ(std::get<wire::OutcomeRequest>(questions[0].body).op, (OpId{9, 1, 31}));
    if (executed) {
      world.answer("b", released(questions[0], 12));
      ASSERT_TRUE(done.is_ok());
      EXPECT_EQ(done.value(), 12U);
    } else {
      world.refuse("b", questions[0].request, Code::kOwnerDead);
      EXPECT_EQ(done.code(), Code::kOwnerDead);
    }
    EXPECT_EQ(world.core().open_sections(), 0U);
  }
}

TEST(ClientRelease, TheQuestionForTheOutcomeOutlivesAnotherAgent) {
  ClientWorld world({"a", "b", "c"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  Kept<Version> done;
  world.core().release(section, change(10), 20'000, done.completion());
  world.flush();
  fail_over(world, "b");
  fail_over(world, "c");
  const auto questions = world.take<wire::OutcomeRequest>("c");
  ASSERT_EQ(questions.size(), 1U);
  world.answer("c", released(questions[0], 12));
  EXPECT_TRUE(done.is_ok());
}

TEST(ClientRelease, WithoutItsLastPartNothingCanHaveHappened) {
  ClientWorld world({"a", "b"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  Kept<Version> done;
  world.core().release(section, change(10U << 20), 20'000, done.completion());
  world.flush();
  fail_over(world, "b");
  EXPECT_EQ(done.code(), Code::kOwnerDead);
  EXPECT_TRUE(world.take<wire::OutcomeRequest>("b").empty());
}

TEST(ClientRelease, IsUndecidedAtItsLimitAndOver) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  Kept<Version> done;
  Kept<Version> second;
  world.core().release(section, change(10), 500, done.completion());
  world.flush();
  world.pass_ms(500 + ClientCore::kGraceMs);
  EXPECT_EQ(done.code(), Code::kTryAgain);
  world.core().release(section, {}, 500, second.completion());
  EXPECT_EQ(second.code(), Code::kNotHeld);
}

TEST(ClientRelease, AbandonPublishesNothing) {
  ClientWorld world({"a"});
  world.welcome("a");
  const SectionId section = world.hold("a", kBlock, 31);
  world.core().abandon(section);
  world.core().abandon(section);
  world.flush();
  const auto requests = world.take<wire::ReleaseRequest>("a");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_TRUE(std::get<wire::ReleaseRequest>(requests[0].body).ranges.empty());
}

}  // namespace
}  // namespace juxmem

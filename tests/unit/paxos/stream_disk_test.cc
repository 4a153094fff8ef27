// Streams that are kept on disk, as one member sees them.
#include <gtest/gtest.h>

#include <algorithm>

#include "consistency/paxos/stream.h"

namespace juxmem {
namespace {

constexpr TimeNs kStart = ms_to_ns(1000);

StreamConfig kept_on_disk(std::vector<StreamMember> members) {
  StreamConfig config;
  config.stream = {1, 1};
  config.self = 1;
  config.members = std::move(members);
  config.preferred = 1;
  config.durability = Durability::kDisk;
  return config;
}

// One that coordinates alone, with its beginning stable.
Stream alone(TimeNs now) {
  Stream stream(kept_on_disk({{1, 1}}));
  stream.tick(now);
  stream.persisted(now, stream.take().persist.mark);
  (void)stream.take();
  return stream;
}

wire::Entry command(const std::string& text) { return {{}, wire::EntryKind::kCommand, Buffer::copy_of(text), {}}; }

TEST(StreamOnDisk, OwnVoteCountsOnceItIsStable) {
  Stream stream = alone(kStart);
  const Result<Instance> instance = stream.propose(kStart, command("a"));
  ASSERT_TRUE(instance);
  const StreamOutput given = stream.take();
  EXPECT_TRUE(given.decided.empty());
  ASSERT_EQ(given.persist.entries.size(), 1U);
  EXPECT_EQ(given.persist.entries.front().instance, *instance);
  EXPECT_TRUE(stream.take().decided.empty());
  stream.persisted(kStart, given.persist.mark);
  const StreamOutput decided = stream.take();
  ASSERT_EQ(decided.decided.size(), 1U);
  EXPECT_EQ(decided.decided.front().instance, *instance);
}

TEST(StreamOnDisk, PromiseIsGivenToKeepBeforeItIsSent) {
  Stream stream(kept_on_disk({{1, 1}, {2, 1}, {3, 1}}));
  stream.tick(kStart);
  const StreamOutput output = stream.take();
  ASSERT_TRUE(output.persist.promised.has_value());
  EXPECT_EQ(*output.persist.promised, stream.ballot());
  EXPECT_TRUE(
      std::ranges::all_of(output.messages, [](const Outgoing& outgoing) { return outgoing.first == Durable::kState; }));
}

TEST(StreamOnDisk, CoordinatorWhoseStorageHangsGivesItsRoleUp) {
  Stream stream = alone(kStart);
  ASSERT_TRUE(stream.propose(kStart, command("a")));
  (void)stream.take();
  const TimeNs later = kStart + ms_to_ns(Timing{}.stall_ms);
  EXPECT_LE(stream.next_wakeup(kStart), later);
  stream.tick(later);
  EXPECT_FALSE(stream.is_coordinator());
}

// Three members of which the first coordinates; the disks of the others are quick.
class StreamWithBadStorage : public testing::Test {
 protected:
  // One member's answers to all that the coordinator has sent.
  void answer(NodeId from, bool is_full = false) {
    stream_.receive(now_, from, wire::Accepted{{1, 1}, stream_.ballot(), stream_.last(), 0, now_, is_full});
  }
  void pass(std::int64_t ms) {
    for (std::int64_t i = 0; i < ms; i += 10) {
      now_ += ms_to_ns(10);
      if (answers_) answer(2, others_are_full_);
      if (answers_) answer(3, others_are_full_);
      stream_.tick(now_);
      look();
    }
  }
  void look() {
    const StreamOutput output = stream_.take();
    if (keeps_) stream_.persisted(now_, output.persist.mark);
    for (const DecidedEntry& decided : output.decided) stream_.applied(now_, decided.instance);
    for (const Outgoing& outgoing : output.messages) {
      if (std::holds_alternative<wire::Transfer>(outgoing.message)) handed_to_ = outgoing.to;
      if (std::holds_alternative<wire::PreVote>(outgoing.message)) campaigns_ = true;
    }
  }
  void SetUp() override {
    stream_.tick(now_);
    const std::uint64_t mark = stream_.take().persist.mark;
    stream_.persisted(now_, mark);
    stream_.receive(now_, 2, wire::Promise{{1, 1}, stream_.ballot(), 0, 1, {}, true, now_});
    ASSERT_TRUE(stream_.is_coordinator());
    const std::uint64_t first = stream_.take().persist.mark;
    stream_.persisted(now_, first);
    pass(20);
    ASSERT_TRUE(stream_.serves(now_));
  }

  TimeNs now_ = kStart;
  Stream stream_{kept_on_disk({{1, 1}, {2, 1}, {3, 1}})};
  bool answers_ = true;
  bool keeps_ = true;
  bool others_are_full_ = false;
  NodeId handed_to_ = 0;
  bool campaigns_ = false;
};

TEST_F(StreamWithBadStorage, RoleGoesFromALateDiskToAMemberThatAnswersInTime) {
  keeps_ = false;
  ASSERT_TRUE(stream_.propose(now_, command("a")));
  look();
  pass(Timing{}.disk_late_ms - 100);
  EXPECT_EQ(handed_to_, 0U);
  pass(200);
  EXPECT_EQ(handed_to_, 2U);
  EXPECT_FALSE(stream_.is_coordinator());
}

TEST_F(StreamWithBadStorage, RoleGoesThoughOtherStreamsAloneWaitForTheDisk) {
  stream_.storage(now_, {.is_late = true});
  pass(100);
  EXPECT_EQ(handed_to_, 2U);
}

TEST_F(StreamWithBadStorage, LateMemberDoesNotCampaign) {
  stream_.storage(now_, {.is_late = true});
  pass(100);
  answers_ = false;
  pass(3000);
  EXPECT_FALSE(campaigns_);
  stream_.storage(now_, {});
  pass(3000);
  EXPECT_TRUE(campaigns_);
}

TEST_F(StreamWithBadStorage, RoleGoesFromAFullDiskToAMemberWithRoom) {
  stream_.storage(now_, {.is_full = true});
  pass(100);
  EXPECT_EQ(handed_to_, 2U);
}

TEST_F(StreamWithBadStorage, RoleStaysWhereAllDisksAreFull) {
  others_are_full_ = true;
  pass(20);
  stream_.storage(now_, {.is_full = true});
  pass(1000);
  EXPECT_EQ(handed_to_, 0U);
  EXPECT_TRUE(stream_.serves(now_));
}

TEST_F(StreamWithBadStorage, RoomIsLackedOnceTheOthersAreNoQuorum) {
  stream_.storage(now_, {.is_full = true});
  EXPECT_FALSE(stream_.lacks_room());
  answer(2, true);
  EXPECT_TRUE(stream_.lacks_room());
  answer(2, false);
  EXPECT_FALSE(stream_.lacks_room());
}

TEST(StreamOnDisk, RecoveredMemberPromisesNothingLower) {
  Stream stream(kept_on_disk({{1, 1}, {2, 1}, {3, 1}}), HardState{.promised = {5, 2}, .entries = {}});
  stream.receive(kStart, 3, wire::Prepare{{1, 1}, {4, 3}, 0, {}, kStart});
  const StreamOutput output = stream.take();
  ASSERT_EQ(output.messages.size(), 1U);
  const auto* nack = std::get_if<wire::Nack>(&output.messages.front().message);
  ASSERT_NE(nack, nullptr);
  EXPECT_EQ(nack->promised, (Ballot{5, 2}));
}

TEST(StreamOnDisk, RecoveredMemberIsBoundByTheLeaseItHadGranted) {
  Stream stream(kept_on_disk({{1, 1}, {2, 1}, {3, 1}}), HardState{.promised = {5, 2}, .entries = {}});
  const wire::Prepare prepare{{1, 1}, {6, 3}, 0, {}, kStart};
  stream.receive(kStart, 3, prepare);
  EXPECT_TRUE(stream.take().messages.empty());
  stream.receive(kStart + ms_to_ns(Timing{}.lease_ms), 3, prepare);
  const StreamOutput output = stream.take();
  ASSERT_EQ(output.messages.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<wire::Promise>(output.messages.front().message));
}

TEST(StreamOnDisk, RecoveredMemberHandsOutWhatItsStateLacksAndTellsTheRest) {
  const auto entry = [](const std::string& text) {
    return wire::Entry{{5, 2}, wire::EntryKind::kCommand, Buffer::copy_of(text), {}};
  };
  HardState state{
      .promised = {5, 2}, .base = 1, .entries = {entry("b"), entry("c"), entry("d")}, .decided = 3, .applied = 2};
  Stream stream(kept_on_disk({{1, 1}, {2, 1}, {3, 1}}), std::move(state));
  stream.tick(kStart);
  const StreamOutput output = stream.take();
  ASSERT_EQ(output.decided.size(), 1U);
  EXPECT_EQ(output.decided.front().instance, 3U);
  const TimeNs later = kStart + ms_to_ns(Timing{}.lease_ms);
  stream.receive(later, 3, wire::Prepare{{1, 1}, {6, 3}, 2, {}, later});
  const StreamOutput answer = stream.take();
  ASSERT_EQ(answer.messages.size(), 1U);
  const auto* promise = std::get_if<wire::Promise>(&answer.messages.front().message);
  ASSERT_NE(promise, nullptr);
  EXPECT_EQ(promise->first, 3U);
  EXPECT_EQ(promise->entries.size(), 2U);
}

}  // namespace
}  // namespace juxmem

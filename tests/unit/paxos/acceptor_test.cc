#include "consistency/paxos/acceptor.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "juxmem/base/timing.h"

namespace juxmem {
namespace {

constexpr TimeNs kLease = ms_to_ns(300);
constexpr Ballot kFirst{1, 1};
constexpr Ballot kSecond{2, 2};

class AcceptorTest : public testing::Test {
 protected:
  bool accept(const Ballot& ballot, Instance first, const std::vector<std::string>& texts, Instance decided = 0) {
    wire::Accept message{.stream = {}, .ballot = ballot, .first = first, .entries = {}, .decided = decided};
    for (const std::string& text : texts) {
      message.entries.push_back({ballot, wire::EntryKind::kCommand, Buffer::copy_of(text), {}});
    }
    return acceptor_.accept(now_, message);
  }
  std::optional<wire::Promise> prepare(const Ballot& ballot, Instance decided = 0, const Ballot& released = {}) {
    return acceptor_.prepare(now_, {{}, ballot, decided, released, now_});
  }
  std::string held(Instance instance) {
    const wire::Entry* entry = acceptor_.log().at(instance);
    return entry == nullptr ? "-" : std::string(entry->command.text());
  }

  TimeNs now_ = ms_to_ns(1000);
  Acceptor acceptor_{0, kLease, 1 << 20, 4};
};

TEST_F(AcceptorTest, LowerBallotsAreRefusedAfterAPromise) {
  ASSERT_TRUE(prepare(kSecond));
  EXPECT_FALSE(prepare(kFirst));
  EXPECT_FALSE(accept(kFirst, 1, {"a"}));
  EXPECT_EQ(held(1), "-");
}

TEST_F(AcceptorTest, AcceptRaisesThePromise) {
  EXPECT_TRUE(accept(kSecond, 1, {"a"}));
  EXPECT_EQ(acceptor_.promised(), kSecond);
  EXPECT_FALSE(accept(kFirst, 2, {"b"}));
}

TEST_F(AcceptorTest, PromiseTellsWhatIsHeldAfterTheAskersDecisions) {
  accept(kFirst, 1, {"a", "b"}, 1);
  accept(kFirst, 4, {"d"});
  now_ += kLease;
  const auto promise = prepare(kSecond, 1);
  ASSERT_TRUE(promise);
  EXPECT_EQ(promise->decided, 1U);
  EXPECT_EQ(promise->first, 2U);
  ASSERT_EQ(promise->entries.size(), 3U);
  EXPECT_EQ(promise->entries[0].command.text(), "b");
  EXPECT_TRUE(EntryLog::is_hole(promise->entries[1]));
  EXPECT_EQ(promise->entries[2].ballot, kFirst);
  EXPECT_TRUE(promise->last);
}

TEST_F(AcceptorTest, LongPromisesComeInPieces) {
  accept(kFirst, 1, {"a", "b", "c", "d", "e", "f"});
  now_ += kLease;
  const auto first = prepare(kSecond);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->entries.size(), 4U);
  EXPECT_FALSE(first->last);
  const auto second = prepare(kSecond, 4);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->entries.size(), 2U);
  EXPECT_TRUE(second->last);
}

TEST_F(AcceptorTest, AcknowledgesOnlyEntriesOfThePromisedBallot) {
  accept(kFirst, 1, {"a", "b", "c"});
  EXPECT_EQ(acceptor_.matched(), 3U);
  accept(kSecond, 1, {"a"});
  EXPECT_EQ(acceptor_.matched(), 1U);
  EXPECT_EQ(held(3), "c");
}

TEST_F(AcceptorTest, ReorderedAcceptsAreKeptAndAcknowledgedWhenTheHoleIsFilled) {
  accept(kFirst, 3, {"c"});
  EXPECT_EQ(acceptor_.matched(), 0U);
  accept(kFirst, 1, {"a", "b"});
  EXPECT_EQ(acceptor_.matched(), 3U);
}

TEST_F(AcceptorTest, RepeatedAcceptsChangeNothing) {
  accept(kFirst, 1, {"a", "b"}, 1);
  accept(kFirst, 1, {"a", "b"}, 1);
  EXPECT_EQ(acceptor_.matched(), 2U);
  EXPECT_EQ(acceptor_.decided(), 1U);
}

TEST_F(AcceptorTest, NoticeDecidesOnlyEntriesOfItsBallotOrLaterOnes) {
  accept(kFirst, 1, {"a", "b"});
  acceptor_.heartbeat(now_, {{}, kSecond, 2, 2, 1, 0});
  EXPECT_EQ(acceptor_.decided(), 0U);
  accept(kSecond, 1, {"a", "B"});
  EXPECT_EQ(acceptor_.decided(), 2U);
  EXPECT_EQ(held(2), "B");
}

TEST_F(AcceptorTest, EarlyEvidenceDecidesWhenTheEntriesArrive) {
  acceptor_.learn_decided(kFirst, 2);
  EXPECT_EQ(acceptor_.decided(), 0U);
  accept(kFirst, 1, {"a", "b", "c"});
  EXPECT_EQ(acceptor_.decided(), 2U);
}

TEST_F(AcceptorTest, EvidenceOfAnEarlierBallotHoldsForLaterEntries) {
  accept(kSecond, 1, {"a", "b"});
  acceptor_.learn_decided(kFirst, 1);
  EXPECT_EQ(acceptor_.decided(), 1U);
}

TEST_F(AcceptorTest, LeaseBindsAgainstOthersUntilItRunsOut) {
  accept(kFirst, 1, {"a"});
  now_ += kLease - 1;
  EXPECT_FALSE(prepare(kSecond));
  EXPECT_EQ(acceptor_.promised(), kFirst);
  now_ += 1;
  EXPECT_TRUE(prepare(kSecond));
}

TEST_F(AcceptorTest, ReleasedLeaseDoesNotBind) {
  accept(kFirst, 1, {"a"});
  EXPECT_FALSE(prepare(kSecond, 0, {7, 7}));
  EXPECT_TRUE(prepare(kSecond, 0, kFirst));
}

TEST_F(AcceptorTest, PromiseTellsForHowLongNoLeaseWasGrantedToOthers) {
  accept(kFirst, 1, {"a"});
  now_ += kLease + 5;
  EXPECT_EQ(prepare(kSecond)->quiet_ns, kLease + 5);
  now_ += 2;
  EXPECT_EQ(prepare(kSecond)->quiet_ns, kLease + 7) << "a repeated promise";
}

TEST_F(AcceptorTest, NobodyKnowsWhatTheEpochBeforeHasGranted) {
  now_ += 10 * kLease;
  EXPECT_EQ(prepare(kFirst)->quiet_ns, 0);
}

TEST_F(AcceptorTest, LoansOfACoordinatorCountLikeLeases) {
  prepare(kFirst);
  now_ += kLease;
  acceptor_.lent(now_);
  now_ += 3;
  EXPECT_EQ(prepare(kSecond)->quiet_ns, 3);
}

TEST_F(AcceptorTest, AMemberThatWasStartedAgainMayHaveGrantedALeaseJustBefore) {
  acceptor_.recover({.promised = kFirst, .base = 0, .entries = {}, .decided = 0, .applied = 0});
  acceptor_.grant_again(now_);
  now_ += kLease;
  EXPECT_EQ(prepare(kSecond)->quiet_ns, kLease);
}

TEST_F(AcceptorTest, AMemberThatPromisedBeforeItWasStartedAgainNoLongerKnowsWhatItGrantedToOthers) {
  acceptor_.recover({.promised = kFirst, .base = 0, .entries = {}, .decided = 0, .applied = 0});
  acceptor_.grant_again(now_);
  now_ += 7;
  EXPECT_EQ(prepare(kFirst)->quiet_ns, 7) << "a repeated promise of the life before";
}

TEST_F(AcceptorTest, RepeatedPromiseGrantsNoLease) {
  const auto first = prepare(kFirst);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sent_at, now_);
  const auto again = prepare(kFirst);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sent_at, 0);
}

TEST_F(AcceptorTest, AskerThatLacksForgottenEntriesGetsNoPromise) {
  accept(kFirst, 1, {"a", "b"}, 2);
  acceptor_.drop_before(3);
  now_ += kLease;
  EXPECT_FALSE(prepare(kSecond, 1));
  EXPECT_TRUE(prepare(kSecond, 2));
}

TEST_F(AcceptorTest, UndecidedEntriesAreNotForgotten) {
  accept(kFirst, 1, {"a", "b"}, 1);
  acceptor_.drop_before(100);
  EXPECT_EQ(held(1), "-");
  EXPECT_EQ(held(2), "b");
}

TEST_F(AcceptorTest, AbsurdInstancesReserveNothing) {
  EXPECT_TRUE(accept(kFirst, 1ULL << 40, {"far"}));
  EXPECT_EQ(acceptor_.log().last(), 0U);
}

using AcceptorDeathTest = AcceptorTest;
TEST_F(AcceptorDeathTest, AnotherValueForADecidedInstanceAborts) {
  accept(kFirst, 1, {"a"}, 1);
  EXPECT_DEATH(accept(kSecond, 1, {"b"}), "S1");
}

TEST_F(AcceptorTest, StopForgetsWhatIsHeldAfterItUnderOlderBallots) {
  ASSERT_TRUE(accept(kFirst, 1, {"a", "b", "c"}));
  wire::Accept stop{.stream = {}, .ballot = kSecond, .first = 2, .entries = {}, .decided = 0};
  stop.entries.push_back({kSecond, wire::EntryKind::kStop, Buffer::copy_of("stop"), {}});
  ASSERT_TRUE(acceptor_.accept(now_, stop));
  EXPECT_EQ(acceptor_.log().last(), 2U);
  EXPECT_EQ(held(2), "stop");
  EXPECT_EQ(held(3), "-");
}

TEST_F(AcceptorTest, EndTeachesWhatIsMissing) {
  ASSERT_TRUE(accept(kFirst, 1, {"a", "wrong"}, 1));
  wire::Ended ended{{}, kSecond, 2, {}, 3};
  ended.entries.push_back({kSecond, wire::EntryKind::kCommand, Buffer::copy_of("b"), {}});
  ended.entries.push_back({kSecond, wire::EntryKind::kStop, Buffer::copy_of("stop"), {}});
  EXPECT_TRUE(acceptor_.learn_end(now_, ended));
  EXPECT_EQ(acceptor_.decided(), 3U);
  EXPECT_EQ(held(2), "b");
  EXPECT_EQ(acceptor_.promised(), kSecond);
}

TEST_F(AcceptorTest, EndWithAGapTeachesNothing) {
  wire::Ended ended{{}, kSecond, 3, {}, 3};
  ended.entries.push_back({kSecond, wire::EntryKind::kStop, Buffer::copy_of("stop"), {}});
  EXPECT_FALSE(acceptor_.learn_end(now_, ended));
  EXPECT_EQ(acceptor_.decided(), 0U);
}

}  // namespace
}  // namespace juxmem

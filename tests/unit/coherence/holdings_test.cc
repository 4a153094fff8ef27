#include "consistency/coherence/holdings.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

constexpr GroupId kGroup = 3;
constexpr BlockId kBlock = make_block_id(kGroup, 1);
constexpr BlockId kOther = make_block_id(kGroup, 2);
constexpr SessionId kSession = 11;
constexpr TimeNs kForever = 1'000'000'000'000'000;

class HoldingsTest : public testing::Test {
 protected:
  void SetUp() override { holdings_.session_opened(now_, kGroup, kSession, kForever); }

  void acquire(Token token, Mode mode, bool try_only = false, TimeNs deadline = kForever, BlockId block = kBlock) {
    holdings_.acquire(now_, {.block = block, .mode = mode, .token = token, .deadline = deadline, .try_only = try_only});
  }
  Grant grant(Mode mode, std::uint64_t counter, std::uint64_t request, std::uint64_t round = 1, BlockId block = kBlock) {
    const Grant number{.ballot = {round, 1}, .counter = counter};
    holdings_.on_granted(now_, {.block = block,
                                .session = kSession,
                                .mode = mode,
                                .request = request,
                                .grant = number,
                                .ballot = {round, 1},
                                .version = 4,
                                .size_bytes = 100});
    return number;
  }
  void recall(const Grant& number, Mode keep, bool try_only = false) {
    holdings_.on_recall(now_, {.block = kBlock, .session = kSession, .grant = number, .keep = keep, .try_only = try_only});
  }
  void take() {
    HoldingsOutput output = holdings_.take_output();
    answers_ = output.answers;
    requests_.clear();
    yields_.clear();
    replies_.clear();
    for (const auto& [group, message] : output.messages) {
      if (const auto* request = std::get_if<wire::RequestOwnership>(&message)) requests_.push_back(*request);
      if (const auto* yield = std::get_if<wire::Yield>(&message)) yields_.push_back(*yield);
      if (const auto* reply = std::get_if<wire::HoldingsReply>(&message)) replies_.push_back(*reply);
    }
  }

  Timing timing_;
  TimeNs now_ = ms_to_ns(1000);
  Holdings holdings_{timing_, 3};
  std::vector<AcquireAnswer> answers_;
  std::vector<wire::RequestOwnership> requests_;
  std::vector<wire::Yield> yields_;
  std::vector<wire::HoldingsReply> replies_;
};

TEST_F(HoldingsTest, FirstAcquireAsksTheCoordinator) {
  acquire(1, Mode::kExclusive);
  take();
  ASSERT_EQ(requests_.size(), 1U);
  grant(Mode::kExclusive, 1, requests_[0].request);
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].token, 1U);
  EXPECT_EQ(answers_[0].version, 4U);
}

TEST_F(HoldingsTest, OwnershipKeptServesTheNextUserWithoutAMessage) {
  acquire(1, Mode::kExclusive);
  grant(Mode::kExclusive, 1, 1);
  holdings_.published(kBlock, 9, {2, 1});
  holdings_.release(now_, 1);
  take();
  acquire(2, Mode::kExclusive);
  take();
  EXPECT_TRUE(requests_.empty());
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].version, 9U);
}

// Another coordinator than the grant's may have decided it: its ballot says nothing of that version.
TEST_F(HoldingsTest, VersionPublishedGoesWithTheBallotThatDecidedIt) {
  acquire(1, Mode::kExclusive);
  grant(Mode::kExclusive, 1, 1);
  for (const Ballot& ballot : {Ballot{7, 2}, Ballot{}}) {
    const std::uint64_t user = ballot.round + 2;
    holdings_.published(kBlock, 20 - ballot.round, ballot);
    acquire(user, Mode::kExclusive);
    holdings_.release(now_, user == 9 ? 1 : 9);
    take();
    ASSERT_FALSE(answers_.empty());
    EXPECT_EQ(answers_.back().token, user);
    EXPECT_EQ(answers_.back().ballot, ballot);
    answers_.clear();
  }
}

TEST_F(HoldingsTest, RecalledBlockLeavesWhenTheUserHasReleased) {
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  recall(number, Mode::kNone);
  take();
  EXPECT_TRUE(yields_.empty());
  holdings_.release(now_, 1);
  take();
  ASSERT_EQ(yields_.size(), 1U);
  EXPECT_EQ(yields_[0].keep, Mode::kNone);
  EXPECT_EQ(holdings_.find(kBlock), nullptr);
}

TEST_F(HoldingsTest, RecallToSharedLetsReadersStay) {
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  holdings_.release(now_, 1);
  acquire(2, Mode::kShared);
  recall(number, Mode::kShared);
  take();
  ASSERT_EQ(yields_.size(), 1U);
  EXPECT_EQ(yields_[0].keep, Mode::kShared);
  EXPECT_EQ(holdings_.find(kBlock)->local.users().size(), 1U);
}

TEST_F(HoldingsTest, AtMostLocalPassesMaxUsersGoBeforeARecall) {
  timing_.local_passes_max = 2;
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  for (Token token = 2; token <= 5; ++token) acquire(token, Mode::kExclusive);
  recall(number, Mode::kNone);
  for (Token token = 1; token <= 3; ++token) {
    take();
    EXPECT_TRUE(yields_.empty());
    holdings_.release(now_, token);
  }
  take();
  ASSERT_EQ(yields_.size(), 1U);
  // Somebody still waits here: it is asked for again at once.
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(HoldingsTest, RepeatedGrantThatWasGivenAwayIsRefused) {
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  holdings_.release(now_, 1);
  recall(number, Mode::kNone);
  take();
  grant(Mode::kExclusive, 1, 1);
  take();
  EXPECT_EQ(yields_.size(), 1U);
  EXPECT_EQ(holdings_.find(kBlock), nullptr);
}

TEST_F(HoldingsTest, GrantOfADeposedCoordinatorIsRefused) {
  acquire(1, Mode::kExclusive);
  holdings_.on_reregister(now_, {.group = kGroup, .session = kSession, .ballot = {2, 1}});
  take();
  ASSERT_EQ(replies_.size(), 1U);
  EXPECT_TRUE(replies_[0].holdings.empty());
  grant(Mode::kExclusive, 7, 1, 1);
  take();
  EXPECT_TRUE(answers_.empty());
  grant(Mode::kExclusive, 1, 1, 2);
  take();
  EXPECT_EQ(answers_.size(), 1U);
}

TEST_F(HoldingsTest, ReregistrationTellsWhatIsHeldAndAsksAgain) {
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  acquire(2, Mode::kExclusive, false, kForever, kOther);
  take();
  holdings_.on_reregister(now_, {.group = kGroup, .session = kSession, .ballot = {2, 2}});
  take();
  ASSERT_EQ(replies_.size(), 1U);
  ASSERT_EQ(replies_[0].holdings.size(), 1U);
  EXPECT_EQ(replies_[0].holdings[0].grant, number);
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].block, kOther);
}

TEST_F(HoldingsTest, NobodyIsLetInAfterTheLeaseUntilItIsRegained) {
  Holdings holdings(timing_);
  holdings.session_opened(0, kGroup, kSession, 100);
  holdings.acquire(0, {.block = kBlock, .mode = Mode::kExclusive, .token = 1, .deadline = kForever});
  holdings.on_granted(0,
                      {.block = kBlock, .session = kSession, .mode = Mode::kExclusive, .request = 1, .grant = {{1, 1}, 1}});
  holdings.release(50, 1);
  holdings.take_output();
  holdings.acquire(150, {.block = kBlock, .mode = Mode::kExclusive, .token = 2, .deadline = kForever});
  EXPECT_TRUE(holdings.take_output().answers.empty());
  holdings.lease_renewed(160, kGroup, kSession, 300);
  EXPECT_EQ(holdings.take_output().answers.size(), 1U);
}

TEST_F(HoldingsTest, EndedSessionLosesUsersAndKeepsWaiters) {
  acquire(1, Mode::kExclusive);
  grant(Mode::kExclusive, 1, 1);
  acquire(2, Mode::kExclusive);
  const std::vector<Token> lost = holdings_.session_ended(now_, kGroup);
  EXPECT_EQ(lost, std::vector<Token>{1});
  EXPECT_TRUE(holdings_.is_lost(1));
  take();
  holdings_.session_opened(now_, kGroup, kSession + 1, kForever);
  take();
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].session, kSession + 1);
  EXPECT_TRUE(holdings_.release(now_, 1));
  EXPECT_FALSE(holdings_.release(now_, 1));
}

TEST_F(HoldingsTest, WaiterTimesOut) {
  acquire(1, Mode::kExclusive, false, now_ + 50);
  take();
  EXPECT_LE(holdings_.next_tick(), now_ + 50);
  now_ += 60;
  holdings_.tick(now_);
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].code, Code::kTimedOut);
  EXPECT_EQ(holdings_.find(kBlock), nullptr);
}

TEST_F(HoldingsTest, WaiterWithoutALeaseIsToldToTryAgain) {
  holdings_.session_ended(now_, kGroup);
  acquire(1, Mode::kExclusive, false, now_ + 50);
  now_ += 60;
  holdings_.tick(now_);
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].code, Code::kTryAgain);
}

TEST_F(HoldingsTest, TryFailsAtOnceBehindALocalUser) {
  acquire(1, Mode::kExclusive);
  grant(Mode::kExclusive, 1, 1);
  take();
  acquire(2, Mode::kShared, true);
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].code, Code::kBusy);
}

TEST_F(HoldingsTest, TryAnswersBusyWhenTheDirectorySaysSo) {
  acquire(1, Mode::kExclusive, true);
  take();
  ASSERT_TRUE(requests_.at(0).try_only);
  holdings_.on_granted(now_, {.block = kBlock, .session = kSession, .request = requests_[0].request, .code = Code::kBusy});
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].code, Code::kBusy);
}

TEST_F(HoldingsTest, TryRecallOfABlockInUseIsAnsweredWithoutGivingIt) {
  acquire(1, Mode::kExclusive);
  const Grant number = grant(Mode::kExclusive, 1, 1);
  recall(number, Mode::kNone, true);
  take();
  ASSERT_EQ(yields_.size(), 1U);
  EXPECT_EQ(yields_[0].keep, Mode::kExclusive);
  holdings_.release(now_, 1);
  EXPECT_NE(holdings_.find(kBlock), nullptr);
}

TEST_F(HoldingsTest, UnknownBlockRefusesAllWaiters) {
  acquire(1, Mode::kExclusive);
  acquire(2, Mode::kShared);
  take();
  holdings_.on_granted(now_,
                       {.block = kBlock, .session = kSession, .request = requests_[0].request, .code = Code::kNotFound});
  take();
  ASSERT_EQ(answers_.size(), 2U);
  EXPECT_EQ(answers_[0].code, Code::kNotFound);
  EXPECT_EQ(answers_[1].code, Code::kNotFound);
}

TEST_F(HoldingsTest, RequestIsRepeatedWithTheSameNumber) {
  acquire(1, Mode::kExclusive);
  take();
  const std::uint64_t number = requests_.at(0).request;
  now_ = holdings_.next_tick();
  holdings_.tick(now_);
  take();
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].request, number);
}

TEST_F(HoldingsTest, WriterBehindAReaderAsksForMoreWhileTheReaderIsInside) {
  acquire(1, Mode::kShared);
  grant(Mode::kShared, 1, 1);
  take();
  acquire(2, Mode::kExclusive);
  take();
  ASSERT_EQ(requests_.size(), 1U);
  grant(Mode::kExclusive, 2, requests_[0].request);
  take();
  EXPECT_TRUE(answers_.empty());
  holdings_.release(now_, 1);
  take();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].token, 2U);
}

TEST_F(HoldingsTest, RecallOfAGrantThatNeverArrivedGivesItUpAndAsksAnew) {
  acquire(1, Mode::kExclusive);
  take();
  recall({.ballot = {1, 1}, .counter = 5}, Mode::kNone);
  take();
  ASSERT_EQ(yields_.size(), 1U);
  EXPECT_EQ(requests_.size(), 1U);
  grant(Mode::kExclusive, 5, 1);
  take();
  EXPECT_TRUE(answers_.empty());
}

TEST_F(HoldingsTest, MoreIdleBlocksThanTheLimitAreGivenBack) {
  for (std::uint64_t slot = 1; slot <= 5; ++slot) {
    const BlockId block = make_block_id(kGroup, slot);
    acquire(slot, Mode::kExclusive, false, kForever, block);
    grant(Mode::kExclusive, slot, slot, 1, block);
    holdings_.release(now_, slot);
  }
  EXPECT_EQ(holdings_.blocks().size(), 3U);
}

}  // namespace
}  // namespace juxmem

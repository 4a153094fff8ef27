#include "consistency/coherence/directory.h"

#include <gtest/gtest.h>

#include <array>

namespace juxmem {
namespace {

constexpr GroupId kGroup = 3;
constexpr BlockId kBlock = make_block_id(kGroup, 1);
constexpr SessionId kAnn = 11;
constexpr SessionId kBob = 12;
constexpr SessionId kCid = 13;

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(std::vector<SessionId> live, TimeNs election_took = 0) {
    directory_ = std::make_unique<Directory>(kGroup, timing_);
    directory_->begin_recovery(now_, {.round = 5, .node = 1}, live, now_ - election_took);
  }
  void open_all() {
    for (SessionId session : {kAnn, kBob, kCid}) directory_->session_opened(session);
  }
  void request(SessionId session, Mode mode, std::uint64_t number, bool try_only = false) {
    directory_->on_request(now_,
                           {.block = kBlock, .session = session, .mode = mode, .request = number, .try_only = try_only});
  }
  void yield(SessionId session, const Grant& grant, Mode keep) {
    directory_->on_yield(now_, {.block = kBlock, .session = session, .grant = grant, .keep = keep});
  }
  template <typename T>
  std::vector<T> take() {
    std::vector<T> found;
    DirectoryOutput output = directory_->take_output();
    expired_ = output.expire;
    for (const DirectoryMessage& message : output.messages) {
      if (const T* one = std::get_if<T>(&message)) found.push_back(*one);
    }
    return found;
  }

  Timing timing_;
  TimeNs now_ = ms_to_ns(1000);
  std::unique_ptr<Directory> directory_;
  std::vector<SessionId> expired_;
};

TEST_F(DirectoryTest, FreeBlockIsGrantedAtOnce) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  const auto granted = take<wire::Granted>();
  ASSERT_EQ(granted.size(), 1U);
  EXPECT_EQ(granted[0].session, kAnn);
  EXPECT_EQ(granted[0].mode, Mode::kExclusive);
  EXPECT_EQ(granted[0].grant.ballot, (Ballot{5, 1}));
}

TEST_F(DirectoryTest, ReadersShareTheBlock) {
  open_all();
  request(kAnn, Mode::kShared, 1);
  request(kBob, Mode::kShared, 2);
  EXPECT_EQ(take<wire::Granted>().size(), 2U);
}

TEST_F(DirectoryTest, RepeatedRequestGetsTheSameGrant) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  const Grant first = take<wire::Granted>().at(0).grant;
  request(kAnn, Mode::kExclusive, 1);
  EXPECT_EQ(take<wire::Granted>().at(0).grant, first);
}

TEST_F(DirectoryTest, ConflictingRequestRecallsTheHolderAndWaits) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  const Grant held = take<wire::Granted>().at(0).grant;
  request(kBob, Mode::kShared, 2);
  const auto recalls = take<wire::Recall>();
  ASSERT_EQ(recalls.size(), 1U);
  EXPECT_EQ(recalls[0].session, kAnn);
  EXPECT_EQ(recalls[0].keep, Mode::kShared);
  yield(kAnn, held, Mode::kShared);
  const auto granted = take<wire::Granted>();
  ASSERT_EQ(granted.size(), 1U);
  EXPECT_EQ(granted[0].session, kBob);
  EXPECT_GT(granted[0].grant, held);
}

TEST_F(DirectoryTest, RequestsAreServedInArrivalOrder) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  const Grant first = take<wire::Granted>().at(0).grant;
  request(kBob, Mode::kExclusive, 2);
  request(kCid, Mode::kShared, 3);
  yield(kAnn, first, Mode::kNone);
  auto granted = take<wire::Granted>();
  ASSERT_EQ(granted.size(), 1U);
  EXPECT_EQ(granted[0].session, kBob);
  yield(kBob, granted[0].grant, Mode::kNone);
  EXPECT_EQ(take<wire::Granted>().at(0).session, kCid);
}

TEST_F(DirectoryTest, YieldOfAnOlderGrantChangesNothing) {
  open_all();
  request(kAnn, Mode::kShared, 1);
  const Grant shared = take<wire::Granted>().at(0).grant;
  request(kAnn, Mode::kExclusive, 2);
  ASSERT_EQ(take<wire::Granted>().size(), 1U);
  yield(kAnn, shared, Mode::kNone);
  request(kBob, Mode::kShared, 3);
  EXPECT_TRUE(take<wire::Granted>().empty());
}

TEST_F(DirectoryTest, RequestReplacedAtTheHeadLetsTheNextOneIn) {
  open_all();
  request(kAnn, Mode::kShared, 1);
  request(kCid, Mode::kExclusive, 2);
  request(kBob, Mode::kShared, 3);
  take<wire::Granted>();
  request(kCid, Mode::kShared, 4);
  const auto granted = take<wire::Granted>();
  ASSERT_EQ(granted.size(), 2U);
  EXPECT_EQ(granted[0].session, kBob);
  EXPECT_EQ(granted[1].session, kCid);
}

TEST_F(DirectoryTest, RecallIsRepeatedUntilAnswered) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  request(kBob, Mode::kExclusive, 2);
  EXPECT_EQ(take<wire::Recall>().size(), 1U);
  now_ = directory_->next_tick();
  directory_->tick(now_);
  EXPECT_EQ(take<wire::Recall>().size(), 1U);
}

TEST_F(DirectoryTest, ExpiredHolderMakesRoom) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  request(kBob, Mode::kExclusive, 2);
  take<wire::Granted>();
  directory_->session_expired(now_, kAnn);
  EXPECT_EQ(take<wire::Granted>().at(0).session, kBob);
}

TEST_F(DirectoryTest, UnknownSessionIsIgnored) {
  request(kAnn, Mode::kExclusive, 1);
  EXPECT_TRUE(take<wire::Granted>().empty());
}

TEST_F(DirectoryTest, TryIsRefusedWhenTheHolderUsesTheBlock) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  const Grant held = take<wire::Granted>().at(0).grant;
  request(kBob, Mode::kExclusive, 2, true);
  EXPECT_TRUE(take<wire::Recall>().at(0).try_only);
  yield(kAnn, held, Mode::kExclusive);
  const auto refused = take<wire::Granted>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code, Code::kBusy);
  EXPECT_EQ(refused[0].request, 2U);
}

TEST_F(DirectoryTest, TryBehindAWaiterIsRefusedAtOnce) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  request(kBob, Mode::kExclusive, 2);
  take<wire::Granted>();
  request(kCid, Mode::kShared, 3, true);
  EXPECT_EQ(take<wire::Granted>().at(0).code, Code::kBusy);
}

TEST_F(DirectoryTest, FreedBlockIsRefusedAndCalledBack) {
  open_all();
  request(kAnn, Mode::kExclusive, 1);
  request(kBob, Mode::kExclusive, 2);
  take<wire::Granted>();
  directory_->block_freed(now_, kBlock);
  const DirectoryOutput output = directory_->take_output();
  ASSERT_EQ(output.messages.size(), 2U);
  EXPECT_EQ(std::get<wire::Granted>(output.messages[0]).code, Code::kNotFound);
  EXPECT_EQ(std::get<wire::Recall>(output.messages[1]).session, kAnn);
}

TEST_F(DirectoryTest, RecoveryAsksAndGrantsOnlyWhenAllHaveAnswered) {
  start({kAnn, kBob});
  EXPECT_EQ(take<wire::Reregister>().size(), 2U);
  request(kBob, Mode::kExclusive, 1);
  directory_->on_holdings(now_, {.group = kGroup, .session = kBob, .ballot = {5, 1}, .holdings = {}});
  EXPECT_TRUE(take<wire::Granted>().empty());
  EXPECT_FALSE(directory_->may_renew(kAnn));
  EXPECT_TRUE(directory_->may_renew(kBob));
  const wire::Holding holding{.block = kBlock, .mode = Mode::kExclusive, .grant = {{4, 2}, 9}};
  directory_->on_holdings(now_, {.group = kGroup, .session = kAnn, .ballot = {5, 1}, .holdings = {holding}});
  EXPECT_TRUE(directory_->recovered());
  EXPECT_EQ(take<wire::Recall>().at(0).grant, holding.grant);
  yield(kAnn, holding.grant, Mode::kNone);
  const auto granted = take<wire::Granted>();
  ASSERT_EQ(granted.size(), 1U);
  EXPECT_GT(granted[0].grant, holding.grant);
}

TEST_F(DirectoryTest, SilentSessionIsExpiredInTheLogBeforeAnybodyGetsItsBlocks) {
  start({kAnn, kBob});
  directory_->on_holdings(now_, {.group = kGroup, .session = kBob, .ballot = {5, 1}, .holdings = {}});
  request(kBob, Mode::kExclusive, 1);
  now_ += ms_to_ns(timing_.agent_lease_ms) - 1;
  directory_->tick(now_);
  take<wire::Granted>();
  EXPECT_TRUE(expired_.empty());
  now_ += ms_to_ns(timing_.agent_lease_ms);
  directory_->tick(now_);
  EXPECT_TRUE(take<wire::Granted>().empty());
  EXPECT_EQ(expired_, std::vector{kAnn});
  // Its answer comes too late: the log decides.
  directory_->on_holdings(now_, {.group = kGroup, .session = kAnn, .ballot = {5, 1}, .holdings = {}});
  EXPECT_FALSE(directory_->recovered());
  directory_->session_expired(now_, kAnn);
  EXPECT_EQ(take<wire::Granted>().at(0).session, kBob);
}

TEST_F(DirectoryTest, WhatTheElectionTookIsNotWaitedForOnceMore) {
  now_ += ms_to_ns(10'000);
  const TimeNs lease = ms_to_ns(timing_.agent_lease_ms);
  start({kAnn}, lease / 4);
  now_ += lease - lease / 4;
  directory_->tick(now_);
  take<wire::Reregister>();
  EXPECT_TRUE(expired_.empty()) << "clocks may differ";
  now_ += lease / 100;
  directory_->tick(now_);
  take<wire::Reregister>();
  EXPECT_EQ(expired_, std::vector{kAnn});
}

TEST_F(DirectoryTest, AfterALongElectionSessionsStillHaveTimeToAnswer) {
  now_ += ms_to_ns(10'000);
  const TimeNs lease = ms_to_ns(timing_.agent_lease_ms);
  start({kAnn}, 5 * lease);
  now_ += lease / 2 - 1;
  directory_->tick(now_);
  take<wire::Reregister>();
  EXPECT_TRUE(expired_.empty());
  now_ += 1;
  directory_->tick(now_);
  take<wire::Reregister>();
  EXPECT_EQ(expired_, std::vector{kAnn});
}

TEST_F(DirectoryTest, ContradictingHoldingsEndTheLaterSession) {
  start({kAnn, kBob});
  const wire::Holding holding{.block = kBlock, .mode = Mode::kExclusive, .grant = {{4, 2}, 9}};
  directory_->on_holdings(now_, {.group = kGroup, .session = kAnn, .ballot = {5, 1}, .holdings = {holding}});
  directory_->on_holdings(now_, {.group = kGroup, .session = kBob, .ballot = {5, 1}, .holdings = {holding}});
  take<wire::Granted>();
  EXPECT_EQ(expired_, std::vector{kBob});
  EXPECT_FALSE(directory_->recovered());
}

}  // namespace
}  // namespace juxmem

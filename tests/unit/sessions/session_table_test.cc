#include "consistency/sessions/session_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "juxmem/base/random.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

wire::Reply reply_with(std::uint64_t version) {
  wire::Reply reply;
  reply.version = version;
  return reply;
}

TEST(SessionTable, OpenTakesTheInstanceAsNumber) {
  SessionTable table;
  EXPECT_EQ(table.open(7, 1, 100), 7U);
  EXPECT_TRUE(table.is_alive(7));
  EXPECT_FALSE(table.is_alive(8));
}

TEST(SessionTable, OpenAgainBySameLifeGivesSameSession) {
  SessionTable table;
  EXPECT_EQ(table.open(7, 1, 100), 7U);
  EXPECT_EQ(table.open(9, 1, 100), 7U);
  EXPECT_EQ(table.open(10, 1, 101), 10U);
  EXPECT_EQ(table.live_count(), 2U);
}

TEST(SessionTable, OpenAfterExpiryGivesNewSession) {
  SessionTable table;
  table.open(7, 1, 100);
  EXPECT_TRUE(table.expire(7));
  EXPECT_FALSE(table.expire(7));
  EXPECT_EQ(table.open(9, 1, 100), 9U);
}

TEST(SessionTable, RepeatedOperationGetsItsReply) {
  SessionTable table;
  table.open(1, 1, 1);
  const OpId op{.session = 1, .slot = 3, .counter = 5};
  EXPECT_EQ(table.begin(op).state, OpState::kExecute);
  table.finish(op, reply_with(42));
  const OpLookup again = table.begin(op);
  ASSERT_EQ(again.state, OpState::kRepeated);
  EXPECT_EQ(again.reply->version, 42U);
}

TEST(SessionTable, OlderOperationOfSlotIsStale) {
  SessionTable table;
  table.open(1, 1, 1);
  table.finish({1, 0, 5}, reply_with(1));
  EXPECT_EQ(table.begin({1, 0, 4}).state, OpState::kStale);
  EXPECT_EQ(table.begin({1, 0, 6}).state, OpState::kExecute);
  EXPECT_EQ(table.begin({1, 1, 1}).state, OpState::kExecute);
}

TEST(SessionTable, ExpiredAndUnknownSessionsExecuteNothing) {
  SessionTable table;
  table.open(1, 1, 1);
  table.expire(1);
  EXPECT_EQ(table.begin({1, 0, 1}).state, OpState::kExpired);
  EXPECT_EQ(table.begin({2, 0, 1}).state, OpState::kExpired);
}

TEST(SessionTable, SlotBeyondLimitOrCounterZeroIsInvalid) {
  SessionTable table;
  table.open(1, 1, 1);
  EXPECT_EQ(table.begin({1, wire::kSlotsPerSessionMax, 1}).state, OpState::kInvalid);
  EXPECT_EQ(table.begin({1, 0, 0}).state, OpState::kInvalid);
  EXPECT_EQ(table.begin({1, wire::kSlotsPerSessionMax - 1, 1}).state, OpState::kExecute);
}

TEST(SessionTable, OutcomeTellsWhatBecameOfAnOperation) {
  SessionTable table;
  table.open(1, 1, 1);
  table.finish({1, 0, 2}, reply_with(9));
  EXPECT_EQ(table.outcome({1, 0, 1}).state, OutcomeState::kForgotten);
  ASSERT_EQ(table.outcome({1, 0, 2}).state, OutcomeState::kExecuted);
  EXPECT_EQ(table.outcome({1, 0, 2}).reply->version, 9U);
  EXPECT_EQ(table.outcome({1, 0, 3}).state, OutcomeState::kPending);
  EXPECT_EQ(table.outcome({1, 8, 1}).state, OutcomeState::kPending);
  table.expire(1);
  ASSERT_EQ(table.outcome({1, 0, 2}).state, OutcomeState::kExecuted);
  EXPECT_EQ(table.outcome({1, 0, 2}).reply->version, 9U);
  EXPECT_EQ(table.outcome({1, 0, 3}).state, OutcomeState::kNever);
  EXPECT_EQ(table.outcome({1, 8, 1}).state, OutcomeState::kNever);
  EXPECT_EQ(table.outcome({5, 0, 1}).state, OutcomeState::kForgotten);
}

TEST(SessionTable, OldestExpiredSessionsAreForgotten) {
  SessionTable table;
  for (Instance i = 1; i <= SessionTable::kExpiredKept + 1; ++i) {
    table.open(i, static_cast<NodeId>(i), 1);
    table.finish({i, 0, 1}, reply_with(i));
    table.expire(i);
  }
  EXPECT_EQ(table.expired_count(), SessionTable::kExpiredKept);
  EXPECT_EQ(table.outcome({1, 0, 1}).state, OutcomeState::kForgotten);
  EXPECT_EQ(table.outcome({2, 0, 1}).state, OutcomeState::kExecuted);
}

TEST(SessionTable, SlotsOfExpiredSessionsAreBounded) {
  SessionTable table;
  const std::uint64_t fitting = SessionTable::kExpiredSlotsKept / wire::kSlotsPerSessionMax;
  for (Instance i = 1; i <= fitting + 3; ++i) {
    table.open(i, static_cast<NodeId>(i), 1);
    table.finish({i, wire::kSlotsPerSessionMax - 1, 1}, reply_with(i));
    table.expire(i);
  }
  EXPECT_EQ(table.expired_count(), fitting);
}

TEST(SessionTable, DigestDependsOnStateOnly) {
  SessionTable one;
  SessionTable two;
  for (SessionTable* table : {&one, &two}) {
    table->open(1, 1, 1);
    table->open(2, 2, 1);
  }
  one.finish({1, 0, 1}, reply_with(5));
  one.finish({2, 0, 1}, reply_with(6));
  two.finish({2, 0, 1}, reply_with(6));
  EXPECT_NE(one.digest(), two.digest());
  two.finish({1, 0, 1}, reply_with(5));
  EXPECT_EQ(one.digest(), two.digest());
  two.expire(1);
  EXPECT_NE(one.digest(), two.digest());
  one.expire(1);
  EXPECT_EQ(one.digest(), two.digest());
}

// The naive model: remembers everything that ever happened.
struct Model {
  std::map<OpId, std::uint64_t> executed;  // reply
  std::map<std::pair<SessionId, std::uint32_t>, std::uint64_t> last;
  std::set<SessionId> live;
};

class SessionTableModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SessionTableModel, EveryOperationHappensAtMostOnce) {
  const std::uint64_t seed = GetParam();
  SCOPED_TRACE("replay: sessions_test --gtest_filter='*EveryOperationHappensAtMostOnce/" + std::to_string(seed) + "'");
  Random random(seed);
  SessionTable table;
  Model model;
  Instance instance = 0;
  for (int step = 0; step < 3000; ++step) {
    ++instance;
    const std::uint64_t kind = random.below(100);
    const SessionId session = 1 + random.below(instance);
    if (kind < 5) {
      const auto node = static_cast<NodeId>(1 + random.below(4));
      const SessionId opened = table.open(instance, node, 1 + random.below(3));
      ASSERT_TRUE(model.live.contains(opened) || opened == instance);
      model.live.insert(opened);
    } else if (kind < 8) {
      ASSERT_EQ(table.expire(session), model.live.erase(session) == 1);
    } else {
      const SessionId user = model.live.empty() || random.chance(200'000) ? session : *model.live.begin();
      const auto slot = static_cast<std::uint32_t>(random.below(3));
      const std::uint64_t last = model.last[{user, slot}];
      const std::uint64_t counter = last + 2 - std::min(last + 1, random.below(4));
      const OpId op{user, slot, counter};
      const OpLookup lookup = table.begin(op);
      if (!model.live.contains(user)) {
        ASSERT_EQ(lookup.state, OpState::kExpired);
      } else if (model.executed.contains(op)) {
        ASSERT_EQ(lookup.state, counter == last ? OpState::kRepeated : OpState::kStale);
        if (counter == last) {
          ASSERT_EQ(lookup.reply->version, model.executed[op]);
        }
      } else {
        ASSERT_EQ(lookup.state, counter > last ? OpState::kExecute : OpState::kStale);
      }
      if (lookup.state == OpState::kExecute) {
        ASSERT_TRUE(model.executed.emplace(op, instance).second);
        model.last[{user, slot}] = counter;
        table.finish(op, reply_with(instance));
      }
      const OpOutcome outcome = table.outcome(op);
      if (outcome.state == OutcomeState::kExecuted) {
        ASSERT_EQ(outcome.reply->version, model.executed.at(op));
      }
      if (outcome.state == OutcomeState::kNever || outcome.state == OutcomeState::kPending) {
        ASSERT_FALSE(model.executed.contains(op));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionTableModel, testing::Range<std::uint64_t>(0, 20));

}  // namespace
}  // namespace juxmem

// Snapshots of the session table.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consistency/sessions/session_table.h"
#include "juxmem/base/random.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr Instance kAt = 1'000'000;

std::vector<wire::SessionRow> rows_of(const SessionTable& table, SnapshotNumber number, std::uint64_t room_bytes) {
  std::vector<wire::SessionRow> rows;
  wire::SnapshotCursor cursor;
  for (bool is_expired : {false, true}) {
    cursor = {};
    for (bool done = false; !done;) {
      wire::SnapshotFiller filler;
      filler.left_bytes = room_bytes;
      done = is_expired ? table.read_expired(number, cursor, filler) : table.read_living(number, cursor, filler);
      rows.insert(rows.end(), filler.piece.sessions.begin(), filler.piece.sessions.end());
    }
  }
  return rows;
}

std::optional<SessionTable> restored(const std::vector<wire::SessionRow>& rows) {
  SessionTable table;
  for (const wire::SessionRow& row : rows) {
    if (!table.restore(row, kAt)) return std::nullopt;
  }
  return table;
}

wire::Reply reply(std::uint64_t amount, std::string detail = {}) {
  wire::Reply reply;
  reply.amount = amount;
  reply.detail = std::move(detail);
  return reply;
}

TEST(SessionSnapshot, LastRepliesOfExpiredSessionsAreInIt) {
  SessionTable table;
  table.open(5, 1, 1);
  table.finish({.session = 5, .slot = 3, .counter = 7}, reply(42, "why"));
  table.expire(5);
  table.open_snapshot(1);
  const auto copy = restored(rows_of(table, 1, 1000));
  ASSERT_TRUE(copy);
  const OpOutcome outcome = copy->outcome({.session = 5, .slot = 3, .counter = 7});
  ASSERT_EQ(outcome.state, OutcomeState::kExecuted);
  EXPECT_EQ(*outcome.reply, reply(42, "why"));
  EXPECT_EQ(copy->digest(), table.digest());
}

TEST(SessionSnapshot, SessionWithManySlotsIsSeveralRows) {
  SessionTable table;
  table.open(5, 1, 1);
  for (std::uint32_t slot = 0; slot < 100; slot += 3) table.finish({.session = 5, .slot = slot, .counter = 1}, reply(slot));
  table.open_snapshot(1);
  const auto rows = rows_of(table, 1, 1000);
  EXPECT_GT(rows.size(), 5U);
  const auto copy = restored(rows);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->digest(), table.digest());
}

TEST(SessionSnapshot, ExpiredSessionsAreForgottenInTheSameOrderAfterwards) {
  SessionTable table;
  for (Instance i = 1; i <= SessionTable::kExpiredKept; ++i) table.open(i, static_cast<NodeId>(i), 1);
  for (Instance i = SessionTable::kExpiredKept; i >= 1; --i) table.expire(i);
  table.open_snapshot(1);
  auto copy = restored(rows_of(table, 1, 1000));
  ASSERT_TRUE(copy);
  for (SessionTable* one : {&table, &*copy}) {
    one->open(5000, 1, 9);
    one->expire(5000);
  }
  EXPECT_EQ(copy->outcome({.session = SessionTable::kExpiredKept, .slot = 0, .counter = 1}).state, OutcomeState::kForgotten);
  EXPECT_EQ(copy->digest(), table.digest());
}

TEST(SessionSnapshot, RowsThatNoTableHasAreRefused) {
  const wire::SessionRow sound{
      .session = 5, .node = 1, .incarnation = 1, .alive = true, .slots = {{.slot = 1, .counter = 1}}};
  const auto refused = [&](auto change) {
    SessionTable table;
    EXPECT_TRUE(table.restore(sound, kAt));
    wire::SessionRow row{.session = 6, .node = 2, .incarnation = 1, .alive = true, .slots = {}};
    change(row);
    const Status status = table.restore(row, kAt);
    return !status && status.error().code == Code::kProtocol;
  };
  EXPECT_FALSE(refused([](wire::SessionRow&) {}));
  EXPECT_TRUE(refused([](wire::SessionRow& row) { row.session = 0; }));
  EXPECT_TRUE(refused([](wire::SessionRow& row) { row.session = kAt + 1; }));
  EXPECT_TRUE(refused([](wire::SessionRow& row) { row.session = 4; }));
  EXPECT_TRUE(refused([](wire::SessionRow& row) { row.node = 1; }));
  EXPECT_TRUE(refused(
      [](wire::SessionRow& row) { row = {.session = 5, .node = 1, .incarnation = 1, .alive = false, .slots = {}}; }));
  EXPECT_TRUE(refused([](wire::SessionRow& row) { row.slots = {{.slot = 2, .counter = 1}, {.slot = 2, .counter = 1}}; }));
}

class SessionSnapshotProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SessionSnapshotProperty, RestoredTableIsTheOneThatWas) {
  Random random(GetParam());
  SessionTable table;
  Instance instance = 0;
  std::uint64_t counter = 0;
  const auto change = [&] {
    ++instance;
    const std::vector<LiveSession> live = table.live();
    const std::uint64_t kind = random.below(10);
    if (live.empty() || kind < 2) {
      table.open(instance, static_cast<NodeId>(random.below(8)), random.below(3));
    } else if (kind < 3) {
      table.expire(live[random.below(live.size())].session);
    } else {
      const OpId op{live[random.below(live.size())].session, static_cast<std::uint32_t>(random.below(40)), ++counter};
      table.finish(op, reply(counter, std::string(random.below(30), 'd')));
    }
  };
  for (std::uint64_t i = random.below(300); i > 0; --i) change();
  const std::uint64_t digest = table.digest();
  table.open_snapshot(1);
  for (std::uint64_t i = random.below(300); i > 0; --i) change();
  const auto copy = restored(rows_of(table, 1, 400 + random.below(3000)));
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->digest(), digest);
  table.close_snapshot(1);
  EXPECT_EQ(table.kept_bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionSnapshotProperty, testing::Range<std::uint64_t>(0, 50));

}  // namespace
}  // namespace juxmem

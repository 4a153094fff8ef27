// Snapshots of the table: reading them out, and making a table of what was read.
#include <utility>

#include "consistency/sessions/session_digests.h"
#include "consistency/sessions/session_table.h"
#include "juxmem/base/mutant.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// What rows count in a piece: their fields, and what surrounds them.
constexpr std::uint64_t kSessionBytes = 96;
constexpr std::uint64_t kSlotBytes = 192;

std::unexpected<Error> refuse(const wire::SessionRow& row, const char* what) {
  return fail(Code::kProtocol, "snapshot: session " + std::to_string(row.session) + ": " + what);
}

}  // namespace

void SessionTable::open_snapshot(SnapshotNumber number) {
  live_.open_snapshot(number);
  expired_.open_snapshot(number);
}

void SessionTable::close_snapshot(SnapshotNumber number) {
  live_.close_snapshot(number);
  expired_.close_snapshot(number);
}

// ---- reading: cursor.first is the row's key, cursor.second the slot --------------------------------------------------------

bool SessionTable::read_session(SessionId number, const Session& session, bool alive, wire::SnapshotCursor& cursor,
                                wire::SnapshotFiller& filler) {
  if (!filler.take(kSessionBytes)) return false;
  wire::SessionRow row{
      .session = number, .node = session.node, .incarnation = session.incarnation, .alive = alive, .slots = {}};
  bool is_whole = true;
  for (; cursor.second < session.slots.size(); ++cursor.second) {
    const Slot& slot = session.slots[cursor.second];
    if (slot.counter == 0) continue;
    is_whole = filler.take(kSlotBytes + slot.reply.detail.size());
    if (!is_whole) break;
    row.slots.push_back({.slot = static_cast<std::uint32_t>(cursor.second), .counter = slot.counter, .reply = slot.reply});
  }
  filler.piece.sessions.push_back(std::move(row));
  return is_whole;
}

bool SessionTable::read_living(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  if (mutant("snapshot_without_sessions")) return true;
  SessionId key = 0;
  while (const Session* session = live_.snapshot_row(number, cursor.first, false, key)) {
    if (key != cursor.first) cursor.second = 0;
    cursor.first = key;
    if (!read_session(key, *session, true, cursor, filler)) return false;
    ++cursor.first;
    cursor.second = 0;
  }
  return true;
}

bool SessionTable::read_expired(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  if (mutant("snapshot_without_sessions")) return true;
  std::uint64_t place = 0;
  while (const Expired* expired = expired_.snapshot_row(number, cursor.first, false, place)) {
    if (place != cursor.first) cursor.second = 0;
    cursor.first = place;
    if (!read_session(expired->session, expired->state, false, cursor, filler)) return false;
    ++cursor.first;
    cursor.second = 0;
  }
  return true;
}

// ---- restoring -----------------------------------------------------------------------------------------------------------

// The session that the row belongs to: the one restored last, or a new one.
Result<SessionTable::Session*> SessionTable::restored_session(const wire::SessionRow& row, Instance at) {
  const bool goes_on = row.alive ? !live_.empty() && live_.rows().rbegin()->first == row.session
                                 : !expired_.empty() && expired_.rows().rbegin()->second.session == row.session;
  if (goes_on) return row.alive ? live_.change(row.session) : &expired_.change(last_place_)->state;
  const bool in_order = row.alive ? expired_.empty() && (live_.empty() || row.session > live_.rows().rbegin()->first) : true;
  if (row.session == 0 || row.session > at || !in_order) return refuse(row, "a number that cannot come here");
  if (live_.contains(row.session) || expired_places_.contains(row.session)) return refuse(row, "twice");
  digest_ += digest_of_session(row.session, row.node, row.incarnation, row.alive);
  Session session{.node = row.node, .incarnation = row.incarnation, .slots = {}};
  if (!row.alive) {
    if (expired_.size() >= kExpiredKept) return refuse(row, "more expired sessions than are kept");
    expire_last(row.session, std::move(session));
    return &expired_.change(last_place_)->state;
  }
  if (!by_opener_.emplace(std::pair(row.node, row.incarnation), row.session).second) {
    return refuse(row, "the second one of its agent's life");
  }
  return &live_.insert(row.session, std::move(session));
}

Status SessionTable::restore(const wire::SessionRow& row, Instance at) {
  const Result<Session*> session = restored_session(row, at);
  if (!session) return std::unexpected(session.error());
  std::vector<Slot>& slots = (*session)->slots;
  for (const wire::SlotRow& from : row.slots) {
    if (from.slot < slots.size()) return refuse(row, "its slots are not in order");
    if (!row.alive) expired_slots_ += from.slot + 1 - slots.size();
    slots.resize(from.slot + 1);
    Slot& slot = slots[from.slot];
    slot.counter = from.counter;
    slot.reply = from.reply;
    slot.digest = digest_of_slot(row.session, from.slot, slot.counter, slot.reply);
    digest_ += slot.digest;
  }
  if (expired_slots_ > kExpiredSlotsKept) return refuse(row, "more slots of expired sessions than are kept");
  return {};
}

}  // namespace juxmem

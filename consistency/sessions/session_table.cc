#include "consistency/sessions/session_table.h"

#include <utility>

#include "consistency/sessions/session_digests.h"
#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

SessionId SessionTable::open(Instance instance, NodeId node, std::uint64_t incarnation) {
  const auto opener = std::pair(node, incarnation);
  if (const auto known = by_opener_.find(opener); known != by_opener_.end()) return known->second;
  const bool fresh = !live_.contains(instance) && !expired_places_.contains(instance);
  JUXMEM_CHECK(fresh);
  live_.insert(instance, Session{.node = node, .incarnation = incarnation, .slots = {}});
  by_opener_[opener] = instance;
  digest_ += digest_of_session(instance, node, incarnation, true);
  return instance;
}

bool SessionTable::expire(SessionId session) {
  const Session* found = live_.find(session);
  if (found == nullptr) return false;
  Session ended = *found;
  live_.erase(session);
  by_opener_.erase({ended.node, ended.incarnation});
  digest_ -= digest_of_session(session, ended.node, ended.incarnation, true);
  digest_ += digest_of_session(session, ended.node, ended.incarnation, false);
  ended.slots.shrink_to_fit();
  expire_last(session, std::move(ended));
  while (expired_.size() > kExpiredKept || expired_slots_ > kExpiredSlotsKept) forget_oldest_expired();
  return true;
}

void SessionTable::expire_last(SessionId session, Session ended) {
  expired_slots_ += ended.slots.size();
  expired_places_[session] = ++last_place_;
  expired_.insert(last_place_, Expired{session, std::move(ended)});
}

const SessionTable::Session* SessionTable::expired_session(SessionId session) const {
  const auto place = expired_places_.find(session);
  return place == expired_places_.end() ? nullptr : &expired_.find(place->second)->state;
}

void SessionTable::forget_oldest_expired() {
  JUXMEM_CHECK(!expired_.empty());
  const auto& [place, oldest] = *expired_.rows().begin();
  const Session& session = oldest.state;
  for (const Slot& slot : session.slots) digest_ -= slot.digest;
  digest_ -= digest_of_session(oldest.session, session.node, session.incarnation, false);
  expired_slots_ -= session.slots.size();
  expired_places_.erase(oldest.session);
  expired_.erase(place);
}

OpLookup SessionTable::begin(const OpId& op) const {
  if (op.counter == 0 || op.slot >= wire::kSlotsPerSessionMax) return {OpState::kInvalid, nullptr};
  const Session* found = live_.find(op.session);
  if (found == nullptr) {
    if (mutant("execute_for_expired_session") && expired_places_.contains(op.session)) return {OpState::kExecute, nullptr};
    return {OpState::kExpired, nullptr};
  }
  const std::vector<Slot>& slots = found->slots;
  if (op.slot >= slots.size()) return {OpState::kExecute, nullptr};
  const Slot& slot = slots[op.slot];
  if (mutant("retry_executed_twice") && op.counter == slot.counter) return {OpState::kExecute, nullptr};
  if (op.counter > slot.counter) return {OpState::kExecute, nullptr};
  if (op.counter < slot.counter) return {OpState::kStale, nullptr};
  return {OpState::kRepeated, &slot.reply};
}

void SessionTable::finish(const OpId& op, wire::Reply reply) {
  Session* found = live_.change(op.session);
  if (found == nullptr && mutant("execute_for_expired_session")) return;
  JUXMEM_CHECK(found != nullptr && op.slot < wire::kSlotsPerSessionMax);
  std::vector<Slot>& slots = found->slots;
  if (op.slot >= slots.size()) slots.resize(op.slot + 1);
  Slot& slot = slots[op.slot];
  JUXMEM_CHECK(op.counter > slot.counter || mutant("retry_executed_twice"));
  digest_ -= slot.digest;
  slot.counter = op.counter;
  slot.reply = std::move(reply);
  slot.digest = digest_of_slot(op.session, op.slot, op.counter, slot.reply);
  digest_ += slot.digest;
}

OpOutcome SessionTable::outcome(const OpId& op) const {
  const Session* alive = live_.find(op.session);
  const bool is_alive = alive != nullptr;
  const Session* session = is_alive ? alive : expired_session(op.session);
  if (session == nullptr) return {OutcomeState::kForgotten, nullptr};
  const std::vector<Slot>& slots = session->slots;
  const std::uint64_t last = op.slot < slots.size() ? slots[op.slot].counter : 0;
  if (last > op.counter) return {OutcomeState::kForgotten, nullptr};
  if (last == op.counter && last != 0) return {OutcomeState::kExecuted, &slots[op.slot].reply};
  return {is_alive ? OutcomeState::kPending : OutcomeState::kNever, nullptr};
}

bool SessionTable::is_alive(SessionId session) const { return live_.contains(session); }

std::vector<LiveSession> SessionTable::live() const {
  std::vector<LiveSession> sessions;
  sessions.reserve(live_.size());
  for (const auto& [number, session] : live_.rows()) sessions.push_back({number, session.node, session.incarnation});
  return sessions;
}

std::uint64_t SessionTable::digest() const { return digest_with(digest_with(digest_, live_.size()), expired_.size()); }

}  // namespace juxmem

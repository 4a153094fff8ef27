#include "consistency/sessions/session_table.h"

#include <span>
#include <string_view>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

std::uint64_t digest_of_reply(const wire::Reply& reply) {
  std::uint64_t digest = digest_of(std::as_bytes(std::span(std::string_view(reply.detail))), 1);
  const std::uint64_t numbers[] = {static_cast<std::uint64_t>(reply.code), reply.session, reply.block,
                                   reply.version, reply.amount, reply.number};
  return digest_of(std::as_bytes(std::span(numbers)), digest);
}

std::uint64_t digest_of_slot(SessionId session, std::size_t slot, std::uint64_t counter, const wire::Reply& reply) {
  const std::uint64_t numbers[] = {session, slot, counter};
  return digest_of(std::as_bytes(std::span(numbers)), digest_of_reply(reply));
}

std::uint64_t digest_of_session(SessionId session, NodeId node, std::uint64_t incarnation, bool alive) {
  const std::uint64_t numbers[] = {session, node, incarnation, alive ? 1ULL : 2ULL};
  return digest_of(std::as_bytes(std::span(numbers)));
}

}  // namespace

SessionId SessionTable::open(Instance instance, NodeId node, std::uint64_t incarnation) {
  const auto opener = std::pair(node, incarnation);
  if (const auto known = by_opener_.find(opener); known != by_opener_.end()) return known->second;
  const bool fresh = !live_.contains(instance) && !expired_.contains(instance);
  JUXMEM_CHECK(fresh);
  live_[instance] = Session{.node = node, .incarnation = incarnation, .slots = {}};
  by_opener_[opener] = instance;
  digest_ += digest_of_session(instance, node, incarnation, true);
  return instance;
}

bool SessionTable::expire(SessionId session) {
  const auto found = live_.find(session);
  if (found == live_.end()) return false;
  Session& ended = found->second;
  by_opener_.erase({ended.node, ended.incarnation});
  digest_ -= digest_of_session(session, ended.node, ended.incarnation, true);
  digest_ += digest_of_session(session, ended.node, ended.incarnation, false);
  ended.slots.shrink_to_fit();
  expired_slots_ += ended.slots.size();
  expired_.emplace(session, std::move(ended));
  expired_order_.push_back(session);
  live_.erase(found);
  while (expired_order_.size() > kExpiredKept || expired_slots_ > kExpiredSlotsKept) forget_oldest_expired();
  return true;
}

void SessionTable::forget_oldest_expired() {
  const auto oldest = expired_.find(expired_order_.front());
  JUXMEM_CHECK(oldest != expired_.end());
  const Session& session = oldest->second;
  for (const Slot& slot : session.slots) digest_ -= slot.digest;
  digest_ -= digest_of_session(oldest->first, session.node, session.incarnation, false);
  expired_slots_ -= session.slots.size();
  expired_.erase(oldest);
  expired_order_.pop_front();
}

OpLookup SessionTable::begin(const OpId& op) const {
  if (op.counter == 0 || op.slot >= wire::kSlotsPerSessionMax) return {OpState::kInvalid, nullptr};
  const auto found = live_.find(op.session);
  if (found == live_.end()) {
    if (mutant("execute_for_expired_session") && expired_.contains(op.session)) return {OpState::kExecute, nullptr};
    return {OpState::kExpired, nullptr};
  }
  const std::vector<Slot>& slots = found->second.slots;
  if (op.slot >= slots.size()) return {OpState::kExecute, nullptr};
  const Slot& slot = slots[op.slot];
  if (mutant("retry_executed_twice") && op.counter == slot.counter) return {OpState::kExecute, nullptr};
  if (op.counter > slot.counter) return {OpState::kExecute, nullptr};
  if (op.counter < slot.counter) return {OpState::kStale, nullptr};
  return {OpState::kRepeated, &slot.reply};
}

void SessionTable::finish(const OpId& op, wire::Reply reply) {
  const auto found = live_.find(op.session);
  if (found == live_.end() && mutant("execute_for_expired_session")) return;
  JUXMEM_CHECK(found != live_.end() && op.slot < wire::kSlotsPerSessionMax);
  std::vector<Slot>& slots = found->second.slots;
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
  const auto alive = live_.find(op.session);
  const auto gone = expired_.find(op.session);
  const bool is_alive = alive != live_.end();
  if (!is_alive && gone == expired_.end()) return {OutcomeState::kForgotten, nullptr};
  const std::vector<Slot>& slots = is_alive ? alive->second.slots : gone->second.slots;
  const std::uint64_t last = op.slot < slots.size() ? slots[op.slot].counter : 0;
  if (last > op.counter) return {OutcomeState::kForgotten, nullptr};
  if (last == op.counter && last != 0) return {OutcomeState::kExecuted, &slots[op.slot].reply};
  return {is_alive ? OutcomeState::kPending : OutcomeState::kNever, nullptr};
}

bool SessionTable::is_alive(SessionId session) const { return live_.contains(session); }

std::vector<LiveSession> SessionTable::live() const {
  std::vector<LiveSession> sessions;
  sessions.reserve(live_.size());
  for (const auto& [number, session] : live_) sessions.push_back({number, session.node, session.incarnation});
  return sessions;
}

std::uint64_t SessionTable::digest() const {
  return digest_with(digest_with(digest_, live_.size()), expired_.size());
}

}  // namespace juxmem

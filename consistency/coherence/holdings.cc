// Holdings: users and sessions. The messages of coordinators are in holdings_grants.cc.
#include "consistency/coherence/holdings.h"

#include <algorithm>
#include <limits>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

Holdings::Holdings(const Timing& timing, std::uint64_t held_per_group_max)
    : timing_(timing), held_per_group_max_(held_per_group_max) {}

// ---- sessions -------------------------------------------------------------------------------------------------------

void Holdings::session_opened(TimeNs now, GroupId group, SessionId session, TimeNs lease_until) {
  GroupRow& row = groups_[group];
  JUXMEM_CHECK(row.session == 0);
  row.session = session;
  row.lease_until = lease_until;
  for (BlockId block : blocks_of(group)) advance(now, block);
}

void Holdings::lease_renewed(TimeNs now, GroupId group, SessionId session, TimeNs lease_until) {
  const auto found = groups_.find(group);
  if (found == groups_.end() || found->second.session != session) return;
  GroupRow& row = found->second;
  const bool had_run_out = now >= row.lease_until;
  row.lease_until = std::max(row.lease_until, lease_until);
  if (!had_run_out) return;
  for (BlockId block : blocks_of(group)) advance(now, block);
}

std::vector<Token> Holdings::session_ended(TimeNs now, GroupId group) {
  std::vector<Token> lost;
  GroupRow& row = groups_[group];
  row.session = 0;
  row.lease_until = 0;
  row.held_count = 0;
  for (BlockId block : blocks_of(group)) {
    HeldBlock& held = blocks_.at(block);
    if (!mutant("keep_holdings_of_ended_session")) held.mode = Mode::kNone;
    held.request = 0;
    held.recalled = false;
    const std::map<Token, Mode> users = held.local.users();
    for (const auto& [token, mode] : users) {
      held.local.remove(token);
      tokens_.erase(token);
      lost_.insert(token);
      lost.push_back(token);
    }
    advance(now, block);
  }
  return lost;
}

void Holdings::coordinator_changed(TimeNs now, GroupId group) {
  for (BlockId block : blocks_of(group)) {
    HeldBlock& held = blocks_.at(block);
    if (held.request == 0) continue;
    held.request_at = now;
    held.request_pause = 0;
    resend_if_due(now, block, held, groups_[group]);
    rearm(block, held);
  }
}

bool Holdings::lease_holds(TimeNs now, GroupId group) const {
  const auto row = groups_.find(group);
  if (row == groups_.end() || row->second.session == 0) return false;
  return now < row->second.lease_until || mutant("admit_without_lease");
}

SessionId Holdings::session_of(GroupId group) const {
  const auto row = groups_.find(group);
  return row == groups_.end() ? 0 : row->second.session;
}

// ---- users ----------------------------------------------------------------------------------------------------------

void Holdings::acquire(TimeNs now, const AcquireWish& wish) {
  JUXMEM_CHECK(wish.token != 0 && wish.mode != Mode::kNone && !tokens_.contains(wish.token));
  GroupRow& row = groups_[group_of(wish.block)];
  auto [entry, is_new] = blocks_.try_emplace(wish.block);
  HeldBlock& held = entry->second;
  if (is_new) held.grant = row.grant_floor;
  tokens_.emplace(wish.token, wish.block);
  const LocalWaiter waiter{.token = wish.token, .mode = wish.mode, .deadline = wish.deadline, .try_only = wish.try_only};
  held.local.push(waiter);
  admit_users(now, wish.block, held);
  const bool waits = tokens_.contains(wish.token) && !held.local.users().contains(wish.token);
  const bool used = !held.local.users().empty() || held.local.waiters().front().token != wish.token;
  if (wish.try_only && waits && used) {
    held.local.remove(wish.token);
    refuse(wish.block, waiter, Code::kBusy);
  }
  advance(now, wish.block);
}

bool Holdings::release(TimeNs now, Token token) {
  if (lost_.erase(token) > 0) return true;
  const auto known = tokens_.find(token);
  if (known == tokens_.end()) return false;
  const BlockId block = known->second;
  tokens_.erase(known);
  JUXMEM_CHECK(blocks_.at(block).local.remove(token));
  advance(now, block);
  return true;
}

bool Holdings::is_lost(Token token) const { return lost_.contains(token); }

// The grant's ballot says nothing of a version that another coordinator has decided.
void Holdings::published(BlockId block, Version version, const Ballot& ballot) {
  const auto entry = blocks_.find(block);
  if (entry == blocks_.end() || version <= entry->second.version) return;
  entry->second.version = version;
  entry->second.ballot = ballot;
}

// ---- one block ------------------------------------------------------------------------------------------------------

// Does all that the state of the block calls for: admits users, gives the block back, asks for it.
void Holdings::advance(TimeNs now, BlockId block) {
  HeldBlock& held = blocks_.at(block);
  GroupRow& row = groups_[group_of(block)];
  admit_users(now, block, held);
  yield_if_due(block, held, row);
  admit_users(now, block, held);
  request_if_needed(now, block, held, row);
  rearm(block, held);
  forget_if_unused(block);
}

void Holdings::admit_users(TimeNs now, BlockId block, HeldBlock& held) {
  while (lease_holds(now, group_of(block))) {
    const std::optional<LocalWaiter> next = held.local.admissible(held.mode);
    if (!next) return;
    const bool against_recall = held.recalled && next->mode > held.recall_keep;
    if (against_recall && held.passes >= timing_.local_passes_max) return;
    if (against_recall) ++held.passes;
    held.local.admit();
    output_.answers.push_back({.token = next->token,
                               .block = block,
                               .mode = next->mode,
                               .code = Code::kOk,
                               .grant = held.grant,
                               .version = held.version,
                               .size_bytes = held.size_bytes,
                               .ballot = held.ballot});
  }
}

void Holdings::yield_if_due(BlockId block, HeldBlock& held, GroupRow& row) {
  if (!held.recalled) return;
  const bool users_fit = held.recall_keep == Mode::kNone ? held.local.users().empty() : !held.local.writer_inside();
  if (!users_fit && !mutant("yield_with_users_inside")) return;
  held.recalled = false;
  held.mode = held.recall_keep;
  if (held.mode == Mode::kNone) --row.held_count;
  send_yield(block, row.session, held.grant, held.recall_keep);
}

void Holdings::request_if_needed(TimeNs now, BlockId block, HeldBlock& held, const GroupRow& row) {
  if (!wants_more(held) || row.session == 0) return;
  const LocalWaiter& head = held.local.waiters().front();
  const bool on_its_way = held.request != 0 && held.request_mode >= head.mode && (!held.request_try || head.try_only);
  if (!on_its_way) {
    held.request = ++request_counter_;
    held.request_mode = head.mode;
    held.request_try = head.try_only;
    held.request_at = now;
    held.request_pause = 0;
  }
  resend_if_due(now, block, held, row);
}

bool Holdings::wants_more(const HeldBlock& held) {
  return !held.local.waiters().empty() && held.local.waiters().front().mode > held.mode;
}

void Holdings::resend_if_due(TimeNs now, BlockId block, HeldBlock& held, const GroupRow& row) {
  if (held.request == 0 || row.session == 0 || now < held.request_at) return;
  const TimeNs pause = ms_to_ns(timing_.resend_ms);
  held.request_pause = std::clamp(held.request_pause * 2, pause, 4 * pause);
  held.request_at = now + held.request_pause;
  output_.messages.emplace_back(group_of(block), wire::RequestOwnership{.block = block,
                                                                        .session = row.session,
                                                                        .mode = held.request_mode,
                                                                        .request = held.request,
                                                                        .try_only = held.request_try});
}

void Holdings::send_yield(BlockId block, SessionId session, const Grant& grant, Mode keep) {
  output_.messages.emplace_back(group_of(block),
                                wire::Yield{.block = block, .session = session, .grant = grant, .keep = keep});
}

void Holdings::refuse(BlockId block, const LocalWaiter& waiter, Code code) {
  tokens_.erase(waiter.token);
  output_.answers.push_back({.token = waiter.token, .block = block, .mode = waiter.mode, .code = code});
}

void Holdings::forget_if_unused(BlockId block) {
  const auto entry = blocks_.find(block);
  HeldBlock& held = entry->second;
  if (held.mode != Mode::kNone || !held.local.unused()) return;
  // What this record knew of grants given away must outlive it.
  GroupRow& row = groups_[group_of(block)];
  row.grant_floor = std::max(row.grant_floor, held.grant);
  if (held.wake_at != 0) timers_.erase({held.wake_at, block});
  blocks_.erase(entry);
}

std::vector<BlockId> Holdings::blocks_of(GroupId group) const {
  std::vector<BlockId> found;
  for (auto entry = blocks_.lower_bound(make_block_id(group, 0)); entry != blocks_.end(); ++entry) {
    if (group_of(entry->first) != group) break;
    found.push_back(entry->first);
  }
  return found;
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Holdings::tick(TimeNs now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const BlockId block = timers_.begin()->second;
    HeldBlock& held = blocks_.at(block);
    timers_.erase(timers_.begin());
    held.wake_at = 0;
    while (const std::optional<LocalWaiter> late = held.local.take_expired(now)) {
      const bool reachable = lease_holds(now, group_of(block));
      refuse(block, *late, late->try_only ? Code::kBusy : reachable ? Code::kTimedOut : Code::kTryAgain);
    }
    advance(now, block);
  }
}

TimeNs Holdings::next_tick() const { return timers_.empty() ? std::numeric_limits<TimeNs>::max() : timers_.begin()->first; }

void Holdings::rearm(BlockId block, HeldBlock& held) {
  TimeNs when = held.local.next_deadline();
  const bool repeats = held.request != 0 && wants_more(held) && groups_[group_of(block)].session != 0;
  if (repeats) when = std::min(when, held.request_at);
  if (when == std::numeric_limits<TimeNs>::max()) when = 0;
  if (when == held.wake_at) return;
  if (held.wake_at != 0) timers_.erase({held.wake_at, block});
  held.wake_at = when;
  if (when != 0) timers_.insert({when, block});
}

HoldingsOutput Holdings::take_output() { return std::exchange(output_, {}); }

const HeldBlock* Holdings::find(BlockId block) const {
  const auto entry = blocks_.find(block);
  return entry == blocks_.end() ? nullptr : &entry->second;
}

}  // namespace juxmem

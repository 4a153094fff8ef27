// Holdings: what coordinators say.
#include <algorithm>

#include "consistency/coherence/holdings.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

Holdings::GroupRow* Holdings::row_of(GroupId group, SessionId session) {
  const auto found = groups_.find(group);
  if (found == groups_.end() || session == 0 || found->second.session != session) return nullptr;
  return &found->second;
}

void Holdings::on_granted(TimeNs now, const wire::Granted& granted) {
  GroupRow* row = row_of(group_of(granted.block), granted.session);
  if (row == nullptr) return;
  if (granted.code != Code::kOk) return on_refused(now, granted);
  if (granted.mode == Mode::kNone) return;
  const auto entry = blocks_.find(granted.block);
  HeldBlock* held = entry == blocks_.end() ? nullptr : &entry->second;
  if (held != nullptr && held->mode != Mode::kNone && held->grant == granted.grant) {
    // A repetition: it answers the request, unless the mode was lowered meanwhile.
    if (held->mode < granted.mode) {
      send_yield(granted.block, row->session, granted.grant, held->mode);
    } else if (held->request == granted.request) {
      held->request = 0;
    }
    return advance(now, granted.block);
  }
  if (!takes(granted, *row, held)) return send_yield(granted.block, row->session, granted.grant, Mode::kNone);
  HeldBlock& block = blocks_[granted.block];
  if (block.mode == Mode::kNone) ++row->held_count;
  block.mode = granted.mode;
  block.grant = granted.grant;
  block.version = granted.version;
  block.size_bytes = granted.size_bytes;
  block.ballot = granted.ballot;
  block.recalled = false;
  block.passes = 0;
  if (granted.mode >= block.request_mode) block.request = 0;
  advance(now, granted.block);
  shed_idle(*row, group_of(granted.block));
}

// H3 and H4: only a grant newer than all this agent knows of the block, and not from a deposed coordinator.
bool Holdings::takes(const wire::Granted& granted, const GroupRow& row, const HeldBlock* held) const {
  if (granted.grant.ballot < row.ballot_floor && !mutant("forget_handover_ballot")) return false;
  if (held != nullptr && held->mode > granted.mode) return false;
  const Grant& known = held != nullptr ? held->grant : row.grant_floor;
  return granted.grant > known || mutant("take_grant_given_away");
}

void Holdings::on_refused(TimeNs now, const wire::Granted& granted) {
  const auto entry = blocks_.find(granted.block);
  if (entry == blocks_.end() || entry->second.request == 0 || entry->second.request != granted.request) return;
  HeldBlock& held = entry->second;
  held.request = 0;
  if (granted.code == Code::kBusy) {
    while (const std::optional<LocalWaiter> waiter = held.local.take_try_only()) {
      refuse(granted.block, *waiter, Code::kBusy);
    }
  } else {
    while (const std::optional<LocalWaiter> waiter = held.local.take_first()) {
      refuse(granted.block, *waiter, granted.code);
    }
  }
  advance(now, granted.block);
}

void Holdings::on_recall(TimeNs now, const wire::Recall& recall) {
  GroupRow* row = row_of(group_of(recall.block), recall.session);
  if (row == nullptr) return;
  const auto entry = blocks_.find(recall.block);
  const bool holds = entry != blocks_.end() && entry->second.mode != Mode::kNone;
  if (!holds || entry->second.grant < recall.grant) {
    if (!recall_of_unseen_grant(now, recall, *row)) return;
  } else if (recall.grant < entry->second.grant) {
    return;
  }
  HeldBlock& held = entry->second;
  if (held.mode <= recall.keep) return send_yield(recall.block, row->session, held.grant, held.mode);
  const bool in_use = recall.keep == Mode::kNone ? !held.local.users().empty() : held.local.writer_inside();
  if (recall.try_only && in_use) return send_yield(recall.block, row->session, held.grant, held.mode);
  if (!held.recalled) {
    held.recalled = true;
    held.recall_keep = recall.keep;
    held.passes = 0;
  }
  held.recall_keep = std::min(held.recall_keep, recall.keep);
  advance(now, recall.block);
}

// The directory has granted more than has arrived here. Returns whether the recall now concerns what is held.
bool Holdings::recall_of_unseen_grant(TimeNs now, const wire::Recall& recall, GroupRow& row) {
  const auto entry = blocks_.find(recall.block);
  HeldBlock* held = entry == blocks_.end() ? nullptr : &entry->second;
  Grant& known = held != nullptr ? held->grant : row.grant_floor;
  if (recall.grant > known) {
    if (recall.grant.ballot < row.ballot_floor) return false;
    known = recall.grant;
    if (held != nullptr && held->mode != Mode::kNone) return true;
  }
  send_yield(recall.block, row.session, recall.grant, Mode::kNone);
  if (held == nullptr || held->request == 0) return false;
  // The grant may have been for the request on its way: it must be queued anew.
  held->request_at = now;
  held->request_pause = 0;
  advance(now, recall.block);
  return false;
}

void Holdings::on_reregister(TimeNs now, const wire::Reregister& question) {
  GroupRow* row = row_of(question.group, question.session);
  if (row == nullptr || question.ballot < row->ballot_floor) return;
  row->ballot_floor = question.ballot;
  wire::HoldingsReply reply{.group = question.group, .session = question.session, .ballot = question.ballot};
  const std::vector<BlockId> blocks = blocks_of(question.group);
  for (BlockId block : blocks) {
    HeldBlock& held = blocks_.at(block);
    held.recalled = false;  // the new directory recalls what it needs
    if (held.mode == Mode::kNone) continue;
    reply.holdings.push_back({.block = block, .mode = held.mode, .grant = held.grant});
  }
  output_.messages.emplace_back(question.group, std::move(reply));
  for (BlockId block : blocks) {
    HeldBlock& held = blocks_.at(block);
    held.request_at = now;
    held.request_pause = 0;
    advance(now, block);
  }
}

// More blocks held than a re-registration can tell: gives idle ones back, going round.
void Holdings::shed_idle(GroupRow& row, GroupId group) {
  constexpr int kLooksMax = 64;
  for (int look = 0; look < kLooksMax && row.held_count > held_per_group_max_; ++look) {
    auto entry = blocks_.upper_bound(row.shed_hand);
    if (entry == blocks_.end() || group_of(entry->first) != group) {
      entry = blocks_.lower_bound(make_block_id(group, 0));
    }
    const BlockId block = entry->first;
    HeldBlock& held = entry->second;
    row.shed_hand = block;
    if (held.mode == Mode::kNone || !held.local.unused()) continue;
    held.mode = Mode::kNone;
    held.recalled = false;
    --row.held_count;
    send_yield(block, row.session, held.grant, Mode::kNone);
    forget_if_unused(block);
  }
}

}  // namespace juxmem

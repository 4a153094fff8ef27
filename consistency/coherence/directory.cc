#include "consistency/coherence/directory.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

Directory::Directory(GroupId group, const Timing& timing) : group_(group), timing_(timing) {}

// ---- sessions and recovery ------------------------------------------------------------------------------------------

void Directory::begin_recovery(TimeNs now, Ballot ballot, std::span<const SessionId> live, TimeNs borrowed_before) {
  JUXMEM_CHECK(!started_);
  started_ = true;
  ballot_ = ballot;
  for (SessionId session : live) sessions_.try_emplace(session);
  // The agents count their leases on their own clocks, which may run slower.
  const TimeNs lease = ms_to_ns(timing_.agent_lease_ms);
  const TimeNs ended = borrowed_before + lease + lease / 1'000'000 * 2 * timing_.clock_drift_ppm;
  recovery_deadline_ = std::max(ended, now + lease / 2);
  ask_unregistered();
  ask_again_at_ = std::min(now + ms_to_ns(timing_.recall_ms), recovery_deadline_);
  if (mutant("grant_before_recovery")) {
    for (auto& [session, row] : sessions_) row.registered = true;
  }
  finish_recovery_if_complete(now);
}

void Directory::ask_unregistered() {
  for (const auto& [session, row] : sessions_) {
    if (row.registered) continue;
    output_.messages.push_back(wire::Reregister{.group = group_, .session = session, .ballot = ballot_});
  }
}

void Directory::on_holdings(TimeNs now, const wire::HoldingsReply& reply) {
  if (reply.group != group_ || reply.ballot != ballot_) return;
  const auto found = sessions_.find(reply.session);
  if (found == sessions_.end() || found->second.registered || found->second.expiry_wanted) return;
  SessionRow& row = found->second;
  for (const wire::Holding& holding : reply.holdings) {
    const bool makes_sense =
        group_of(holding.block) == group_ && holding.mode != Mode::kNone && holding.grant.ballot < ballot_;
    if (!makes_sense) return;
  }
  for (const wire::Holding& holding : reply.holdings) {
    DirectoryRecord& record = record_of(holding.block);
    if (!record.compatible(reply.session, holding.mode)) {
      // Two agents claim what only one can have: neither can be believed less safely than by ending the later one's session.
      row.expiry_wanted = true;
      output_.expire.push_back(reply.session);
      continue;
    }
    record.holders[reply.session] = {.mode = holding.mode, .grant = holding.grant};
    row.blocks.insert(holding.block);
  }
  row.registered = !row.expiry_wanted;
  finish_recovery_if_complete(now);
}

void Directory::finish_recovery_if_complete(TimeNs now) {
  if (recovered_ || !started_) return;
  const bool complete = std::ranges::all_of(sessions_, [](const auto& entry) { return entry.second.registered; });
  if (!complete) return;
  recovered_ = true;
  std::vector<BlockId> waiting;
  for (const auto& [block, record] : records_) {
    if (!record.queue.empty() || record.freed) waiting.push_back(block);
  }
  for (BlockId block : waiting) serve(now, block, true);
}

void Directory::session_opened(SessionId session) {
  if (!started_) return;
  sessions_[session].registered = true;
}

void Directory::session_expired(TimeNs now, SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  const std::set<BlockId> blocks = std::move(found->second.blocks);
  sessions_.erase(found);
  for (BlockId block : blocks) {
    const auto entry = records_.find(block);
    if (entry == records_.end()) continue;
    entry->second.holders.erase(session);
    entry->second.dequeue(session);
    serve(now, block, true);
  }
  finish_recovery_if_complete(now);
}

bool Directory::may_renew(SessionId session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.registered && !found->second.expiry_wanted;
}

void Directory::block_freed(TimeNs now, BlockId block) {
  const auto entry = records_.find(block);
  if (entry == records_.end()) return;
  entry->second.freed = true;
  serve(now, block, true);
}

// ---- requests and yields --------------------------------------------------------------------------------------------

void Directory::on_request(TimeNs now, const wire::RequestOwnership& request) {
  const auto session = sessions_.find(request.session);
  if (session == sessions_.end() || session->second.expiry_wanted) return;
  if (request.mode == Mode::kNone || group_of(request.block) != group_) return;
  const DirectoryRequest wanted{
      .session = request.session, .mode = request.mode, .number = request.request, .try_only = request.try_only};
  DirectoryRecord& record = record_of(request.block);
  if (record.freed) return answer(request.block, wanted, Code::kNotFound);
  if (recovered_ && record.held_by(request.session) >= request.mode) return grant(request.block, record, wanted);
  const bool somebody_waits =
      std::ranges::any_of(record.queue, [&](const DirectoryRequest& other) { return other.session != request.session; });
  if (wanted.try_only && somebody_waits) {
    record.dequeue(request.session);
    answer(request.block, wanted, Code::kBusy);
    return serve(now, request.block, true);
  }
  const SessionId head_before = record.queue.empty() ? 0 : record.queue.front().session;
  if (!record.enqueue(wanted)) return;
  session->second.blocks.insert(request.block);
  // A request that replaces its session's older one leaves that one's place: who came next may be the head now.
  const SessionId head = record.queue.front().session;
  if (head != head_before || head == request.session) serve(now, request.block, true);
}

void Directory::on_yield(TimeNs now, const wire::Yield& yield) {
  const auto entry = records_.find(yield.block);
  if (entry == records_.end()) return;
  DirectoryRecord& record = entry->second;
  const auto holder = record.holders.find(yield.session);
  if (holder == record.holders.end()) return;
  if (holder->second.grant != yield.grant && !mutant("yield_of_any_grant")) return;
  if (yield.keep >= holder->second.mode) {
    if (record.queue.empty() || !record.queue.front().try_only) return;
    const DirectoryRequest refused = record.queue.front();
    if (refused.session == yield.session) return;
    record.queue.pop_front();
    answer(yield.block, refused, Code::kBusy);
    return serve(now, yield.block, true);
  }
  if (yield.keep == Mode::kNone) {
    record.holders.erase(holder);
    const bool still_waits = record.waits(yield.session);
    if (!still_waits) sessions_.at(yield.session).blocks.erase(yield.block);
  } else {
    holder->second.mode = yield.keep;
  }
  serve(now, yield.block, false);
}

// Grants what the queue's head may have, and as many after it as fit beside; asks a new head's block back.
void Directory::serve(TimeNs now, BlockId block, bool new_head) {
  if (!recovered_) return;
  const auto entry = records_.find(block);
  if (entry == records_.end()) return;
  DirectoryRecord& record = entry->second;
  while (!record.queue.empty()) {
    const DirectoryRequest head = record.queue.front();
    if (record.freed) {
      answer(block, head, Code::kNotFound);
    } else if (record.held_by(head.session) >= head.mode || record.compatible(head.session, head.mode)) {
      grant(block, record, head);
    } else {
      break;
    }
    record.queue.pop_front();
    new_head = true;
  }
  if (new_head) {
    recall(block, record);
    const bool repeats = !record.queue.empty() || (record.freed && !record.holders.empty());
    arm(block, record, repeats ? now + ms_to_ns(timing_.recall_ms) : 0);
  }
  drop_if_unused(block);
}

void Directory::grant(BlockId block, DirectoryRecord& record, const DirectoryRequest& request) {
  DirectoryHolder& holder = record.holders[request.session];
  if (holder.mode < request.mode) {
    holder = {.mode = request.mode, .grant = next_grant()};
    sessions_.at(request.session).blocks.insert(block);
  }
  JUXMEM_CHECK(record.check() || mutant("upgrade_beside_readers") || mutant("grant_before_recovery"));
  output_.messages.push_back(wire::Granted{.block = block,
                                           .session = request.session,
                                           .mode = holder.mode,
                                           .request = request.number,
                                           .grant = holder.grant,
                                           .ballot = ballot_});
}

void Directory::answer(BlockId block, const DirectoryRequest& request, Code code) {
  output_.messages.push_back(wire::Granted{.block = block,
                                           .session = request.session,
                                           .mode = Mode::kNone,
                                           .request = request.number,
                                           .ballot = ballot_,
                                           .code = code});
}

void Directory::recall(BlockId block, const DirectoryRecord& record) {
  const auto ask = [&](SessionId session, Mode keep, bool try_only) {
    output_.messages.push_back(wire::Recall{
        .block = block, .session = session, .grant = record.holders.at(session).grant, .keep = keep, .try_only = try_only});
  };
  if (record.freed) {
    for (const auto& [session, holder] : record.holders) ask(session, Mode::kNone, false);
  } else if (!record.queue.empty()) {
    const DirectoryRequest& head = record.queue.front();
    const Mode keep = head.mode == Mode::kShared ? Mode::kShared : Mode::kNone;
    for (SessionId session : record.in_the_way(head.session, head.mode)) ask(session, keep, head.try_only);
  }
}

// ---- time -----------------------------------------------------------------------------------------------------------

void Directory::tick(TimeNs now) {
  if (!started_) return;
  if (!recovered_ && now >= ask_again_at_) {
    ask_again_at_ = now + ms_to_ns(timing_.recall_ms);
    if (now >= recovery_deadline_) {
      for (auto& [session, row] : sessions_) {
        if (row.registered) continue;
        row.expiry_wanted = true;
        output_.expire.push_back(session);
        if (mutant("forget_silent_holders")) row.registered = true;
      }
      finish_recovery_if_complete(now);
    } else {
      ask_unregistered();
      ask_again_at_ = std::min(ask_again_at_, recovery_deadline_);
    }
  }
  while (!recall_times_.empty() && recall_times_.begin()->first <= now) {
    serve(now, recall_times_.begin()->second, true);
  }
}

TimeNs Directory::next_tick() const {
  TimeNs next = std::numeric_limits<TimeNs>::max();
  if (started_ && !recovered_) next = ask_again_at_;
  if (!recall_times_.empty()) next = std::min(next, recall_times_.begin()->first);
  return next;
}

DirectoryOutput Directory::take_output() { return std::exchange(output_, {}); }

// ---- records --------------------------------------------------------------------------------------------------------

DirectoryRecord& Directory::record_of(BlockId block) { return records_[block]; }

Grant Directory::next_grant() { return {.ballot = ballot_, .counter = ++grant_counter_}; }

void Directory::arm(BlockId block, DirectoryRecord& record, TimeNs when) {
  if (record.recall_at != 0) recall_times_.erase({record.recall_at, block});
  record.recall_at = when;
  if (when != 0) recall_times_.insert({when, block});
}

void Directory::drop_if_unused(BlockId block) {
  const auto entry = records_.find(block);
  if (entry == records_.end()) return;
  if (!entry->second.unused()) return;
  arm(block, entry->second, 0);
  records_.erase(entry);
}

}  // namespace juxmem

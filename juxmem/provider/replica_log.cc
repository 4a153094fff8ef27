#include "juxmem/provider/replica_log.h"

#include <algorithm>

#include "juxmem/base/mutant.h"

namespace juxmem {

void ReplicaLog::open(const StreamConfig& config) {
  facts_ = facts_of(config);
  places_.clear();
  told_decided_ = config.base;
  put(OpenedRecord{encode(facts_)});
}

void ReplicaLog::await_state() { awaits_state_ = !mutant("begin_before_stable"); }

void ReplicaLog::recover(const StreamConfig& config, std::deque<std::pair<Lsn, Instance>> places) {
  facts_ = facts_of(config);
  places_ = std::move(places);
}

void ReplicaLog::put(LogBody body, std::uint64_t mark) {
  waiting_.push_back({++numbers_, mark, {facts_.stream, std::move(body)}});
}

void ReplicaLog::keep(Persist persist, std::vector<Outgoing>& messages) {
  if (persist.mark != 0) {
    if (persist.promised) put(PromiseRecord{*persist.promised});
    for (DecidedEntry& accepted : persist.entries) {
      bytes_ += accepted.entry.size_bytes();
      put(AcceptedRecord{accepted.instance, std::move(accepted.entry)});
    }
    if (persist.decided > told_decided_ || (!persist.promised && persist.entries.empty())) {
      told_decided_ = persist.decided;
      put(DecidedRecord{persist.decided, 0});
    }
    waiting_.back().mark = persist.mark;
  }
  append_waiting();
  if ((waiting_.empty() && placed_.empty() && !awaits_state_) || mutant("send_before_stable")) return;
  const auto waits = [](const Outgoing& outgoing) { return outgoing.first == Durable::kState; };
  for (Outgoing& outgoing : messages) {
    if (waits(outgoing)) held_.emplace_back(numbers_, outgoing);
  }
  std::erase_if(messages, waits);
}

void ReplicaLog::append_waiting() {
  trouble_.reset();
  while (!waiting_.empty()) {
    const Item& item = waiting_.front();
    const Result<Lsn> lsn = journal_.append(item.record);
    if (!lsn) {
      trouble_ = lsn.error();
      return;
    }
    if (const auto* accepted = std::get_if<AcceptedRecord>(&item.record.body);
        accepted && item.record.stream == facts_.stream) {
      places_.emplace_back(*lsn, accepted->instance);
    }
    placed_.push_back({item.number, item.mark, item.record.stream.epoch, *lsn});
    waiting_.pop_front();
  }
}

ReplicaLog::Stable ReplicaLog::on_durable(Lsn up_to) {
  Stable stable;
  if (awaits_state_) return stable;
  std::uint64_t number = 0;
  while (!placed_.empty() && placed_.front().lsn <= up_to) {
    number = placed_.front().number;
    if (placed_.front().epoch == facts_.stream.epoch) stable.mark = std::max(stable.mark, placed_.front().mark);
    placed_.pop_front();
  }
  while (!held_.empty() && held_.front().first <= number) {
    stable.messages.push_back(std::move(held_.front().second));
    held_.pop_front();
  }
  return stable;
}

void ReplicaLog::checkpoint_made(const CheckpointRecord& record, Instance keep_after) {
  const Result<Lsn> lsn = journal_.append({facts_.stream, record});
  if (!lsn) return;
  awaits_state_ = false;
  while (!places_.empty() && places_.front().second <= keep_after) places_.pop_front();
  Lsn before = std::min(*lsn, released_at_);
  if (!places_.empty()) before = std::min(before, places_.front().first);
  // What still waits has a place behind all of this.
  (void)journal_.append({facts_.stream, ReleasedRecord{before}});
}

void ReplicaLog::forget_former(std::uint32_t epoch) {
  if (waiting_.empty()) (void)journal_.append({{group_, epoch}, RemovedRecord{}});
}

}  // namespace juxmem

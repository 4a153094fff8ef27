#include "consistency/paxos/acceptor.h"

#include <algorithm>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

// How far beyond the last known entry an Accept may reach: bounds what a confused sender can make us reserve.
constexpr std::uint64_t kGapEntriesMax = 1U << 20;

bool same_value(const wire::Entry& a, const wire::Entry& b) {
  return a.kind == b.kind && a.command == b.command && a.data == b.data;
}

}  // namespace

Acceptor::Acceptor(Instance base, TimeNs lease_ns, std::uint64_t batch_bytes, std::uint32_t batch_entries)
    : lease_ns_(lease_ns),
      batch_bytes_(batch_bytes),
      batch_entries_(batch_entries),
      log_(base),
      decided_(base),
      matched_(base) {}

// ---- stable storage ---------------------------------------------------------------------------------------------

void Acceptor::recover(HardState state) {
  JUXMEM_CHECK(state.base <= state.applied && state.applied <= state.decided);
  JUXMEM_CHECK(state.decided <= state.base + state.entries.size());
  if (!mutant("forget_promise_at_restart")) promised_ = state.promised;
  log_ = EntryLog(state.base);
  Instance instance = state.base;
  for (wire::Entry& entry : state.entries) {
    ++instance;
    JUXMEM_CHECK(instance > state.decided || !EntryLog::is_hole(entry));
    if (!EntryLog::is_hole(entry)) log_.put(instance, std::move(entry));
  }
  decided_ = matched_ = state.decided;
  match();
  stable_ = matched_;
}

bool Acceptor::take_unkept(Persist& persist) {
  if (!unkept_promise_ && unkept_.empty()) return false;
  if (std::exchange(unkept_promise_, false)) persist.promised = promised_;
  for (Instance instance : std::exchange(unkept_, {})) {
    if (const wire::Entry* entry = log_.at(instance)) persist.entries.push_back({instance, *entry});
  }
  persist.decided = decided_;
  return true;
}

Instance Acceptor::voted_up_to() const { return kept_on_disk_ ? std::min(matched_, std::max(stable_, decided_)) : matched_; }

void Acceptor::kept(const Ballot& promised, Instance matched) {
  if (promised == promised_) stable_ = std::max(stable_, matched);
}

void Acceptor::raise_promise(TimeNs now, const Ballot& ballot) {
  others_granted_ = promised_ == Ballot{} ? now : lease_.granted;
  promised_ = ballot;
  matched_ = stable_ = decided_;
  unkept_promise_ = kept_on_disk_;
}

// ---- phases 1 and 2 ---------------------------------------------------------------------------------------------

bool Acceptor::lease_binds_against(TimeNs now, const wire::Prepare& message) const {
  if (mutant("promise_ignores_lease")) return false;
  return now < lease_.until && lease_.holder.node != message.ballot.node && lease_.holder != message.released;
}

std::optional<wire::Promise> Acceptor::prepare(TimeNs now, const wire::Prepare& message) {
  if (message.ballot < promised_ && !mutant("promise_below_promise")) return std::nullopt;
  if (message.decided + 1 < log_.first()) return std::nullopt;
  wire::Promise promise;
  if (message.ballot != promised_) {
    if (lease_binds_against(now, message)) return std::nullopt;
    raise_promise(now, message.ballot);
    lease_ = {message.ballot, now, now + lease_ns_};
    promise.sent_at = message.sent_at;
  }
  promise.quiet_ns = mutant("promise_forgets_leases") ? now : now - others_granted_;
  promise.ballot = message.ballot;
  promise.decided = decided_;
  promise.first = message.decided + 1;
  std::uint64_t bytes = 0;
  Instance next = promise.first;
  for (; next <= log_.last() && promise.entries.size() < batch_entries_; ++next) {
    const wire::Entry* entry = log_.at(next);
    const std::uint64_t cost = entry != nullptr ? cost_bytes(*entry) : kEntryOverheadBytes;
    if (!promise.entries.empty() && bytes + cost > batch_bytes_) break;
    bytes += cost;
    promise.entries.push_back(entry != nullptr ? *entry : wire::Entry{});
  }
  promise.last = next > log_.last();
  return promise;
}

bool Acceptor::adopt(TimeNs now, const Ballot& ballot) {
  if (ballot < promised_ && !mutant("accept_below_promise")) return false;
  if (ballot > promised_) raise_promise(now, ballot);
  lease_ = {ballot, now, now + lease_ns_};
  return true;
}

void Acceptor::lent(TimeNs now) {
  if (!mutant("lend_without_trace")) lease_.granted = std::max(lease_.granted, now);
}

bool Acceptor::accept(TimeNs now, wire::Accept& message) {
  if (!adopt(now, message.ballot)) return false;
  if (message.first > std::max(log_.last(), decided_) + kGapEntriesMax) return true;
  Instance instance = message.first;
  for (wire::Entry& entry : message.entries) {
    entry.ballot = message.ballot;
    take_in(instance++, std::move(entry));
  }
  match();
  learn_decided(message.ballot, message.decided);
  return true;
}

bool Acceptor::heartbeat(TimeNs now, const wire::Heartbeat& message) {
  if (!adopt(now, message.ballot)) return false;
  learn_decided(message.ballot, message.decided);
  return true;
}

void Acceptor::take_in(Instance instance, wire::Entry entry) {
  if (instance < log_.first()) return;  // forgotten here: decided and not needed any more
  const wire::Entry* held = log_.at(instance);
  if (held != nullptr && (instance <= decided_ || held->ballot == entry.ballot)) {
    JUXMEM_CHECK_MSG(same_value(*held, entry), "S1: another value for instance " + std::to_string(instance));
    return;
  }
  put(instance, std::move(entry));
}

// Whoever proposes a Stop again or anew has a quorum's promises, and therefore knows that nothing after it was or will be decided under
// an older ballot: what is held there is forgotten.
void Acceptor::put(Instance instance, wire::Entry entry) {
  const bool stops = entry.kind == wire::EntryKind::kStop;
  log_.put(instance, std::move(entry));
  if (kept_on_disk_) unkept_.push_back(instance);
  if (!stops) return;
  JUXMEM_CHECK(decided_ <= instance);
  log_.drop_after(instance);
}

bool Acceptor::learn_end(TimeNs now, wire::Ended& message) {
  const Instance before = decided_;
  if (message.ballot > promised_) raise_promise(now, message.ballot);
  learn_decided(message.ballot, message.end);
  Instance instance = message.first;
  for (wire::Entry& entry : message.entries) {
    if (instance == decided_ + 1) {
      put(instance, std::move(entry));
      ++decided_;
    }
    ++instance;
  }
  match();
  return decided_ > before;
}

void Acceptor::match() {
  matched_ = std::max(matched_, decided_);
  for (;;) {
    const wire::Entry* next = log_.at(matched_ + 1);
    if (next == nullptr) break;
    if (next->ballot != promised_ && !mutant("acknowledge_other_ballots")) break;
    ++matched_;
  }
}

void Acceptor::append_own(Instance instance, wire::Entry entry) {
  JUXMEM_CHECK(entry.ballot == promised_);
  take_in(instance, std::move(entry));
  if (instance == matched_ + 1) ++matched_;
}

void Acceptor::learn_decided(const Ballot& ballot, Instance instance) {
  // A later ballot's coordinator knew all that earlier ones had decided, but may itself have known less by number.
  if (instance > decided_ && (ballot > hint_ballot_ || hint_instance_ <= decided_)) {
    hint_ballot_ = ballot;
    hint_instance_ = instance;
  } else if (ballot == hint_ballot_) {
    hint_instance_ = std::max(hint_instance_, instance);
  }
  apply_hint();
}

// A value accepted under the hint's ballot or a later one, at an instance that was decided when the hint's ballot coordinated, is
// the decided value: Paxos lets no other be proposed there from the deciding ballot on.
void Acceptor::apply_hint() {
  const Instance before = decided_;
  while (decided_ < hint_instance_) {
    const wire::Entry* next = log_.at(decided_ + 1);
    if (next == nullptr) break;
    if (next->ballot < hint_ballot_ && !mutant("decide_other_ballots")) break;
    ++decided_;
  }
  if (decided_ != before) match();
}

void Acceptor::decide(Instance instance) {
  JUXMEM_CHECK(instance <= matched_ || mutant("count_node_twice"));
  decided_ = std::max(decided_, instance);
}

void Acceptor::skip_to(Instance at) {
  JUXMEM_CHECK(can_continue_after(at));
  decided_ = std::max(decided_, at);
  log_.drop_before(at + 1);
  match();
  apply_hint();
}

void Acceptor::drop_before(Instance instance) { log_.drop_before(std::min(instance, decided_ + 1)); }

}  // namespace juxmem

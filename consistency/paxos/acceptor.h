// The acceptor: what a replica has promised, accepted and learned.
#pragma once

#include <cstdint>
#include <optional>

#include "consistency/paxos/entry_log.h"
#include "consistency/paxos/stream.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// What for: the safe half of the protocol. Whatever else goes wrong, what holds here keeps S1 and S2.
// Thread safety: none.
// Invariants: nothing of an older ballot is held after a Stop; promised() never falls; nothing is accepted below it; what is decided never changes; decided() <= matched().
//   Nothing that is not stable counts as voted_up_to(), in groups that are kept on disk.
// Ownership: owns the log. Failure: refuses; a decided entry that would change aborts.
class Acceptor {
 public:
  // The log begins after `base`. `lease_ns`: how long an answer binds this acceptor to its coordinator. `batch_*`: bounds of one Promise.
  Acceptor(Instance base, TimeNs lease_ns, std::uint64_t batch_bytes, std::uint32_t batch_entries);

  // From now on changes are noted for take_unkept().
  void keep_on_disk() { kept_on_disk_ = true; }
  // Into one that nothing else has touched.
  void recover(HardState state);
  // What it had granted before a restart is not known any more: the coordinator it followed may count on it for a whole lease, and others
  // may have until just now.
  void grant_again(TimeNs now) {
    others_granted_ = now;
    lease_ = {promised_, now, now + lease_ns_};
  }

  // Adds what has changed since the last call; true if anything has.
  bool take_unkept(Persist& persist);
  // What this member itself counts for in its own quorums: matched(), as far as it is stable.
  Instance voted_up_to() const;
  // All that was matched under `promised` up to `matched` is stable.
  void kept(const Ballot& promised, Instance matched);

  const Ballot& promised() const { return promised_; }
  Instance decided() const { return decided_; }
  // Everything up to here is decided, or accepted under promised().
  Instance matched() const { return matched_; }
  const EntryLog& log() const { return log_; }

  // Phase 1. Nothing if the ballot is lower than the promise, a lease granted to another binds, or the asker lacks entries that
  // are not kept here.
  std::optional<wire::Promise> prepare(TimeNs now, const wire::Prepare& message);

  // Phase 2. False if the ballot is lower than the promise.
  bool accept(TimeNs now, wire::Accept& message);
  // The same without entries.
  bool heartbeat(TimeNs now, const wire::Heartbeat& message);

  // The epoch is over, and these are decided entries of it. True if this acceptor knows more decisions than before.
  bool learn_end(TimeNs now, wire::Ended& message);

  // This node coordinates under promised() and has lent to somebody on the strength of its lease.
  void lent(TimeNs now);

  // The coordinator's own entry: the next one under its ballot.
  void append_own(Instance instance, wire::Entry entry);

  // The coordinator of `ballot` has said, or must have known, that all up to `instance` is decided.
  void learn_decided(const Ballot& ballot, Instance instance);
  // This node coordinates under promised() and a quorum has acknowledged everything up to `instance`.
  void decide(Instance instance);

  // Forgets decided entries before `instance`.
  void drop_before(Instance instance);

  // Whether the entries that are decided and come after `at` are all here.
  bool can_continue_after(Instance at) const { return at >= decided_ || log_.first() <= at + 1; }
  // Everything up to `at` is decided, and its outcome is known here otherwise than by the log: what was accepted beyond stays.
  void skip_to(Instance at);

 private:
  struct Lease {
    Ballot holder;
    TimeNs granted = 0;
    TimeNs until = 0;
  };

  bool adopt(TimeNs now, const Ballot& ballot);
  bool lease_binds_against(TimeNs now, const wire::Prepare& message) const;
  void take_in(Instance instance, wire::Entry entry);
  void put(Instance instance, wire::Entry entry);
  void raise_promise(TimeNs now, const Ballot& ballot);
  void match();
  void apply_hint();

  const TimeNs lease_ns_;
  const std::uint64_t batch_bytes_;
  const std::uint32_t batch_entries_;
  EntryLog log_;
  Ballot promised_;
  Instance decided_ = 0;
  Instance matched_ = 0;
  Lease lease_;
  TimeNs others_granted_ = 0;  // a lease was granted to another ballot than promised_; of the epoch before, nothing is known
  Ballot hint_ballot_;         // everything up to hint_instance_ was decided when this ballot coordinated
  Instance hint_instance_ = 0;
  bool kept_on_disk_ = false;
  bool unkept_promise_ = false;
  std::vector<Instance> unkept_;  // instances whose entry was put
  Instance stable_ = 0;           // under promised_
};

}  // namespace juxmem

// SessionLeases: the coordinator's soft knowledge of which sessions are still heard of; SessionLease: the agent's side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"

namespace juxmem {

enum class Renewal : std::uint8_t {
  kRenewed,   // tell the agent
  kExpiring,  // its expiry has been proposed: say nothing, the log decides
  kUnknown,   // no such session here: tell the agent to open a new one, if the table does not have it either
};

// What for: decides when ExpireSession is proposed (PROTOCOLS section 3, rules 4 and 6). Time decides only that; the log
//   decides what happened.
// Thread safety: none. Pure: time comes as an argument.
// Invariants: L1 a session is reported as overdue only after a full lease without renewal. L2 once reported, it is not
//   renewed any more, so that an agent's own view of its lease has always ended before its session expires.
// Ownership: a value; lives while the node coordinates.
// Failure: none.
// The caller renews only while it holds its own lease of the group, counted from receiving the renewal; the agent counts
// from sending it, so the agent's view ends first.
class SessionLeases {
 public:
  explicit SessionLeases(const Timing& timing);

  // Coordinatorship begins: every live session gets a full lease from now.
  void start(TimeNs now, std::span<const SessionId> live);
  void clear();

  // A session was opened in the log: a full lease from now. One that is known keeps what it has.
  void opened(TimeNs now, SessionId session);
  // A session expired in the log.
  void expired(SessionId session);

  Renewal renew(TimeNs now, SessionId session);

  // Sessions whose expiry is to be proposed now, in the order of their numbers. A session comes again after another lease
  // if the log has not expired it.
  std::vector<SessionId> overdue(TimeNs now);

  // When overdue() may have something; nullopt without sessions.
  std::optional<TimeNs> next_deadline() const;
  std::size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    TimeNs until = 0;       // of the lease, or until its expiry is proposed again
    bool expiring = false;  // expiry was proposed
  };

  TimeNs lease_ns_ = 0;
  std::map<SessionId, Lease> leases_;
};

// What for: an agent's view of its session with one group: until when it may grant locally without asking.
// Thread safety: none. Pure. Invariants: it ends before the coordinator's view of the same renewal does, whatever the rate of the
// two clocks (within Timing::clock_drift_ppm) and however long the answer travelled.
// Ownership: a value. Failure: none.
class SessionLease {
 public:
  explicit SessionLease(const Timing& timing) : drift_ppm_(timing.clock_drift_ppm) {}

  // An answer to the renewal (or opening) that this agent sent at `sent_at` by its own clock.
  void renewed(TimeNs sent_at, std::int64_t lease_ms);
  void lost() { until_ = 0; }
  bool holds(TimeNs now) const { return now < until_; }
  TimeNs until() const { return until_; }

 private:
  std::int64_t drift_ppm_;
  TimeNs until_ = 0;
};

}  // namespace juxmem

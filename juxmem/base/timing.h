// All times of the protocols in one place, with the relations that must hold between them.
#pragma once

#include <cstdint>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"

namespace juxmem {

constexpr TimeNs ms_to_ns(std::int64_t ms) { return ms * 1'000'000; }

// Milliseconds unless the name says otherwise. Every node of a grid uses the same values.
struct Timing {
  std::int64_t heartbeat_ms = 50;         // coordinator to acceptors
  std::int64_t lease_ms = 300;            // an acceptor's promise to the coordinator
  std::int64_t clock_drift_ppm = 2000;    // rate difference between two clocks, at most
  std::int64_t election_min_ms = 300;     // silence before a pre-vote
  std::int64_t election_spread_ms = 300;  // random addition; grows with failed elections
  std::int64_t retransmit_ms = 60;        // an Accept without its acknowledgement is sent again
  std::int64_t notice_ms = 5;             // `decided` waits this long for a message to ride on
  std::int64_t thrift_ms = 1;             // entries wait this long for members that no quorum needs; 0: they never wait
  std::int64_t relay_ms = 50;             // a site's relay may take this much longer than a direct answer; 0: no relays
  std::int64_t follow_ms = 2000;          // a window of proposals after which the role may follow the writers; 0: it stays
  std::int64_t stall_ms = 2000;           // no log progress with work waiting: step down
  std::int64_t disk_late_ms = 500;       // a node whose disk has kept nothing of what waits for so long hands its roles over
  std::int64_t transfer_ms = 500;        // limit of handing the coordinator's role over
  std::int64_t agent_renew_ms = 180;     // agent to coordinator
  std::int64_t agent_lease_ms = 750;     // an agent's session with a group
  std::int64_t client_beat_ms = 200;     // client to agent
  std::int64_t client_lease_ms = 1500;   // a silent client is dead
  std::int64_t report_ms = 250;          // provider to the root's coordinator
  std::int64_t provider_dead_ms = 2000;  // a silent provider is down
  std::int64_t listen_ms = 500;  // managers that know of no grid listen so long for one before they begin it; 0: not at all
  std::int64_t heal_after_ms = 10'000;    // a provider that was called down for so long is replaced in its groups
  std::int64_t resend_ms = 150;           // agent asks a coordinator again; grows to four times
  std::int64_t recall_ms = 200;           // coordinator recalls again
  std::int64_t agent_silent_ms = 1000;    // client gives an unanswering agent up
  std::int64_t quota_settle_ms = 10'000;  // memory reserved for a group that it never got goes back
  std::int64_t call_limit_ms = 30'000;    // limit of calls that were given none
  std::uint64_t digest_every = 1024;      // entries between two digests in the log
  std::uint32_t local_passes_max = 16;    // local users served before a recalled lock leaves

  // Which relation between the times does not hold, named; success if all hold.
  Status check() const;
};

}  // namespace juxmem

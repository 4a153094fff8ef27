// The invariants of a stream that only a view of all its replicas can check: for simulators and tests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: S1 to S4 of DESIGN section 4 over all replicas of one stream, as states and as transitions.
// Thread safety: none. Invariants: remembers every decided value's digest. Ownership: none.
// Failure: returns what is broken, for the simulator to report; it does not abort.
class StreamInvariants {
 public:
  using Broken = std::optional<std::string>;

  // The stream's log begins after `base`.
  explicit StreamInvariants(QuorumSystem quorums, Instance base = 0);

  // To be called for every entry a replica hands out: S1 (same value everywhere), S3 (in order, once), S4 (nothing after a Stop).
  Broken on_decided(NodeId node, const DecidedEntry& entry);

  // A replica goes on after a snapshot at `at`. S3: never back.
  Broken on_installed(NodeId node, Instance at);

  // A member that is kept on disk was started again: what was not stable is gone, and nobody was told of it.
  void on_restarted(NodeId node, const Stream& stream, Instance applied);

  // To be called between steps. S1: what a quorum holds under one ballot is decided, so nothing else may be. S2: promises never
  // fall, and nothing is held above them. Also: no two coordinators of one ballot. `streams` by member; nullptr = lost. Of groups that are
  // kept on disk nobody sees from outside what a quorum holds: there S1 is seen when entries are handed out.
  Broken check(std::span<const Stream* const> streams);

 private:
  Broken check_acceptor(std::size_t member, const Stream& stream);
  Broken check_chosen(std::span<const Stream* const> streams, Instance instance);
  Broken remember(Instance instance, std::uint64_t value, const std::string& how);

  QuorumSystem quorums_;
  std::vector<std::uint64_t> values_;  // digest of the value decided at instance i + 1; 0 = not known yet
  std::vector<Instance> handed_out_;   // by member
  std::vector<Ballot> promised_;       // by member
  std::map<Ballot, NodeId> coordinators_;
  Instance stop_ = 0;  // 0 = none decided
};

}  // namespace juxmem

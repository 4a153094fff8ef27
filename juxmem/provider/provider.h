// A provider: one deterministic object over its environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consistency/paxos/stream.h"
#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/env/env.h"
#include "juxmem/provider/agent.h"
#include "juxmem/provider/journal.h"
#include "juxmem/provider/learner.h"
#include "juxmem/provider/replica.h"

namespace juxmem {

// Something people should know; goes to the log.
struct Notice {
  enum class Severity : std::uint8_t { kInfo, kWarning, kError };
  Severity severity = Severity::kInfo;
  std::string text;
};

// What the environment has counted, for status displays.
struct NetworkCounts {
  std::uint64_t garbage_packets = 0;
  std::uint64_t dropped_packets = 0;
};

struct ProviderOptions {
  std::string name;                   // unique in the grid; for people and for coming back
  std::string site;                   // sites of equal name are one site
  std::string address;                // where the others reach this provider
  std::uint64_t incarnation = 0;      // another one for each life; not 0
  std::uint64_t capacity_bytes = 0;   // of block data it offers to the grid
  bool manager = false;               // keeps the root catalog; `address` is then among `managers`
  std::vector<std::string> managers;  // addresses of all managers, the same list at every provider of the grid
  Timing timing;
  StreamLimits limits;  // of every group's log
  AgentLimits agent;
  std::uint64_t log_segment_bytes = Journal::kSegmentBytes;  // with a data folder: its log grows by so much
  std::function<void(const Notice&)> tell;                   // may be empty; must not call back
  std::function<NetworkCounts()> network_counts;             // may be empty

  // Names what is missing or contradictory.
  Status check() const;
};

struct ProviderStats {
  std::uint64_t packets = 0;
  std::uint64_t messages = 0;
  std::uint64_t refused = 0;        // messages from outside that did not make sense here
  std::uint64_t stale_packets = 0;  // of a former life, or meant for one
};

class ProviderCore;

// One provider: its agent, its replicas, a manager's duties, and what binds them together.
// Thread safety: none; one event loop calls it. Two providers share nothing.
// Invariants: all messages for one peer of one turn leave in one packet; nothing is sent outside end_turn(); nothing received is
//   trusted before it was checked against the catalog.
// Ownership: owns agent and replicas; borrows the environment, which outlives it.
// Failure: `failure()` says why a provider can no longer take part in its grid; it then answers nothing.
class Provider : public Handler {
 public:
  Provider(Env& env, ProviderOptions options);
  ~Provider() override;
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  // Begins to join the grid. To be called once, by whoever holds the event loop; is a turn of its own, like stop().
  void start();
  // Lets go of sections and hands coordinators' roles over; stopped() tells when that is through. The caller may end earlier.
  void stop();
  bool stopped() const;

  // Joined, and the catalog is known: clients are served.
  bool ready() const;
  // While not ready: what is missing, for people.
  std::string waiting_for() const;
  // Set when this provider can take no part any more (for instance: managers disagree on their list).
  std::optional<Error> failure() const;

  void on_packet(PeerId from, wire::Packet packet) override;
  void on_timer() override;
  void end_turn() override;

  // For observers: status displays, the simulator's invariants.
  NodeId self() const;
  const CatalogView& catalog() const;
  std::vector<GroupId> groups() const;
  const Replica* replica(GroupId group) const;  // nullptr if none lives here
  const Learner* learner(GroupId group) const;  // nullptr if this provider does not follow the group to become a member
  const Agent* agent() const;                   // nullptr until ready()
  ProviderStats stats() const;

 private:
  std::unique_ptr<ProviderCore> core_;
};

}  // namespace juxmem

// Agent: the part of a provider that serves clients.
#pragma once

#include <cstdint>
#include <memory>

#include "juxmem/base/timing.h"
#include "juxmem/provider/agent_clients.h"
#include "juxmem/provider/agent_host.h"

namespace juxmem {

struct AgentStats {
  std::uint64_t clients = 0;
  std::uint64_t clients_expired = 0;
  std::uint64_t sections_open = 0;
  std::uint64_t sections_granted = 0;
  std::uint64_t sections_lost = 0;
  std::uint64_t publishes = 0;
  std::uint64_t bytes_published = 0;
  std::uint64_t requests_repeated = 0;
  std::uint64_t requests_refused = 0;
};

class AgentState;
class Holdings;

// The part of a provider that serves clients and acts for them towards groups.
// Thread safety: none; one event loop calls it.
// Invariants: a request of a client is executed at most once and answered at least once while the client lives; a section that is
//   dropped publishes nothing; every wait has a time limit.
// Ownership: owns its links, sections and clients; borrows the host, which outlives it.
// Failure: errors go to the client as answers; none leaves by another way.
class Agent {
 public:
  Agent(AgentHost& host, const Timing& timing, const AgentLimits& limits);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Whether this message is one that clients send to agents / that groups send to agents.
  static bool is_for_agent_from_client(const wire::Message& message);
  static bool is_for_agent_from_group(const wire::Message& message);

  // A message of a client, which came over the connection `from`.
  void on_client(PeerId from, wire::Message message);
  // An answer or a recall of a coordinator or a replica (this provider's own included).
  void on_group(NodeId from, wire::Message message);

  // The local replica of the group has applied entries, or follows another coordinator.
  void on_applied(GroupId group);
  // The catalog has changed.
  void on_catalog();

  // Runs what time has come for. next_tick(): when to call it at the latest; kNever without anything to wait for.
  void tick();
  TimeNs next_tick() const;

  // Refuses new work and lets go of what it holds. What is under way goes on until done() or until the caller gives up.
  void stop();
  bool done() const;

  AgentStats stats() const;
  // For observers: what it owns.
  const Holdings& holdings() const;

 private:
  std::unique_ptr<AgentState> state_;
};

}  // namespace juxmem

// What an agent needs of the provider it lives in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "groups/catalog_view.h"
#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/env/env.h"
#include "juxmem/wire/message.h"

namespace juxmem {

// What the agent asks of a replica of a group when one lives in its own provider.
// Thread safety: the provider's event loop only.
// Ownership: belongs to the provider; valid until the provider tells otherwise.
class LocalReplica {
 public:
  virtual ~LocalReplica() = default;

  // Whom this replica follows; 0 if it does not know.
  virtual NodeId coordinator() const = 0;

  // The memory that the group has been given, as far as this replica has applied.
  virtual std::uint64_t quota_bytes() const = 0;

  // The last instance applied to the state.
  virtual Instance applied() const = 0;

  // Somebody trustworthy (a grant) says that everything up to `instance` was decided under `ballot`.
  // May apply entries before it returns; those are also reported by Agent::on_applied.
  virtual void learn_decided(const Ballot& ballot, Instance instance) = 0;

  // The pages of [first_page, first_page + page_count) of the block that are newer than `newer_than`, in page order, at most
  // `bytes_max` bytes (always at least one page if there is one). Errors: unknown block. Answers like a remote replica does.
  virtual wire::PagesReply read_pages(const wire::ReadPages& request) = 0;
};

// The provider as its agent sees it: time, catalog, the ways out, the replicas nearby.
// Thread safety: the provider's event loop only.
// Ownership: outlives the agent.
class AgentHost {
 public:
  virtual ~AgentHost() = default;

  virtual NodeId self() const = 0;
  virtual SiteId site() const = 0;
  virtual std::uint64_t incarnation() const = 0;

  // Monotonic nanoseconds.
  virtual TimeNs now() const = 0;
  virtual std::uint64_t random() = 0;

  // The last known root catalog; never fails, may be stale.
  virtual const CatalogView& catalog() const = 0;
  // The managers, known from the start.
  virtual std::vector<NodeId> managers() const = 0;

  // Queues a message for a provider. One for the provider itself is delivered inside the process, after the current event.
  virtual void send(NodeId to, wire::Message message) = 0;
  // Queues an answer for a client.
  virtual void reply(PeerId to, wire::Message message) = 0;
  // The user whose key the client at that connection has shown; empty: none was asked for, or it is the grid's own.
  virtual std::string user_of(PeerId peer) const = 0;

  // The replica of that group in this provider, or nullptr.
  virtual LocalReplica* replica(GroupId group) = 0;
};

}  // namespace juxmem

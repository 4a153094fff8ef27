// AgentNames: what clients ask about blocks and names without taking a block.
#pragma once

#include "juxmem/provider/agent_context.h"

namespace juxmem {

// What for: names in the root's catalog, and facts of a block from its group's coordinator.
// Thread safety: none; the agent's event loop.
// Invariants: names are read where the root's coordinator has its lease, so a name published is found by whoever asks afterwards.
// Ownership: owned by the agent; borrows the context. It keeps no state of its own: the links do.
// Failure: kTryAgain at the limit. A name of a freed block is still found; using the block then says kNotFound.
class AgentNames {
 public:
  explicit AgentNames(AgentContext& context) : context_(context) {}

  void stat(const RequestCall& call, const wire::StatRequest& request);
  void name(const RequestCall& call, const wire::NameRequest& request);
  void lookup(const RequestCall& call, const wire::LookupRequest& request);

 private:
  void submit(const RequestCall& call, wire::Action action);

  AgentContext& context_;
};

}  // namespace juxmem

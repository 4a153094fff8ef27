// Watchers: clients that wait for a newer version of a block.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "juxmem/provider/agent_context.h"

namespace juxmem {

// What for: juxmem_wait. One watch per block at the coordinator, however many clients wait.
// Thread safety: none; the agent's event loop.
// Invariants: a waiter is answered only by a version that was decided; each is answered once.
// Ownership: owned by the agent; borrows the context.
// Failure: kTimedOut at the limit; kNotFound when the block does not exist or is freed. A coordinator that dies with the watch is
//   replaced by asking again.
class Watchers {
 public:
  explicit Watchers(AgentContext& context) : context_(context) {}
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  void wait(const RequestCall& call, const wire::WaitRequest& request);
  void cancel(const RequestKey& key);
  void client_gone(std::uint64_t client);

  void on_changed(const wire::BlockChanged& changed);
  // This agent has learned of a decided version by other means.
  void learned(BlockId block, Version version);
  // Another coordinator: it does not know the watches.
  void coordinator_changed(GroupId group);

  std::size_t waiting() const { return keys_.size(); }

 private:
  struct Waiter {
    Version than = 0;
    AgentTimers::Id limit;
  };
  struct Watched {
    std::map<RequestKey, Waiter> waiters;
    AgentTimers::Id again;
  };

  void watch(BlockId block);
  void end(const RequestKey& key, Code code, Version version);

  AgentContext& context_;
  std::map<BlockId, Watched> blocks_;
  std::map<RequestKey, BlockId> keys_;
};

}  // namespace juxmem

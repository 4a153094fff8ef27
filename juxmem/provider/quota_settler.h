// QuotaSettler: memory that the root has reserved for a group and the group never got goes back.
#pragma once

#include <cstdint>
#include <map>

#include "juxmem/provider/agent_context.h"

namespace juxmem {

// What for: an agent that dies between its reservation at the root and the allocation in the group, or between the group's giving
//   memory back and the root's hearing of it, leaves the root with more than the group has. The agent beside the group's
//   coordinator notices it, closes old reservations in the group's log and tells the root the quota.
// Thread safety: none; the agent's event loop.
// Invariants: only a difference that lasts for Timing::quota_settle_ms is settled, up to the catalog's version at its beginning: younger
//   reservations may still be on their way. Safe at any time and from several agents at once: the group's log
//   decides what still counts, and its places order what the root hears (Catalog K5).
// Ownership: owned by the agent; borrows the context.
// Failure: what gives no answer in time is tried again.
class QuotaSettler {
 public:
  explicit QuotaSettler(AgentContext& context);
  ~QuotaSettler();
  QuotaSettler(const QuotaSettler&) = delete;
  QuotaSettler& operator=(const QuotaSettler&) = delete;

 private:
  // A group whose quota is not what the root has reserved for it.
  struct Difference {
    TimeNs since = 0;
    std::uint64_t version = 0;  // of the catalog, then
    bool settling = false;
    bool seen = false;  // in the present round
  };

  void look();
  void look_at(GroupId group);
  void close(GroupId group);
  void settle(GroupId group, const wire::Reply& closed);

  AgentContext& context_;
  AgentTimers::Id timer_;
  std::map<GroupId, Difference> differences_;
};

}  // namespace juxmem

// Allocation: from juxmem_malloc to a block in a group that has the room reserved.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "juxmem/provider/agent_context.h"
#include "juxmem/provider/agent_limits.h"

namespace juxmem {

// What for: finds or makes a group of the shape asked for, reserves memory for it at the root in steps, allocates, and gives
//   memory back that blocks left behind.
// Thread safety: none; the agent's event loop.
// Invariants: memory is added to a group only after the root reserved it, and given back to the root only after the group let
//   go of it; the same (client, token) never makes two blocks, also when the client asks a second agent.
// Ownership: owned by the agent; borrows the context.
// Failure: kLimit (of one client), kImpossibleShape, kNoSpace (after slack of other groups was called in), kTryAgain at the limit. What an agent that dies
//   has reserved and not used comes back by the QuotaSettler.
class Allocation {
 public:
  Allocation(AgentContext& context, const AgentLimits& limits) : context_(context), limits_(limits) {}
  ~Allocation();
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  void allocate(const RequestCall& call, wire::MallocRequest request);
  // A block was freed: after a moment, what its group has beyond its slack is given back.
  void freed(BlockId block);
  // Its blocks count no longer; they stay.
  void client_gone(std::uint64_t client);

  std::size_t under_way() const { return jobs_.size(); }

 private:
  // How far the search for room has gone; each failure moves on to the next.
  enum class Stage : std::uint8_t { kPreferred, kAnyGroup, kSqueezed };

  struct Job {
    RequestCall call;
    wire::MallocRequest request;
    std::uint64_t bytes = 0;  // whole pages
    Stage stage = Stage::kPreferred;
    std::uint32_t reservations = 0;  // made for it in vain
    std::set<GroupId> full;          // refused it
    std::size_t probes = 0;          // groups that have not said yet whether they have its block
    bool probe_failed = false;
  };
  // What this agent knows about a group's memory.
  struct Room {
    std::uint64_t free_bytes = 0;     // estimate
    std::uint64_t unspent_bytes = 0;  // reserved at the root, not yet told to the group, and
    std::uint64_t reservation = 0;    // the number of the oldest reservation in it
    bool known = false;
    bool reserving = false;
    std::deque<std::uint64_t> waiting;  // jobs that wait for a reservation
    AgentTimers::Id shrink;
  };
  // What one client has allocated here, what is under way included.
  struct Usage {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;
    std::map<BlockId, std::uint64_t> made;  // bytes of those that it has
  };
  using GroupKind = std::pair<Shape, Durability>;

  void probe(std::uint64_t number);
  void choose(std::uint64_t number);
  std::optional<GroupId> group_with_room(const Job& job) const;
  void create_group(const GroupKind& kind, std::uint64_t bytes);
  void group_created(const GroupKind& kind, std::uint64_t reserved, const wire::Reply& reply);
  void use_group(std::uint64_t number, GroupId group);
  static void add_reservation(Room& room, std::uint64_t bytes, std::uint64_t reservation);
  void reserve(GroupId group);
  void request_reservation(GroupId group, std::uint64_t bytes);
  void reserved(GroupId group, std::uint64_t bytes, const wire::Reply& reply);
  void allocated(std::uint64_t number, GroupId group, const wire::Reply& reply);
  void next_group(std::uint64_t number, GroupId full);
  void any_group(std::uint64_t number);
  void squeeze(std::uint64_t number);
  void give_back(GroupId group, std::uint64_t keep_bytes, TimeNs limit, std::function<void()> done);
  // Counts a further block; kLimit if there would be too many.
  Status count(std::uint64_t client, std::uint64_t bytes);
  void uncount(std::uint64_t client, std::uint64_t bytes);
  void refuse(std::uint64_t number, Code code, std::string detail);
  void finish(std::uint64_t number, BlockId block);

  AgentContext& context_;
  const AgentLimits limits_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Job> jobs_;
  std::map<GroupId, Room> rooms_;
  std::map<std::uint64_t, Usage> usage_;                      // by client
  std::map<BlockId, std::uint64_t> made_by_;                  // the client
  std::map<GroupKind, std::vector<std::uint64_t>> creating_;  // jobs that wait for a new group
};

}  // namespace juxmem

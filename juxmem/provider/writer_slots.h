// WriterSlots: the operations that clients know before their next one-shot writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem {

// What for: a client that has written in a group keeps its slot of the agent's session and knows the operation that its next
//   write there will be. So it need not be told before each write which operation to ask for if this agent dies.
// Thread safety: none. Pure.
// Invariants: at most one operation per client and group, kMax per group. An operation that is here was reserved and is under way nowhere.
// Ownership: a value; who takes or drops an operation is responsible for its slot.
// Failure: none; an operation that cannot be kept is given back, and its client is told the next one as it comes.
class WriterSlots {
 public:
  static constexpr std::size_t kMax = 1024;  // per group; a quarter of a session's slots

  struct Kept {
    BlockId block = 0;  // one of the group that was written
    OpId op;
  };

  // Whether there is room for another operation of this client in this group.
  bool has_room(std::uint64_t client, GroupId group) const;
  // The one that the client did not use: it was refused before, or its client wrote several times at once.
  std::optional<Kept> keep(std::uint64_t client, const Kept& kept);
  // The operation that the client says it was given, if it is here.
  bool take(std::uint64_t client, GroupId group, const OpId& op);
  // Those of a client that has gone.
  std::vector<Kept> drop_client(std::uint64_t client);
  // The group's session has ended, and all its slots with it.
  void drop_group(GroupId group);

 private:
  std::map<GroupId, std::map<std::uint64_t, Kept>> groups_;  // by client
};

}  // namespace juxmem

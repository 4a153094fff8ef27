// ThreadQueue: in which order the threads of one process enter sections of the same block.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>

#include "juxmem/base/types.h"

namespace juxmem {

// What for: threads of one process share a block's mappings, so one may not see what another wrote in a section that the grid
//   has already given up; they wait for each other here, before they ask the grid.
// Thread safety: all functions from any thread.
// Invariants: a ticket is admitted when all earlier tickets of its block that are still there are shared, and so is it.
// Ownership: owns its tickets. Failure: none; a wait ends at its limit.
class ThreadQueue {
 public:
  using Ticket = std::uint64_t;  // 0 = none

  // Waits for admission at most `limit_ms`. 0 when it did not come.
  Ticket enter(BlockId block, Mode mode, std::int64_t limit_ms);
  void leave(BlockId block, Ticket ticket);
  // Whether any thread is inside or waits.
  bool is_used(BlockId block);
  // Whether another ticket than this one is admitted.
  bool is_shared_with_others(BlockId block, Ticket ticket);

 private:
  struct Entry {
    Ticket ticket = 0;
    Mode mode = Mode::kNone;
  };
  struct Queue {
    std::list<Entry> entries;
    std::condition_variable changed;
    int waiters = 0;
  };

  bool is_admitted(const Queue& queue, Ticket ticket) const;
  void remove(BlockId block, Queue& queue, Ticket ticket);

  std::mutex mutex_;
  std::map<BlockId, Queue> queues_;
  Ticket last_ = 0;
};

}  // namespace juxmem

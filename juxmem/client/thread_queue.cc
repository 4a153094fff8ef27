#include "juxmem/client/thread_queue.h"

#include <algorithm>
#include <chrono>

namespace juxmem {

bool ThreadQueue::is_admitted(const Queue& queue, Ticket ticket) const {
  for (const Entry& entry : queue.entries) {
    if (entry.ticket == ticket) return entry.mode == Mode::kShared || &entry == &queue.entries.front();
    if (entry.mode != Mode::kShared) return false;
  }
  return false;
}

ThreadQueue::Ticket ThreadQueue::enter(BlockId block, Mode mode, std::int64_t limit_ms) {
  std::unique_lock lock(mutex_);
  Queue& queue = queues_[block];
  const Ticket ticket = ++last_;
  queue.entries.push_back({.ticket = ticket, .mode = mode});
  if (is_admitted(queue, ticket)) return ticket;
  if (limit_ms > 0) {
    ++queue.waiters;
    const bool admitted =
        queue.changed.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] { return is_admitted(queue, ticket); });
    --queue.waiters;
    if (admitted) return ticket;
  }
  remove(block, queue, ticket);
  return 0;
}

void ThreadQueue::leave(BlockId block, Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = queues_.find(block);
  if (found != queues_.end()) remove(block, found->second, ticket);
}

void ThreadQueue::remove(BlockId block, Queue& queue, Ticket ticket) {
  queue.entries.remove_if([&](const Entry& entry) { return entry.ticket == ticket; });
  if (queue.entries.empty() && queue.waiters == 0) {
    queues_.erase(block);
  } else {
    queue.changed.notify_all();
  }
}

bool ThreadQueue::is_used(BlockId block) {
  const std::lock_guard lock(mutex_);
  return queues_.contains(block);
}

bool ThreadQueue::is_shared_with_others(BlockId block, Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = queues_.find(block);
  if (found == queues_.end()) return false;
  const auto& entries = found->second.entries;
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return entry.ticket != ticket && is_admitted(found->second, entry.ticket); });
}

}  // namespace juxmem

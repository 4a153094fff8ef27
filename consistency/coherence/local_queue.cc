#include "consistency/coherence/local_queue.h"

#include <algorithm>
#include <limits>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

std::optional<LocalWaiter> LocalQueue::admissible(Mode owned) const {
  if (waiters_.empty()) return std::nullopt;
  const LocalWaiter& head = waiters_.front();
  if (owned < head.mode && !mutant("write_under_shared")) return std::nullopt;
  if (owned == Mode::kNone) return std::nullopt;
  if (users_.empty()) return head;
  const bool together = head.mode == Mode::kShared && !writer_inside();
  return together ? std::optional(head) : std::nullopt;
}

LocalWaiter LocalQueue::admit() {
  JUXMEM_CHECK(!waiters_.empty());
  const LocalWaiter head = waiters_.front();
  waiters_.pop_front();
  users_.emplace(head.token, head.mode);
  return head;
}

bool LocalQueue::remove(Token token) {
  if (users_.erase(token) > 0) return true;
  const auto waiting = std::ranges::find(waiters_, token, &LocalWaiter::token);
  if (waiting == waiters_.end()) return false;
  waiters_.erase(waiting);
  return true;
}

std::optional<LocalWaiter> LocalQueue::take_expired(TimeNs now) {
  const auto late = std::ranges::find_if(waiters_, [&](const LocalWaiter& waiter) { return waiter.deadline <= now; });
  if (late == waiters_.end()) return std::nullopt;
  const LocalWaiter taken = *late;
  waiters_.erase(late);
  return taken;
}

std::optional<LocalWaiter> LocalQueue::take_try_only() {
  const auto trying = std::ranges::find(waiters_, true, &LocalWaiter::try_only);
  if (trying == waiters_.end()) return std::nullopt;
  const LocalWaiter taken = *trying;
  waiters_.erase(trying);
  return taken;
}

std::optional<LocalWaiter> LocalQueue::take_first() {
  if (waiters_.empty()) return std::nullopt;
  const LocalWaiter taken = waiters_.front();
  waiters_.pop_front();
  return taken;
}

TimeNs LocalQueue::next_deadline() const {
  TimeNs next = std::numeric_limits<TimeNs>::max();
  for (const LocalWaiter& waiter : waiters_) next = std::min(next, waiter.deadline);
  return next;
}

}  // namespace juxmem

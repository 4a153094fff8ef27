// LocalQueue: the users of one block at one agent, in arrival order, readers together.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "juxmem/base/types.h"

namespace juxmem {

using Token = std::uint64_t;  // the agent's number of a section

struct LocalWaiter {
  Token token = 0;
  Mode mode = Mode::kNone;
  TimeNs deadline = 0;
  bool try_only = false;
};

// What for: a fair readers-writer queue, without any idea of the network.
// Thread safety: none. Invariants: users are one writer or any number of readers; nobody overtakes in the queue.
// Ownership: a plain value. Failure: none.
class LocalQueue {
 public:
  void push(const LocalWaiter& waiter) { waiters_.push_back(waiter); }
  // The waiter whose turn it is, if the users present let it in. `owned` is the mode the agent holds.
  std::optional<LocalWaiter> admissible(Mode owned) const;
  // Lets the first waiter in.
  LocalWaiter admit();
  // Removes a user or a waiter; false if it is neither.
  bool remove(Token token);
  // Take the first waiter whose deadline has passed; that only tries; of all.
  std::optional<LocalWaiter> take_expired(TimeNs now);
  std::optional<LocalWaiter> take_try_only();
  std::optional<LocalWaiter> take_first();

  const std::deque<LocalWaiter>& waiters() const { return waiters_; }
  const std::map<Token, Mode>& users() const { return users_; }
  bool writer_inside() const { return !users_.empty() && users_.begin()->second == Mode::kExclusive; }
  bool unused() const { return users_.empty() && waiters_.empty(); }
  TimeNs next_deadline() const;

 private:
  std::map<Token, Mode> users_;
  std::deque<LocalWaiter> waiters_;
};

}  // namespace juxmem

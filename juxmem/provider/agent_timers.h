// AgentTimers: all time limits of an agent in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "juxmem/base/types.h"

namespace juxmem {

inline constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

// `now` plus a number of milliseconds, without overflow for those a user may ask for.
inline TimeNs after_ms(TimeNs now, std::int64_t ms) { return now + ms * 1'000'000; }

// What for: resending and limits, run by the agent's tick.
// Thread safety: none; the agent's event loop.
// Invariants: what is due runs in the order of its time, then of its making; a cancelled one never runs.
// Ownership: owns the functions; whoever makes one that refers to him cancels it before he dies.
// Failure: none.
class AgentTimers {
 public:
  struct Id {
    TimeNs when = 0;
    std::uint64_t number = 0;  // 0 = no timer
    auto operator<=>(const Id&) const = default;
  };

  Id at(TimeNs when, std::function<void()> what) {
    const Id id{when, ++last_};
    timers_.emplace(id, std::move(what));
    return id;
  }

  // Forgets a timer and clears its id; one that has run or never was is fine.
  void cancel(Id& id) {
    if (id.number != 0) timers_.erase(id);
    id = Id{};
  }

  // Runs what is due at `now`; what that makes due already runs at the next call.
  void run(TimeNs now) {
    const std::uint64_t made_until = last_;
    auto it = timers_.begin();
    while (it != timers_.end() && it->first.when <= now) {
      if (it->first.number > made_until) {
        ++it;
        continue;
      }
      const std::function<void()> what = std::move(it->second);
      timers_.erase(it);
      what();
      it = timers_.begin();
    }
  }

  TimeNs next() const { return timers_.empty() ? kNever : timers_.begin()->first.when; }
  std::size_t size() const { return timers_.size(); }

 private:
  std::map<Id, std::function<void()>> timers_;
  std::uint64_t last_ = 0;
};

}  // namespace juxmem

// SimWorld: virtual time, and what happens when.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "juxmem/base/random.h"
#include "juxmem/base/types.h"

namespace juxmem::sim {

inline constexpr TimeNs kMs = 1'000'000;

// What for: runs events in the order of their time, and of their making within one time; keeps the trace and the first violation.
// Thread safety: none. Ownership: owns the events. Failure: fail() ends the run.
class SimWorld {
 public:
  using Action = std::move_only_function<void()>;

  SimWorld(std::uint64_t seed, bool keep_trace) : random_(seed), keep_trace_(keep_trace) {}

  TimeNs now() const { return now_; }
  Random& random() { return random_; }
  void at(TimeNs when, Action action);
  void after(TimeNs delay, Action action) { at(now_ + delay, std::move(action)); }

  // Runs the next event; false if there is none, or the run has failed.
  bool step();
  std::uint64_t steps() const { return steps_; }

  bool keeps_trace() const { return keep_trace_; }
  void trace(const std::string& line);
  void fail(const std::string& what);
  const std::string& violation() const { return violation_; }
  std::string take_trace() { return std::move(trace_); }

 private:
  struct Event {
    TimeNs at = 0;
    std::uint64_t order = 0;
    Action action;
  };
  static bool later(const Event& one, const Event& other) {
    return one.at != other.at ? one.at > other.at : one.order > other.order;
  }

  Random random_;
  const bool keep_trace_;
  TimeNs now_ = 0;
  std::uint64_t orders_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Event> events_;  // a heap
  std::string violation_;
  std::string trace_;
};

}  // namespace juxmem::sim

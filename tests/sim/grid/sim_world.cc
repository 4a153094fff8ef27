#include "tests/sim/grid/sim_world.h"

#include <fmt/core.h>

#include <algorithm>

namespace juxmem::sim {

void SimWorld::at(TimeNs when, Action action) {
  events_.push_back({.at = std::max(when, now_), .order = ++orders_, .action = std::move(action)});
  std::ranges::push_heap(events_, later);
}

bool SimWorld::step() {
  if (events_.empty() || !violation_.empty()) return false;
  std::ranges::pop_heap(events_, later);
  Event event = std::move(events_.back());
  events_.pop_back();
  now_ = event.at;
  ++steps_;
  event.action();
  return true;
}

void SimWorld::trace(const std::string& line) {
  if (keep_trace_) trace_ += fmt::format("{:>11.3f} {}\n", static_cast<double>(now_) / 1e6, line);
}

void SimWorld::fail(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = fmt::format("{} (at {} ms)", what, now_ / kMs);
  trace("VIOLATION " + what);
}

}  // namespace juxmem::sim

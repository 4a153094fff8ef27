#include "tests/sim/grid/linearizability.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace juxmem::sim {
namespace {

constexpr std::size_t kStepsMax = 2'000'000;

bool explains(const PartValues& state, const HistoryOp& op) {
  for (std::size_t part = 0; part < kParts; ++part) {
    if (op.read[part] != kNothing && op.read[part] != state[part]) return false;
  }
  return true;
}

PartValues after(PartValues state, const HistoryOp& op) {
  for (std::size_t part = 0; part < kParts; ++part) {
    if (op.written[part] != kNothing) state[part] = op.written[part];
  }
  return state;
}

void drop_what_nobody_saw(std::vector<HistoryOp>& history) {
  std::set<std::uint64_t> seen;
  for (const HistoryOp& op : history) seen.insert(op.read.begin(), op.read.end());
  std::erase_if(history, [&](const HistoryOp& op) {
    if (op.returned != kNever) return false;
    return std::ranges::none_of(op.written, [&](std::uint64_t value) { return value != kNothing && seen.contains(value); });
  });
}

// Calls and returns in the order of time, as a doubly linked list from which operations are lifted and put back.
class Timeline {
 public:
  explicit Timeline(const std::vector<HistoryOp>& history) {
    std::vector<std::pair<TimeNs, std::size_t>> order;  // entry 2i: call of i, 2i+1: its return
    for (std::size_t i = 0; i < history.size(); ++i) {
      order.emplace_back(history[i].called, 2 * i);
      order.emplace_back(history[i].returned, 2 * i + 1);
    }
    // At one time, calls come first: operations that only touch are taken as concurrent.
    std::ranges::sort(order, {}, [](const auto& entry) { return std::tuple(entry.first, entry.second % 2, entry.second); });
    end_ = 2 * history.size();
    next_.resize(end_ + 1);
    before_.resize(end_ + 1);
    std::size_t last = end_;
    for (const auto& [time, entry] : order) {
      next_[last] = entry;
      before_[entry] = last;
      last = entry;
    }
    next_[last] = end_;
    before_[end_] = last;
  }

  std::size_t first() const { return next_[end_]; }
  std::size_t next(std::size_t entry) const { return next_[entry]; }
  bool empty() const { return first() == end_; }
  void lift(std::size_t op) {
    unlink(2 * op);
    unlink(2 * op + 1);
  }
  void put_back(std::size_t op) {
    link(2 * op + 1);
    link(2 * op);
  }

 private:
  void unlink(std::size_t entry) {
    next_[before_[entry]] = next_[entry];
    before_[next_[entry]] = before_[entry];
  }
  void link(std::size_t entry) {
    next_[before_[entry]] = entry;
    before_[next_[entry]] = entry;
  }

  std::size_t end_ = 0;
  std::vector<std::size_t> next_;
  std::vector<std::size_t> before_;
};

}  // namespace

Verdict check_linearizable(std::vector<HistoryOp> history) {
  drop_what_nobody_saw(history);
  Timeline timeline(history);
  std::vector<bool> done(history.size());
  std::set<std::pair<std::vector<bool>, PartValues>> visited;
  std::vector<std::pair<std::size_t, PartValues>> chosen;  // operation, state before it
  PartValues state = {};
  std::size_t entry = timeline.first();
  for (std::size_t steps = 0; !timeline.empty(); ++steps) {
    if (steps > kStepsMax) return Verdict::kTooHard;
    const bool is_call = entry % 2 == 0;
    if (is_call) {
      const std::size_t op = entry / 2;
      if (explains(state, history[op])) {
        done[op] = true;
        const PartValues next_state = after(state, history[op]);
        if (visited.emplace(done, next_state).second) {
          chosen.emplace_back(op, state);
          state = next_state;
          timeline.lift(op);
          entry = timeline.first();
          continue;
        }
        done[op] = false;
      }
      entry = timeline.next(entry);
      continue;
    }
    // An operation that has returned cannot wait any longer: take the last choice back.
    if (chosen.empty()) return Verdict::kNot;
    const auto [op, before] = chosen.back();
    chosen.pop_back();
    done[op] = false;
    state = before;
    timeline.put_back(op);
    entry = timeline.next(2 * op);
  }
  return Verdict::kLinearizable;
}

}  // namespace juxmem::sim

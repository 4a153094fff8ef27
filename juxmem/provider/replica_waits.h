// What agents wait for at a replica: pages not applied yet, newer versions of blocks, outcomes of operations.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem {

// Whose request it is and what must happen.
struct WaitKey {
  std::uint64_t subject = 0;  // the instance, block or session waited for
  NodeId node = 0;
  std::uint64_t tag = 0;
  auto operator<=>(const WaitKey&) const = default;
};

// What for: requests that are kept until something has happened or their time is over. One that comes again replaces the former one.
// Thread safety: none; the provider's event loop.
// Invariants: at most `limit` are kept; every row has one deadline.
// Ownership: a value. Failure: add() answers false when there is no room.
template <typename Request>
class Waits {
 public:
  using Row = std::pair<WaitKey, Request>;

  explicit Waits(std::size_t limit) : limit_(limit) {}

  bool add(const WaitKey& key, Request request, TimeNs until) {
    if (auto found = rows_.find(key); found != rows_.end()) {
      deadlines_.erase({found->second.until, key});
      rows_.erase(found);
    }
    if (rows_.size() >= limit_) return false;
    rows_.emplace(key, Kept{std::move(request), until});
    deadlines_.insert({until, key});
    return true;
  }

  // Takes out those with this subject.
  std::vector<Row> take(std::uint64_t subject) { return take_between(subject, subject); }
  // Takes out those with a subject up to this one.
  std::vector<Row> take_up_to(std::uint64_t subject) { return take_between(0, subject); }
  std::vector<Row> take_all() { return take_between(0, std::numeric_limits<std::uint64_t>::max()); }

  std::vector<Row> take_overdue(TimeNs now) {
    std::vector<Row> out;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const auto found = rows_.find(deadlines_.begin()->second);
      deadlines_.erase(deadlines_.begin());
      out.emplace_back(found->first, std::move(found->second.request));
      rows_.erase(found);
    }
    return out;
  }

  TimeNs next_deadline() const {
    return deadlines_.empty() ? std::numeric_limits<TimeNs>::max() : deadlines_.begin()->first;
  }
  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }

 private:
  struct Kept {
    Request request;
    TimeNs until = 0;
  };

  std::vector<Row> take_between(std::uint64_t first, std::uint64_t last) {
    std::vector<Row> out;
    auto it = rows_.lower_bound(WaitKey{first, 0, 0});
    while (it != rows_.end() && it->first.subject <= last) {
      out.emplace_back(it->first, std::move(it->second.request));
      deadlines_.erase({it->second.until, it->first});
      it = rows_.erase(it);
    }
    return out;
  }

  std::size_t limit_;
  std::map<WaitKey, Kept> rows_;
  std::set<std::pair<TimeNs, WaitKey>> deadlines_;
};

}  // namespace juxmem

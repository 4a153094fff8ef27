// SnapshotMap: an ordered map of which snapshots can be taken while it changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "juxmem/base/check.h"

namespace juxmem {

// Of one state machine; grows with every snapshot. 0 = none.
using SnapshotNumber = std::uint64_t;

// What for: rows by key, and what they were when a snapshot was opened. Opening costs nothing; the first change of a row after it
//   keeps the row's former content aside (copy on write). What is kept aside belongs to the newest snapshot of that time and serves
//   the older ones, too; a snapshot that is closed leaves it to the next older one.
// Thread safety: none. Deterministic.
// Invariants: a snapshot's rows never change. Nothing is kept aside while no snapshot is open.
// Ownership: owns all rows; pointers to live rows are valid until the row is erased, to those of snapshots until the map changes.
// Failure: none; kept_bytes() tells what snapshots cost (by the rows' cost_bytes() or size() where they have one), so that the owner can
//   close one.
template <typename Key, typename Row>
class SnapshotMap {
 public:
  using Rows = std::map<Key, Row>;

  const Rows& rows() const { return rows_; }
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  bool contains(const Key& key) const { return rows_.contains(key); }
  const Row* find(const Key& key) const {
    const auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second;
  }

  // Adds a row under a key that has none.
  Row& insert(const Key& key, Row row) {
    const auto [place, added] = rows_.emplace(key, std::move(row));
    JUXMEM_CHECK(added);
    if (!kept_.empty()) keep(key, std::nullopt);
    return place->second;
  }
  // The row, to be changed; nullptr if there is none.
  Row* change(const Key& key) {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return nullptr;
    if (!kept_.empty() && !newest().contains(key)) keep(key, found->second);
    return &found->second;
  }
  // Whether there was such a row.
  bool erase(const Key& key) {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return false;
    if (!kept_.empty()) keep(key, std::move(found->second));
    rows_.erase(found);
    return true;
  }

  // `number` is higher than all before.
  void open_snapshot(SnapshotNumber number) {
    JUXMEM_CHECK(kept_.empty() || number > kept_.rbegin()->first);
    kept_[number];
  }
  void close_snapshot(SnapshotNumber number) {
    const auto closed = kept_.find(number);
    JUXMEM_CHECK(closed != kept_.end());
    if (closed != kept_.begin()) std::prev(closed)->second.merge(closed->second);
    for (const auto& [key, row] : closed->second) kept_bytes_ -= cost_of(key, row);
    kept_.erase(closed);
  }

  // The snapshot's first row with a key not before `from` (after it if `beyond`); nullptr at its end. Writes the key.
  const Row* snapshot_row(SnapshotNumber number, const Key& from, bool beyond, Key& key) const {
    Key at = from;
    for (;;) {
      const std::optional<Key> next = next_key(number, at, beyond);
      if (!next) return nullptr;
      if (const Row* row = snapshot_find(number, *next)) {
        key = *next;
        return row;
      }
      at = *next;
      beyond = true;
    }
  }
  const Row* snapshot_find(SnapshotNumber number, const Key& key) const {
    for (auto one = kept_.lower_bound(number); one != kept_.end(); ++one) {
      const auto found = one->second.find(key);
      if (found != one->second.end()) return found->second ? &*found->second : nullptr;
    }
    return find(key);
  }

  // What is kept aside for snapshots.
  std::uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  using Kept = std::map<Key, std::optional<Row>>;  // empty: there was none
  static constexpr std::uint64_t kOverheadBytes = 64;

  Kept& newest() { return kept_.rbegin()->second; }
  template <typename T>
  static std::uint64_t bytes_of(const T& value) {
    if constexpr (requires { value.cost_bytes(); }) {
      return value.cost_bytes();
    } else if constexpr (requires { value.size(); }) {
      return sizeof(T) + value.size();
    } else {
      return sizeof(T);
    }
  }
  static std::uint64_t cost_of(const Key& key, const std::optional<Row>& row) {
    return kOverheadBytes + bytes_of(key) + (row ? bytes_of(*row) : 0);
  }

  void keep(const Key& key, std::optional<Row> row) {
    const std::uint64_t bytes = cost_of(key, row);
    if (newest().try_emplace(key, std::move(row)).second) kept_bytes_ += bytes;
  }

  template <typename Map>
  static void take_earlier(const Map& map, const Key& from, bool beyond, std::optional<Key>& best) {
    const auto found = beyond ? map.upper_bound(from) : map.lower_bound(from);
    if (found != map.end() && (!best || found->first < *best)) best = found->first;
  }
  // The least key that any of the maps which make up the snapshot has.
  std::optional<Key> next_key(SnapshotNumber number, const Key& from, bool beyond) const {
    std::optional<Key> best;
    take_earlier(rows_, from, beyond, best);
    for (auto one = kept_.lower_bound(number); one != kept_.end(); ++one) take_earlier(one->second, from, beyond, best);
    return best;
  }

  Rows rows_;
  std::map<SnapshotNumber, Kept> kept_;  // by open snapshot
  std::uint64_t kept_bytes_ = 0;
};

}  // namespace juxmem

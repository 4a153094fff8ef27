// The part of a stream's log that one acceptor keeps.
#pragma once

#include <cstdint>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// What an entry costs in memory besides its bytes.
inline constexpr std::uint64_t kEntryOverheadBytes = 128;
inline std::uint64_t cost_bytes(const wire::Entry& entry) { return entry.size_bytes() + kEntryOverheadBytes; }

// What for: the entries from first() to last(), in a ring; places without an entry are holes.
// Thread safety: none. Invariants: the entry at last() is not a hole (unless drop_after() left one); bytes() is the sum of the entries' costs.
// Ownership: shares the entries' bytes. Failure: none.
class EntryLog {
 public:
  // Begins after `base`.
  explicit EntryLog(Instance base = 0) : first_(base + 1) {}

  Instance first() const { return first_; }  // may be last() + 1: nothing is kept
  Instance last() const { return first_ + count_ - 1; }
  std::uint64_t bytes() const { return bytes_; }

  // nullptr for a hole and for what lies outside.
  const wire::Entry* at(Instance instance) const {
    if (instance < first_ || instance - first_ >= count_) return nullptr;
    const wire::Entry& entry = ring_[place_of(instance)];
    return is_hole(entry) ? nullptr : &entry;
  }

  // Puts or replaces the entry (ballot not 0.0) at an instance not before first().
  void put(Instance instance, wire::Entry entry);
  // Same entry, newer ballot.
  void set_ballot(Instance instance, const Ballot& ballot);
  // Forgets what lies before `instance`.
  void drop_before(Instance instance);
  // Forgets what lies after `instance`, which is not before first() - 1.
  void drop_after(Instance instance);

  static bool is_hole(const wire::Entry& entry) { return entry.ballot == Ballot{}; }

 private:
  std::size_t place_of(Instance instance) const { return instance & (ring_.size() - 1); }
  void grow_to(std::uint64_t count);

  std::vector<wire::Entry> ring_;  // size 0 or a power of two; an instance's place is its low bits
  Instance first_ = 1;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace juxmem

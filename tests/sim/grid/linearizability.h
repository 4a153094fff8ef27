// Linearizability of the sections on one block.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem::sim {

// A block is seen as a few parts that are registers; a section reads and writes any of them at one point in time.
inline constexpr std::size_t kParts = 3;
inline constexpr std::uint64_t kNothing = std::numeric_limits<std::uint64_t>::max();
inline constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

using PartValues = std::array<std::uint64_t, kParts>;  // kNothing: not read, not written
inline constexpr PartValues kNoValues = {kNothing, kNothing, kNothing};

// One section (or one-shot read or write) as its client saw it. Values written are never written twice.
struct HistoryOp {
  std::string who;
  TimeNs called = 0;
  TimeNs returned = kNever;  // kNever: it may have happened, then or later, or never
  PartValues read = kNoValues;
  PartValues written = kNoValues;
};

enum class Verdict : std::uint8_t { kLinearizable, kNot, kTooHard };

// Whether some order of the operations explains all that was read from parts that begin as 0, where an operation that returned before
// another was called comes first. An operation with unknown outcome whose values nobody read is taken as not having happened.
// Source: Wing and Gong, JPDC 1993, with the memory of states of Lowe, 2017, as in the checker Porcupine.
Verdict check_linearizable(std::vector<HistoryOp> history);

}  // namespace juxmem::sim

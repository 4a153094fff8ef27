// The small value types that every layer shares.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace juxmem {

using NodeId = std::uint32_t;     // a provider's life; 0 = nobody. A restarted provider gets a new one.
using SiteId = std::uint32_t;     // a hash of the site's name (groups/catalog_view)
using GroupId = std::uint32_t;    // 24 bits; kRootGroup is the global stream
using BlockId = std::uint64_t;    // group in the high 24 bits, slot in the low 40
using Instance = std::uint64_t;   // place in a stream's log, from 1; 0 = before everything
using Version = Instance;         // the instance that last changed a block or page; 0 = never
using SessionId = std::uint64_t;  // the instance of its OpenSession entry
using TimeNs = std::int64_t;      // a node's monotonic clock, nanoseconds
using PeerId = std::uint64_t;     // whom the environment's network talks to; 0 = nobody

inline constexpr GroupId kRootGroup = 0;
inline constexpr GroupId kGroupIdMax = (1U << 24) - 1;
inline constexpr int kSlotBits = 40;
inline constexpr std::uint64_t kPageBytes = 4096;

constexpr BlockId make_block_id(GroupId group, std::uint64_t slot) {
  return (static_cast<BlockId>(group) << kSlotBits) | slot;
}
constexpr GroupId group_of(BlockId block) { return static_cast<GroupId>(block >> kSlotBits); }
constexpr std::uint64_t slot_of(BlockId block) { return block & ((1ULL << kSlotBits) - 1); }

// Paxos' proposal number: ordered by round, then node.
struct Ballot {
  std::uint64_t round = 0;
  NodeId node = 0;
  auto operator<=>(const Ballot&) const = default;
};

// One stream's fixed member set: a group in one epoch.
struct StreamId {
  GroupId group = 0;
  std::uint32_t epoch = 1;
  auto operator<=>(const StreamId&) const = default;
};

// An operation of a session, in the manner of NFSv4.1's slots: one outstanding operation per slot.
struct OpId {
  SessionId session = 0;
  std::uint32_t slot = 0;
  std::uint64_t counter = 0;  // from 1, growing in its slot; 0 = not an operation
  auto operator<=>(const OpId&) const = default;
};

// Number of an ownership grant: strictly increasing per block, also across coordinators.
struct Grant {
  Ballot ballot;
  std::uint64_t counter = 0;
  auto operator<=>(const Grant&) const = default;
};

enum class Mode : std::uint8_t { kNone = 0, kShared = 1, kExclusive = 2 };

// How often a block is kept.
struct Shape {
  std::uint32_t sites = 1;
  std::uint32_t nodes_per_site = 1;
  auto operator<=>(const Shape&) const = default;
};

enum class Durability : std::uint8_t { kMemory = 0, kDisk = 1 };

std::string to_string(const Ballot& ballot);
std::string to_string(const StreamId& stream);
std::string to_string(const OpId& op);
std::string to_string(const Grant& grant);
std::string block_name(BlockId block);  // "3:17" = slot 17 of group 3
const char* to_string(Mode mode);

}  // namespace juxmem

#include "juxmem/provider/replica_checks.h"

#include <type_traits>
#include <variant>
#include <vector>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

enum class Place { kAnywhere, kRootOnly, kBlocksOnly, kNotFromAgents };

template <typename T>
constexpr Place place_of() {
  if constexpr (std::is_same_v<T, wire::OpenSession>) {
    return Place::kAnywhere;
  } else if constexpr (std::is_same_v<T, wire::CreateGroup> || std::is_same_v<T, wire::Reserve> ||
                       std::is_same_v<T, wire::Unreserve> || std::is_same_v<T, wire::SettleQuota> ||
                       std::is_same_v<T, wire::PublishName> || std::is_same_v<T, wire::UnpublishName>) {
    return Place::kRootOnly;
  } else if constexpr (std::is_same_v<T, wire::Allocate> || std::is_same_v<T, wire::Free> ||
                       std::is_same_v<T, wire::Publish> || std::is_same_v<T, wire::Stage> ||
                       std::is_same_v<T, wire::Install> || std::is_same_v<T, wire::Unstage> ||
                       std::is_same_v<T, wire::ShrinkQuota> || std::is_same_v<T, wire::CloseReservations>) {
    return Place::kBlocksOnly;
  } else {
    return Place::kNotFromAgents;
  }
}

template <typename T>
concept HasRanges = requires(const T& action) { action.ranges; };

template <typename T>
constexpr bool kNamesOwnBlock =
    std::is_same_v<T, wire::Free> || std::is_same_v<T, wire::Publish> || std::is_same_v<T, wire::Stage> ||
    std::is_same_v<T, wire::Install> || std::is_same_v<T, wire::Unstage>;

// The data are the bytes of the ranges, one after the other.
Status check_ranges(const std::vector<wire::Range>& ranges, std::uint64_t data_bytes) {
  std::uint64_t total = 0;
  for (const wire::Range& range : ranges) {
    if (range.size_bytes > data_bytes - total) return fail(Code::kInvalid, "the ranges are longer than the data");
    if (range.offset > wire::kBlockBytesMax) return fail(Code::kInvalid, "a range lies beyond every block");
    total += range.size_bytes;
  }
  if (total != data_bytes) return fail(Code::kInvalid, "the data are longer than the ranges");
  return {};
}

template <typename T>
Status check_action(GroupId group, NodeId from, const wire::Command& command, const T& action, std::uint64_t data_bytes) {
  constexpr Place place = place_of<T>();
  const bool fits = place == Place::kAnywhere || (place == Place::kRootOnly && group == kRootGroup) ||
                    (place == Place::kBlocksOnly && group != kRootGroup);
  if (!fits) return fail(Code::kInvalid, "agents cannot give this command to this group");
  if constexpr (std::is_same_v<T, wire::OpenSession>) {
    if (action.node != from || action.incarnation == 0) return fail(Code::kInvalid, "a session for somebody else");
    if (command.op.counter != 0) return fail(Code::kInvalid, "opening a session is no operation");
  } else {
    if (command.op.counter == 0 || command.op.slot >= wire::kSlotsPerSessionMax) {
      return fail(Code::kInvalid, "an operation without its number");
    }
  }
  if constexpr (kNamesOwnBlock<T>) {
    if (group_of(action.block) != group) return fail(Code::kInvalid, "a block of another group");
  }
  if constexpr (HasRanges<T>) {
    return check_ranges(action.ranges, data_bytes);
  } else {
    if (data_bytes != 0) return fail(Code::kInvalid, "data with a command that takes none");
    return {};
  }
}

}  // namespace

Status check_agents_command(GroupId group, NodeId from, const wire::Command& command, std::uint64_t data_bytes) {
  if (data_bytes > wire::kEntryBytesMax) return fail(Code::kTooBig, "more data than an entry may have");
  return std::visit([&](const auto& action) { return check_action(group, from, command, action, data_bytes); },
                    command.action);
}

}  // namespace juxmem

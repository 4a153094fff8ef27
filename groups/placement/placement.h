// Placement: in which group, and on which providers, blocks are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

struct Placement {
  Shape shape;
  Durability durability = Durability::kMemory;
  NodeId prefer = 0;             // 0 = nobody
  std::uint64_t room_bytes = 0;  // that must still be free on every member
};

// Pure functions over a catalog's rows, which are sorted by number. A provider's free memory is its capacity less what is
// reserved on it.

// Free on the provider with the least free memory.
std::uint64_t free_bytes(std::span<const wire::CatalogProvider> providers, const wire::CatalogGroup& group);

// An existing group of that shape, all of whose members are up and have the room. Nullopt if `prefer` could lead a new
// one instead (see place()), or if there is none at all. Among several: one that `prefer` leads, then one that it is a member of,
// then the one with the most free memory.
std::optional<GroupId> pick_group(std::span<const wire::CatalogProvider> providers,
                                  std::span<const wire::CatalogGroup> groups, const Placement& placement);

// The members of a new group, the first coordinator first: `prefer` if it is up and has room. Sites and nodes with less
// groups first, then those with more free memory. Errors: kInvalid, kImpossibleShape (says what there is), kNoSpace.
Result<std::vector<NodeId>> place(std::span<const wire::CatalogProvider> providers,
                                  std::span<const wire::CatalogGroup> groups, const Placement& placement);

}  // namespace juxmem

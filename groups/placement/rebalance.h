// Rebalance: which copies are to move so that memory is evenly used within sites.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

struct PlannedMove {
  GroupId group = 0;
  NodeId from = 0;
  NodeId to = 0;
  std::uint64_t bytes = 0;  // reserved for the group on each member
  bool operator==(const PlannedMove&) const = default;
};

// Moves, to be carried out in this order, after which no further one would bring the fullest provider of a site and the emptiest one closer
// by more than a twentieth of their memory. A pure function over a catalog's rows, which are sorted by number. Rules: a copy stays in its
// site; providers that are down or being emptied take nothing; a group moves once, and not while it is getting other members.
std::vector<PlannedMove> plan_rebalance(std::span<const wire::CatalogProvider> providers,
                                        std::span<const wire::CatalogGroup> groups);

}  // namespace juxmem

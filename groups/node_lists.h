// Lists of nodes, as catalogs' rows have them.
#pragma once

#include <algorithm>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// The root between two only managers: both have a seat in this epoch, `next` alone in the one after.
inline bool is_only_seat_shared(const wire::CatalogGroup& root) {
  return root.group == kRootGroup && root.members.size() == 2 && root.next.size() == 1;
}

inline bool contains(const std::vector<NodeId>& nodes, NodeId node) { return std::ranges::find(nodes, node) != nodes.end(); }

}  // namespace juxmem

// Lists of nodes, as catalogs' rows have them.
#pragma once

#include <algorithm>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem {

inline bool contains(const std::vector<NodeId>& nodes, NodeId node) { return std::ranges::find(nodes, node) != nodes.end(); }

}  // namespace juxmem

// Topology: who is near.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "groups/catalog_view.h"
#include "juxmem/base/types.h"

namespace juxmem {

enum class Distance : std::uint8_t { kSameNode = 0, kSameSite = 1, kOtherSite = 2 };

Distance distance(const CatalogView& view, NodeId from, NodeId to);

// The candidates in the order in which `self` should ask them: those that are up first; then by distance; equally near ones in a
// cyclic order that starts after `self`, so that not all ask the same one.
std::vector<NodeId> nearest_first(const CatalogView& view, NodeId self, std::span<const NodeId> candidates);

}  // namespace juxmem

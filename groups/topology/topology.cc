#include "groups/topology/topology.h"

#include <algorithm>
#include <tuple>

namespace juxmem {

Distance distance(const CatalogView& view, NodeId from, NodeId to) {
  if (from == to) return Distance::kSameNode;
  const SiteId site = view.site_of(from);
  return site != 0 && site == view.site_of(to) ? Distance::kSameSite : Distance::kOtherSite;
}

std::vector<NodeId> nearest_first(const CatalogView& view, NodeId self, std::span<const NodeId> candidates) {
  std::vector<NodeId> order(candidates.begin(), candidates.end());
  const auto rank = [&](NodeId node) {
    const bool down = node != self && !view.is_up(node);
    const NodeId steps_after_self = node - self;  // wraps around: lower numbers come after higher ones
    return std::tuple(down, distance(view, self, node), steps_after_self);
  };
  std::ranges::sort(order, {}, rank);
  return order;
}

}  // namespace juxmem

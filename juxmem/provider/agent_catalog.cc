#include "juxmem/provider/agent_catalog.h"

#include "groups/topology/topology.h"

namespace juxmem {

std::vector<NodeId> members_of(const AgentHost& host, GroupId group) {
  if (group == kRootGroup) return host.managers();
  const wire::CatalogGroup* row = host.catalog().group(group);
  return row == nullptr ? std::vector<NodeId>{} : row->members;
}

std::vector<NodeId> by_distance(const AgentHost& host, GroupId group) {
  return nearest_first(host.catalog(), host.self(), members_of(host, group));
}

bool knows_group(const AgentHost& host, GroupId group) {
  return group == kRootGroup || host.catalog().group(group) != nullptr;
}

}  // namespace juxmem

// What an agent reads in the root's catalog.
#pragma once

#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/provider/agent_host.h"

namespace juxmem {

// Who may lead the group: its members, or the managers for the root; empty if the group is not known (yet).
std::vector<NodeId> members_of(const AgentHost& host, GroupId group);

// The members in the order in which this provider should ask them for data (itself first if it is one).
std::vector<NodeId> by_distance(const AgentHost& host, GroupId group);

bool knows_group(const AgentHost& host, GroupId group);

}  // namespace juxmem

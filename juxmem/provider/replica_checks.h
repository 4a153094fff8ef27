// What an agent may ask a group to put into its log.
#pragma once

#include <cstdint>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"

namespace juxmem {

// Whether the command of agent `from`, with that many bytes of data, is one that agents may give to this group, and whether
// its parts fit together. Pure. Error: kInvalid with the reason; kTooBig for data beyond the limit of an entry.
Status check_agents_command(GroupId group, NodeId from, const wire::Command& command, std::uint64_t data_bytes);

}  // namespace juxmem

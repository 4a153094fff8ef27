// Packets as one line of a trace.
#pragma once

#include <string>

#include "juxmem/wire/message.h"

namespace juxmem::sim {

std::string describe(const wire::Packet& packet);

}  // namespace juxmem::sim

// A packet: all that one process says to another in one turn of its event loop.
#pragma once

#include <cstdint>
#include <vector>

#include "juxmem/base/one_of.h"
#include "juxmem/wire/client_messages.h"
#include "juxmem/wire/group_messages.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem::wire {

JUXMEM_ONE_OF(Message, StreamMessage, GroupMessage, ClientMessage);

struct Packet {
  NodeId from = 0;                   // 0: a client, or a provider that has not joined yet
  std::uint64_t incarnation = 0;     // of the sender's life
  NodeId to = 0;                     // whom the sender means; 0: whoever listens there
  std::uint64_t to_incarnation = 0;  // 0: unknown to the sender; otherwise a later life drops the packet
  std::vector<Message> messages;
  bool operator==(const Packet&) const = default;
};

}  // namespace juxmem::wire

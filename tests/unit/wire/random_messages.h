// Random, valid messages of every kind, for round trips and as seeds of the fuzzers.
#pragma once

#include <cstddef>

#include "juxmem/base/random.h"
#include "juxmem/wire/message.h"
#include "juxmem/wire/snapshot_piece.h"

namespace juxmem::wire {

// How many kinds of messages there are, and of commands.
std::size_t message_kinds();
std::size_t command_kinds();

// A message of the kind with this number, counted through all alternatives; of a request the body varies too.
Message random_message(Random& random, std::size_t kind);
Command random_command(Random& random, std::size_t kind);
Reply random_reply(Random& random);
SnapshotPiece random_snapshot_piece(Random& random);
Packet random_packet(Random& random, std::size_t messages);

}  // namespace juxmem::wire

// The floor: what bare ZeroMQ between processes of this machine takes, to compare with.
#pragma once

#include <cstddef>

#include "juxmem/base/result.h"

namespace juxmem::bench {

enum class SocketKind { kTcp, kIpc };

// Both functions start their peers as processes of their own and end them before they return; they block as long as the
// measurement takes. kIo: a process or socket could not be made, or a peer did not answer within ten seconds.

// Median time of a message of `bytes` to a peer and back, DEALER to ROUTER, blocking calls, microseconds.
Result<double> bare_round_trip_us(SocketKind kind, std::size_t bytes, int rounds);

// Bytes per second when the same `bytes` are sent to each of `peers` peers in pieces of 1 MiB without copying, until all
// have confirmed the last piece. Bytes count once, however many peers there are.
Result<double> bare_push_bytes_per_second(std::size_t bytes, int peers);

}  // namespace juxmem::bench

// What one client may cost its agent, so that a bad one cannot take the others' share.
#pragma once

#include <cstdint>

#include "juxmem/base/result.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

// All limits of clients with their defaults; what goes beyond is refused by kLimit. A client is who says to be one, a user is whose key was
// shown: reconnecting under other names does not evade a user's limits. The size of a single message is bounded by
// wire::kPacketBytesMax, and what is sent to a client that does not read by RealEnvOptions::peer_bytes_max.
struct AgentLimits {
  std::uint32_t clients_max = 4096;
  std::uint32_t user_clients_max = 1024;                   // of one admitted key, at once
  std::uint64_t user_bytes_max = 1024ull * 1024 * 1024;    // of changes of these clients on their way at once
  std::uint32_t client_requests_max = 4096;                // under way or answered without confirmation, at once
  std::uint64_t client_bytes_max = 256ull * 1024 * 1024;   // of changes on their way at once
  std::uint32_t client_sections_max = 1024;                // held or waited for at once; one-shots are sections, too
  std::uint64_t client_blocks_max = 1U << 20;              // allocated here and not freed, in the client's life
  std::uint64_t client_memory_max = wire::kBlockBytesMax;  // bytes of these blocks

  // Which limit makes no sense, named.
  Status check() const;
};

inline Status AgentLimits::check() const {
  if (clients_max == 0 || user_clients_max == 0 || user_bytes_max == 0 || client_requests_max == 0 ||
      client_bytes_max == 0 || client_sections_max == 0 || client_blocks_max == 0 || client_memory_max == 0) {
    return fail(Code::kInvalid, "a limit of clients must not be 0");
  }
  // An agent has so many operations of a group open at once, for all its clients together.
  if (client_sections_max > wire::kSlotsPerSessionMax / 2) {
    return fail(Code::kInvalid,
                "client-sections-max must leave room for others: at most " + std::to_string(wire::kSlotsPerSessionMax / 2));
  }
  return {};
}

}  // namespace juxmem

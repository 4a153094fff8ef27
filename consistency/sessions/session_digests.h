// What sessions and their slots contribute to the digest of their table. Included by the table's own files only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "juxmem/base/digest.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"

namespace juxmem {

inline std::uint64_t digest_of_reply(const wire::Reply& reply) {
  std::uint64_t digest = digest_of(std::as_bytes(std::span(std::string_view(reply.detail))), 1);
  const std::uint64_t numbers[] = {
      static_cast<std::uint64_t>(reply.code), reply.session, reply.block, reply.version, reply.amount, reply.number};
  return digest_of(std::as_bytes(std::span(numbers)), digest);
}

inline std::uint64_t digest_of_slot(SessionId session, std::size_t slot, std::uint64_t counter, const wire::Reply& reply) {
  const std::uint64_t numbers[] = {session, slot, counter};
  return digest_of(std::as_bytes(std::span(numbers)), digest_of_reply(reply));
}

inline std::uint64_t digest_of_session(SessionId session, NodeId node, std::uint64_t incarnation, bool alive) {
  const std::uint64_t numbers[] = {session, node, incarnation, alive ? 1ULL : 2ULL};
  return digest_of(std::as_bytes(std::span(numbers)));
}

}  // namespace juxmem

// What the tests of the state machines share: an arena, a machine, and a session to use it with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/provider/block_machine.h"
#include "juxmem/storage/page_arena.h"

namespace juxmem {

inline constexpr GroupId kGroup = 3;
inline constexpr std::uint64_t kArenaBytes = 64U << 20;

// Grants in the order of their numbers.
inline Grant grant(std::uint64_t round, std::uint64_t counter = 1) { return {.ballot = {round, 1}, .counter = counter}; }

inline Buffer bytes(std::size_t size, char fill) { return Buffer::copy_of(std::string(size, fill)); }

struct BlockRig {
  explicit BlockRig(const BlockLimits& limits = {}) : machine(kGroup, arena, limits) { session = open(1); }

  SessionId open(NodeId node) {
    return machine.apply(++instance, wire::Command{.op = {}, .action = wire::OpenSession{node, 1}}, {}).reply.session;
  }
  Applied expire(SessionId ended) {
    return machine.apply(++instance, wire::Command{.op = {}, .action = wire::ExpireSession{ended}}, {});
  }
  Applied run(const OpId& op, wire::Action action, const Buffer& data = {}) {
    return machine.apply(++instance, wire::Command{.op = op, .action = std::move(action)}, data);
  }
  // As the next operation of the session's first slot.
  Applied run(wire::Action action, const Buffer& data = {}) { return run(next(), std::move(action), data); }
  OpId next() { return {.session = session, .slot = 0, .counter = ++counter}; }

  BlockId allocate(std::uint64_t size_bytes) {
    return run(wire::Allocate{.size_bytes = size_bytes, .added_quota_bytes = pages_of(size_bytes) * kPageBytes, .meta = {}})
        .reply.block;
  }
  wire::PagesReply read(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, Version since = 0,
                        std::uint64_t bytes_max = 1U << 20) const {
    return machine.read_pages({.block = block, .tag = 1, .offset = offset, .size_bytes = size_bytes, .since = since},
                              bytes_max);
  }
  // The content of the block, pages that were never written included.
  std::string content(BlockId block) const {
    std::string text(machine.find(block)->size_bytes, '\0');
    const wire::PagesReply pages = read(block, 0, text.size(), 0, ~0ULL);
    for (std::size_t i = 0; i < pages.ranges.size(); ++i) {
      text.replace(pages.ranges[i].offset, pages.ranges[i].size_bytes, pages.data[i].text());
    }
    return text;
  }

  PageArena arena = *PageArena::create(kArenaBytes);
  BlockMachine machine;
  Instance instance = 0;
  SessionId session = 0;
  std::uint64_t counter = 0;
};

}  // namespace juxmem

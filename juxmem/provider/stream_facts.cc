#include "juxmem/provider/stream_facts.h"

#include <cstring>
#include <utility>

#include "consistency/paxos/stop_sign.h"

namespace juxmem {
namespace {

// As it lies in the bytes, before the members.
struct Head {
  std::uint64_t base = 0;
  std::uint64_t promised_round = 0;
  std::uint64_t promised_node = 0;
  std::uint64_t decided = 0;
};
static_assert(std::has_unique_object_representations_v<Head>);

}  // namespace

StreamFacts facts_of(const StreamConfig& config) {
  return {.stream = config.stream,
          .members = config.members,
          .base = config.base,
          .round_floor = config.round_floor,
          .promised = {},
          .decided = config.base};
}

// Members are written as a stop-sign would name them.
Buffer encode(const StreamFacts& facts) {
  const Head head{facts.base, facts.promised.round, facts.promised.node, facts.decided};
  const Buffer members = encode(StopSign{facts.stream.epoch, facts.round_floor, facts.members});
  std::vector<std::byte> bytes(sizeof head + members.size());
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, members.data(), members.size());
  return Buffer::take(std::move(bytes));
}

std::optional<StreamFacts> decode_stream_facts(const StreamId& stream, const Buffer& bytes) {
  Head head;
  if (bytes.size() < sizeof head || stream.epoch == 0) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  const StreamId before{stream.group, stream.epoch - 1};
  std::optional<StopSign> sign = decode_stop_sign(before, bytes.slice(sizeof head, bytes.size() - sizeof head));
  if (!sign) return std::nullopt;
  return StreamFacts{.stream = stream,
                     .members = std::move(sign->members),
                     .base = head.base,
                     .round_floor = sign->round,
                     .promised = {head.promised_round, static_cast<NodeId>(head.promised_node)},
                     .decided = head.decided};
}

}  // namespace juxmem

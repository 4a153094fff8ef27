// What a node's log and checkpoints say of a stream beside its entries.
#pragma once

#include <optional>

#include "consistency/paxos/stream.h"
#include "juxmem/base/buffer.h"

namespace juxmem {

// The members of an epoch, where it begins, and what this one had promised and knew decided.
struct StreamFacts {
  StreamId stream;
  std::vector<StreamMember> members;
  Instance base = 0;
  std::uint64_t round_floor = 0;
  Ballot promised;
  Instance decided = 0;
  bool operator==(const StreamFacts&) const = default;
};

StreamFacts facts_of(const StreamConfig& config);

// The owner's bytes of an OpenedRecord, and the first piece of a checkpoint; nullopt if they are not these of `stream`.
Buffer encode(const StreamFacts& facts);
std::optional<StreamFacts> decode_stream_facts(const StreamId& stream, const Buffer& bytes);

}  // namespace juxmem

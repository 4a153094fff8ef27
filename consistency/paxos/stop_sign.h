// Stop-sign: the last entry of an epoch, which names the next one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "consistency/paxos/quorum_system.h"
#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// The content of a kStop entry. Lamport, Malkhi and Zhou, "Reconfiguring a state machine", 2010, section 3.1.
struct StopSign {
  std::uint32_t next_epoch = 0;
  std::uint64_t round = 0;            // who proposed it coordinated under this round; the next epoch's rounds are higher
  std::vector<StreamMember> members;  // of the next epoch, the preferred coordinator first
  bool operator==(const StopSign&) const = default;
};

// The command of a kStop entry, and back; nullopt if the bytes are no stop-sign that `ended` may have.
Buffer encode(const StopSign& sign);
std::optional<StopSign> decode_stop_sign(const StreamId& ended, const Buffer& command);

// Whether entries that came from another member may be taken in: every Stop among them can be decoded.
bool stops_are_sound(const StreamId& stream, const std::vector<wire::Entry>& entries);

// Members that a stream can have: some, not too many, each once. Error: kInvalid.
Status check_members(const std::vector<StreamMember>& members);

}  // namespace juxmem

#include "consistency/paxos/stop_sign.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

namespace juxmem {
namespace {

static_assert(std::endian::native == std::endian::little, "stop-signs are stored as they lie in memory");

// As it lies in the command: this head, then the members.
struct Head {
  std::uint64_t round = 0;
  std::uint32_t next_epoch = 0;
  std::uint32_t members = 0;
};
static_assert(std::has_unique_object_representations_v<Head> && std::has_unique_object_representations_v<StreamMember>);

}  // namespace

Buffer encode(const StopSign& sign) {
  const Head head{sign.round, sign.next_epoch, static_cast<std::uint32_t>(sign.members.size())};
  std::vector<std::byte> bytes(sizeof head + sign.members.size() * sizeof(StreamMember));
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, sign.members.data(), sign.members.size() * sizeof(StreamMember));
  return Buffer::take(std::move(bytes));
}

std::optional<StopSign> decode_stop_sign(const StreamId& ended, const Buffer& command) {
  Head head;
  if (command.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, command.bytes().data(), sizeof head);
  if (head.members == 0 || head.members > kMembersMax || head.next_epoch != ended.epoch + 1) return std::nullopt;
  if (command.size() != sizeof head + head.members * sizeof(StreamMember)) return std::nullopt;
  StopSign sign{head.next_epoch, head.round, std::vector<StreamMember>(head.members)};
  std::memcpy(sign.members.data(), command.bytes().data() + sizeof head, head.members * sizeof(StreamMember));
  if (!check_members(sign.members)) return std::nullopt;
  return sign;
}

bool stops_are_sound(const StreamId& stream, const std::vector<wire::Entry>& entries) {
  return std::ranges::all_of(entries, [&](const wire::Entry& entry) {
    return entry.kind != wire::EntryKind::kStop || decode_stop_sign(stream, entry.command).has_value();
  });
}

Status check_members(const std::vector<StreamMember>& members) {
  if (members.empty()) return fail(Code::kInvalid, "a stream needs at least one member");
  if (members.size() > kMembersMax)
    return fail(Code::kInvalid, "a stream has at most " + std::to_string(kMembersMax) + " members");
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].node == 0) return fail(Code::kInvalid, "a member without a number");
    for (std::size_t j = 0; j < i; ++j) {
      if (members[j].node == members[i].node) return fail(Code::kInvalid, "a member is named twice");
    }
  }
  return {};
}

}  // namespace juxmem

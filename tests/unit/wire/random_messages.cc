#include "tests/unit/wire/random_messages.h"

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "juxmem/wire/codec_schema.h"
#include "juxmem/wire/limits.h"

namespace juxmem::wire {
namespace {

using codec::HasSchema;
using codec::IsVariant;
using codec::kFields;
using codec::with_members;

// Numbers at the edges more often than chance would have it.
template <typename T>
T random_number(Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<T>(random.below(3));
    case 1:
      return std::numeric_limits<T>::max();
    default:
      return static_cast<T>(random.next());
  }
}

Buffer random_buffer(Random& random) {
  constexpr std::array<std::size_t, 7> kSizes = {
      0, 1, 37, kFrameThresholdBytes - 1, kFrameThresholdBytes, kFrameThresholdBytes + 1, 9000};
  std::vector<std::byte> bytes(kSizes[random.below(kSizes.size())]);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return Buffer::take(std::move(bytes));
}

std::string random_text(Random& random) {
  std::string text(random.chance(50'000) ? kNameBytesMax : random.below(20), ' ');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

Code random_code(Random& random) {
  for (;;) {
    const auto number = static_cast<std::uint32_t>(random.below(256));
    if (is_code(number)) return static_cast<Code>(number);
  }
}

// ---- what the limits ask of a value beyond its members --------------------------------------------------------------------

template <typename T>
void fit(Random& /*random*/, T& /*value*/) {}

void fit(Random& /*random*/, StreamId& stream) { stream.group &= kGroupIdMax; }
void fit(Random& /*random*/, OpId& op) { op.slot %= kSlotsPerSessionMax; }
void fit(Random& random, Range& range) {
  range.offset = random.below(kBlockBytesMax + 1);
  range.size_bytes = random.below(kBlockBytesMax - range.offset + 1);
}
void fit(Random& /*random*/, WatchBlock& watch) { watch.for_ms %= kTimeoutMsMax + 1; }
void fit(Random& /*random*/, ClientRequest& request) { request.limit_ms %= kTimeoutMsMax + 1; }

template <typename T>
void fit_ranges(Random& random, T& value) {
  value.ranges.clear();
  for (const Buffer& piece : value.data) {
    value.ranges.push_back({random.below(kBlockBytesMax - piece.size()), piece.size()});
  }
}
void fit(Random& random, PagesReply& reply) { fit_ranges(random, reply); }
void fit(Random& random, ReleaseRequest& request) { fit_ranges(random, request); }
void fit(Random& random, ClientAnswer& answer) {
  fit_ranges(random, answer);
  answer.blocks.resize(answer.names.size(), random.next());
}

void fit(Random& /*random*/, SnapshotReply& reply) { reply.percent %= 101; }
void fit(Random& random, SlotRow& row) {
  row.slot %= kSlotsPerSessionMax;
  row.counter = 1 + random.below(1000);
}
void fit(Random& random, BlockRow& row) { row.size_bytes = 1 + random.below(kBlockBytesMax); }
void fit(Random& /*random*/, PagesRow& row) {
  row.data = Buffer::take(std::vector<std::byte>(row.versions.size() * kPageBytes, std::byte{7}));
}
void fit(Random& /*random*/, LedgerRow& row) { row.open_bytes.resize(row.open_numbers.size()); }
void fit(Random& /*random*/, ManagerList& list) { list.addresses.resize(list.nodes.size()); }
void fit(Random& /*random*/, CatalogGroup& group) { group.vacant_until.resize(group.vacant.size()); }
void fit(Random& /*random*/, StagedRow& row) { row.slot %= kSlotsPerSessionMax; }

// ---- any value --------------------------------------------------------------------------------------------------------------

template <typename T>
void fill(Random& random, T& value);

template <typename V, std::size_t... I>
void fill_alternative(Random& random, V& value, std::size_t index, std::index_sequence<I...>) {
  const auto fill_if = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
    if (index == K) fill(random, value.template emplace<K>());
  };
  (fill_if(std::integral_constant<std::size_t, I>{}), ...);
}

template <typename V>
void fill_alternative(Random& random, V& value, std::size_t index) {
  fill_alternative(random, value, index, std::make_index_sequence<std::variant_size_v<typename V::variant>>{});
}

template <typename T>
void fill_list(Random& random, std::vector<T>& list) {
  list.resize(random.below(5));
  for (T& item : list) fill(random, item);
}

template <typename T>
void fill(Random& random, T& value) {
  if constexpr (std::is_same_v<T, Code>) {
    value = random_code(random);
  } else if constexpr (std::is_same_v<T, Mode>) {
    value = static_cast<Mode>(random.below(3));
  } else if constexpr (std::is_same_v<T, Durability>) {
    value = static_cast<Durability>(random.below(2));
  } else if constexpr (std::is_same_v<T, EntryKind>) {
    value = static_cast<EntryKind>(random.below(4));
  } else if constexpr (std::is_same_v<T, bool>) {
    value = random.below(2) == 1;
  } else if constexpr (std::is_arithmetic_v<T>) {
    value = random_number<T>(random);
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = random_text(random);
  } else if constexpr (std::is_same_v<T, Buffer>) {
    value = random_buffer(random);
  } else if constexpr (IsVariant<T>) {
    fill_alternative(random, value, random.below(std::variant_size_v<typename T::variant>));
  } else if constexpr (HasSchema<T>) {
    with_members<kFields<T>>(value, [&](auto&... member) { (fill(random, member), ...); });
    fit(random, value);
  } else {
    fill_list(random, value);
  }
}

constexpr std::size_t kStream = std::variant_size_v<StreamMessage::variant>;
constexpr std::size_t kGroup = std::variant_size_v<GroupMessage::variant>;
constexpr std::size_t kClient = std::variant_size_v<ClientMessage::variant>;

}  // namespace

std::size_t message_kinds() { return kStream + kGroup + kClient; }
std::size_t command_kinds() { return std::variant_size_v<Action::variant>; }

Message random_message(Random& random, std::size_t kind) {
  if (kind < kStream) {
    StreamMessage message;
    fill_alternative(random, message, kind);
    return message;
  }
  if (kind < kStream + kGroup) {
    GroupMessage message;
    fill_alternative(random, message, kind - kStream);
    return message;
  }
  ClientMessage message;
  fill_alternative(random, message, kind - kStream - kGroup);
  return message;
}

Command random_command(Random& random, std::size_t kind) {
  Command command;
  fill(random, command.op);
  fill_alternative(random, command.action, kind);
  return command;
}

Reply random_reply(Random& random) {
  Reply reply;
  fill(random, reply);
  return reply;
}

SnapshotPiece random_snapshot_piece(Random& random) {
  SnapshotPiece piece;
  fill(random, piece);
  return piece;
}

Packet random_packet(Random& random, std::size_t messages) {
  Packet packet{.from = random_number<NodeId>(random),
                .incarnation = random.next(),
                .to = random_number<NodeId>(random),
                .to_incarnation = random.next(),
                .messages = {}};
  for (std::size_t i = 0; i < messages; ++i) {
    packet.messages.push_back(random_message(random, random.below(message_kinds())));
  }
  return packet;
}

}  // namespace juxmem::wire

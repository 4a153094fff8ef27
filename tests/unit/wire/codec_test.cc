#include "juxmem/wire/codec.h"

#include <gtest/gtest.h>

#include "juxmem/wire/limits.h"
#include "tests/unit/wire/random_messages.h"

namespace juxmem::wire {
namespace {

constexpr std::uint64_t kSeed = 20061;
constexpr int kRounds = 40;

Buffer bytes_of(std::size_t size) { return Buffer::take(std::vector<std::byte>(size, std::byte{7})); }

Packet packet_with(Message message) {
  return Packet{.from = 3, .incarnation = 4, .to = 5, .to_incarnation = 6, .messages = {std::move(message)}};
}

TEST(Codec, EveryMessageComesBackEqual) {
  for (std::size_t kind = 0; kind < message_kinds(); ++kind) {
    Random random(kSeed + kind);
    for (int round = 0; round < kRounds; ++round) {
      const Packet packet = packet_with(random_message(random, kind));
      const Result<Packet> decoded = decode(encode(packet));
      ASSERT_TRUE(decoded) << "kind " << kind << " round " << round << ": " << to_string(decoded.error());
      ASSERT_EQ(*decoded, packet) << "kind " << kind << " round " << round;
    }
  }
}

TEST(Codec, EveryCommandComesBackEqual) {
  for (std::size_t kind = 0; kind < command_kinds(); ++kind) {
    Random random(kSeed + kind);
    for (int round = 0; round < kRounds; ++round) {
      const Command command = random_command(random, kind);
      const Result<Command> decoded = decode_command(encode_command(command));
      ASSERT_TRUE(decoded) << "kind " << kind << " round " << round << ": " << to_string(decoded.error());
      ASSERT_EQ(*decoded, command) << "kind " << kind << " round " << round;
    }
  }
}

TEST(Codec, RepliesComeBackEqual) {
  Random random(kSeed);
  for (int round = 0; round < kRounds; ++round) {
    const Reply reply = random_reply(random);
    const Result<Reply> decoded = decode_reply(encode_reply(reply));
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    ASSERT_EQ(*decoded, reply);
  }
}

TEST(Codec, PacketOfManyMessagesComesBackInOrder) {
  Random random(kSeed);
  const Packet packet = random_packet(random, 200);
  const Result<Packet> decoded = decode(encode(packet));
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  EXPECT_EQ(*decoded, packet);
}

TEST(Codec, EmptyPacketComesBackEqual) {
  const Packet packet{.from = 1, .incarnation = 2, .to = 0, .to_incarnation = 0, .messages = {}};
  const Result<Packet> decoded = decode(encode(packet));
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  EXPECT_EQ(*decoded, packet);
}

TEST(Codec, LargeBufferTravelsUncopiedBothWays) {
  const Buffer data = bytes_of(kFrameThresholdBytes);
  Propose propose;
  propose.data = data;
  const std::vector<Buffer> parts = encode(packet_with(GroupMessage(propose)));
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1].data(), data.data());
  const Result<Packet> decoded = decode(parts);
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  const auto& message = std::get<GroupMessage>(decoded->messages[0]);
  EXPECT_EQ(std::get<Propose>(message).data.data(), data.data());
}

TEST(Codec, SmallBufferTravelsInTheHeadAndIsCopiedOutOfIt) {
  Propose propose;
  propose.data = bytes_of(kFrameThresholdBytes - 1);
  const std::vector<Buffer> parts = encode(packet_with(GroupMessage(propose)));
  ASSERT_EQ(parts.size(), 1U);
  const Result<Packet> decoded = decode(parts);
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  const Buffer& data = std::get<Propose>(std::get<GroupMessage>(decoded->messages[0])).data;
  EXPECT_EQ(data, propose.data);
  const bool inside = data.data() >= parts[0].data() && data.data() < parts[0].data() + parts[0].size();
  EXPECT_FALSE(inside);
}

TEST(Codec, CommandIsOnePieceHoweverLargeItsBytes) {
  Command command;
  Allocate allocate;
  allocate.meta = bytes_of(kMetaBytesMax);
  command.action = allocate;
  const Result<Command> decoded = decode_command(encode_command(command));
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  EXPECT_EQ(*decoded, command);
}

TEST(Codec, SnapshotPieceComesBackAsItWas) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(kSeed + seed);
    const SnapshotPiece piece = random_snapshot_piece(random);
    const Result<SnapshotPiece> decoded = decode_snapshot_piece(encode_snapshot_piece(piece));
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    ASSERT_EQ(*decoded, piece) << "seed " << seed;
  }
}

TEST(Codec, SnapshotPieceOfAnotherFormatIsNamedSo) {
  const Buffer piece = encode_snapshot_piece({});
  std::vector<std::byte> bytes(piece.data(), piece.data() + piece.size());
  bytes[4] = static_cast<std::byte>(kSnapshotFormat + 1);
  const Result<SnapshotPiece> decoded = decode_snapshot_piece(Buffer::take(std::move(bytes)));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kNotSupported);
}

TEST(Codec, SnapshotPieceBeyondTheLimitIsRefused) {
  SnapshotPiece piece;
  const std::vector<std::byte> data(kEntryBytesMax);
  piece.staged.push_back({.session = 1, .ranges = {}, .data = Buffer::copy_of(data)});
  const Result<SnapshotPiece> decoded = decode_snapshot_piece(encode_snapshot_piece(piece));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kProtocol);
}

TEST(Codec, EncodingIsTheSameEachTime) {
  for (std::size_t kind = 0; kind < command_kinds(); ++kind) {
    Random random(kSeed + kind);
    const Command command = random_command(random, kind);
    EXPECT_EQ(encode_command(command), encode_command(command));
  }
}

TEST(Codec, UnalignedHeadIsDecoded) {
  Random random(kSeed);
  const Packet packet = packet_with(random_message(random, 4));
  std::vector<Buffer> parts = encode(packet);
  std::vector<std::byte> moved(parts[0].size() + 1);
  std::copy(parts[0].data(), parts[0].data() + parts[0].size(), moved.begin() + 1);
  parts[0] = Buffer::take(std::move(moved)).slice(1, parts[0].size());
  const Result<Packet> decoded = decode(parts);
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  EXPECT_EQ(*decoded, packet);
}

}  // namespace
}  // namespace juxmem::wire

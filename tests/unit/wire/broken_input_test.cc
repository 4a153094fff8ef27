// Packets that no encoder makes: each is refused with its reason.
#include <gtest/gtest.h>

#include <functional>

#include "juxmem/wire/codec.h"
#include "juxmem/wire/codec_head.h"
#include "juxmem/wire/limits.h"
#include "tests/unit/wire/random_messages.h"

namespace juxmem::wire {
namespace {

using codec::Offset;
using codec::Packer;
using juxmem::fbs::AnyMessage;

Buffer bytes_of(std::size_t size) { return Buffer::take(std::vector<std::byte>(size, std::byte{7})); }

std::vector<Buffer> valid_parts() {
  Propose propose;
  propose.command = bytes_of(100);
  propose.data = bytes_of(5000);
  return encode(Packet{.from = 1, .incarnation = 2, .to = 3, .to_incarnation = 4, .messages = {GroupMessage(propose)}});
}

std::string why_refused(const std::vector<Buffer>& parts) {
  const Result<Packet> decoded = decode(parts);
  if (decoded) return "accepted";
  EXPECT_EQ(decoded.error().code, Code::kProtocol);
  return decoded.error().detail;
}

// A packet with one message, made by hand out of the generated functions.
std::vector<Buffer> by_hand(AnyMessage type, const std::function<Offset<void>(flatbuffers::FlatBufferBuilder&)>& body,
                            std::vector<Buffer> frames = {}) {
  Packer packer;
  auto& builder = packer.builder;
  const auto envelope = juxmem::fbs::CreateEnvelope(builder, type, body(builder));
  const auto messages = builder.CreateVector(&envelope, 1);
  const auto root = juxmem::fbs::CreatePacket(builder, 1, 2, 3, 4, messages);
  packer.frames = frames;
  frames.insert(frames.begin(), codec::finish(packer, root, codec::kPacketMagic));
  return frames;
}

Offset<void> propose_with(flatbuffers::FlatBufferBuilder& builder, Offset<juxmem::fbs::Bytes> command,
                          Offset<juxmem::fbs::Bytes> data) {
  return juxmem::fbs::CreatePropose(builder, 1, 2, command, data).Union();
}

TEST(BrokenInput, OtherVersionHasItsOwnError) {
  std::vector<Buffer> parts = valid_parts();
  std::vector<std::byte> head(parts[0].data(), parts[0].data() + parts[0].size());
  head[4] ^= std::byte{0x40};
  parts[0] = Buffer::take(std::move(head));
  const Result<Packet> decoded = decode(parts);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kNotSupported);
  EXPECT_NE(decoded.error().detail.find("version 65"), std::string::npos) << decoded.error().detail;
}

TEST(BrokenInput, NothingIsRefused) { EXPECT_EQ(why_refused({}), "packet: without a head"); }

TEST(BrokenInput, ForeignBytesAreRefused) {
  EXPECT_EQ(why_refused({bytes_of(3)}), "too short to be a JuxMem message");
  EXPECT_EQ(why_refused({bytes_of(300)}), "does not begin as a JuxMem message does");
}

TEST(BrokenInput, CommandIsNoPacket) {
  EXPECT_EQ(why_refused({encode_command(Command{})}), "does not begin as a JuxMem message does");
}

TEST(BrokenInput, EveryTruncationIsRefused) {
  const std::vector<Buffer> parts = valid_parts();
  for (std::size_t size = 0; size < parts[0].size(); ++size) {
    std::vector<Buffer> cut = parts;
    // A copy of exactly this size lets the address sanitizer see any read beyond it.
    cut[0] = Buffer::copy_of(parts[0].bytes().first(size));
    EXPECT_FALSE(decode(cut)) << size;
  }
}

TEST(BrokenInput, EveryTruncationOfACommandIsRefused) {
  Random random(5);
  for (std::size_t kind = 0; kind < command_kinds(); ++kind) {
    const Buffer whole = encode_command(random_command(random, kind));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_command(Buffer::copy_of(whole.bytes().first(size)))) << kind << " " << size;
    }
  }
}

TEST(BrokenInput, BytesBehindTheHeadAreRefused) {
  std::vector<Buffer> parts = valid_parts();
  std::vector<std::byte> head(parts[0].data(), parts[0].data() + parts[0].size());
  head.resize(head.size() + 8);
  parts[0] = Buffer::take(std::move(head));
  EXPECT_EQ(why_refused(parts), "not as long as its head says");
}

TEST(BrokenInput, LostOrAddedPartIsRefused) {
  std::vector<Buffer> parts = valid_parts();
  parts.push_back(bytes_of(2000));
  EXPECT_EQ(why_refused(parts), "not as many parts as its head says");
  parts.resize(1);
  EXPECT_EQ(why_refused(parts), "not as many parts as its head says");
}

TEST(BrokenInput, MissingPartIsRefused) {
  const auto parts = by_hand(AnyMessage::Propose,
                             [](auto& builder) { return propose_with(builder, juxmem::fbs::CreateBytes(builder, 0, 2), 0); },
                             {bytes_of(2000)});
  EXPECT_EQ(why_refused(parts), "packet: refers to a part that is not there");
}

TEST(BrokenInput, UnusedPartIsRefused) {
  const auto parts =
      by_hand(AnyMessage::Propose, [](auto& builder) { return propose_with(builder, 0, 0); }, {bytes_of(2000)});
  EXPECT_EQ(why_refused(parts), "packet: a part that no message refers to");
}

TEST(BrokenInput, TinyPartIsRefused) {
  std::vector<Buffer> parts = valid_parts();
  parts[1] = bytes_of(10);
  EXPECT_EQ(why_refused(parts), "packet: a part too small to be one");
}

TEST(BrokenInput, TooManyPartsAreRefused) {
  const auto parts = by_hand(
      AnyMessage::Propose, [](auto& builder) { return propose_with(builder, 0, 0); },
      std::vector<Buffer>(kPacketFramesMax + 1, bytes_of(kFrameThresholdBytes)));
  EXPECT_EQ(why_refused(parts), "packet: more parts than the limit");
}

TEST(BrokenInput, TooManyBytesAreRefused) {
  const auto parts = by_hand(
      AnyMessage::Propose, [](auto& builder) { return propose_with(builder, 0, 0); },
      std::vector<Buffer>(9, bytes_of(kPacketBytesMax / 8)));
  EXPECT_EQ(why_refused(parts), "packet: longer than the limit");
}

TEST(BrokenInput, PartUsedTwiceIsRefused) {
  const auto parts = by_hand(AnyMessage::Propose,
                             [](auto& builder) {
                               const auto first = juxmem::fbs::CreateBytes(builder, 0, 1);
                               const auto second = juxmem::fbs::CreateBytes(builder, 0, 1);
                               return propose_with(builder, first, second);
                             },
                             {bytes_of(2000)});
  EXPECT_EQ(why_refused(parts), "packet: refers to a part twice");
}

TEST(BrokenInput, BytesInTwoPlacesAreRefused) {
  const auto parts = by_hand(AnyMessage::Propose,
                             [](auto& builder) {
                               const std::vector<std::uint8_t> some(10);
                               const auto both = juxmem::fbs::CreateBytes(builder, builder.CreateVector(some), 1);
                               return propose_with(builder, both, 0);
                             },
                             {bytes_of(2000)});
  EXPECT_EQ(why_refused(parts), "packet: bytes both in place and in a part");
}

TEST(BrokenInput, SameBytesReferredToAgainAndAgainAreRefused) {
  const auto parts = by_hand(AnyMessage::NamesReply, [](auto& builder) {
    const auto row = juxmem::fbs::CreateNameRow(builder, builder.CreateString(std::string(1000, 'n')), 5);
    const std::vector<Offset<juxmem::fbs::NameRow>> rows(500, row);
    return juxmem::fbs::CreateNamesReply(builder, 1, 0, builder.CreateVector(rows)).Union();
  });
  EXPECT_EQ(why_refused(parts), "packet: refers to the same bytes more than once");
}

TEST(BrokenInput, UnknownKindIsRefused) {
  const auto parts = by_hand(static_cast<AnyMessage>(250),
                             [](auto& builder) { return juxmem::fbs::CreateWatchCatalog(builder, 1).Union(); });
  EXPECT_EQ(why_refused(parts), "packet: a message of an unknown kind");
}

TEST(BrokenInput, EnvelopeWithoutMessageIsRefused) {
  const auto parts = by_hand(AnyMessage::WatchCatalog, [](auto&) { return Offset<void>(0); });
  EXPECT_EQ(why_refused(parts), "packet: an envelope without a message");
}

TEST(BrokenInput, MessageOfAnotherKindThanItSaysIsRefused) {
  const auto parts =
      by_hand(AnyMessage::Join, [](auto& builder) { return juxmem::fbs::CreateWatchCatalog(builder, 1).Union(); });
  EXPECT_EQ(why_refused(parts), "packet: not a valid FlatBuffer");
}

TEST(BrokenInput, MissingMemberIsRefused) {
  const auto parts =
      by_hand(AnyMessage::Executed, [](auto& builder) { return juxmem::fbs::CreateExecuted(builder, 1, 2, 3).Union(); });
  EXPECT_EQ(why_refused(parts), "packet: without one of its members");
}

TEST(BrokenInput, ValueOutsideItsListIsRefused) {
  const auto parts = by_hand(AnyMessage::RequestOwnership, [](auto& builder) {
    return juxmem::fbs::CreateRequestOwnership(builder, 1, 2, static_cast<juxmem::fbs::Mode>(9), 3).Union();
  });
  EXPECT_EQ(why_refused(parts), "packet: a value outside its list");
}

TEST(BrokenInput, CodeOutsideTheListIsRefused) {
  const auto parts = by_hand(AnyMessage::BlockChanged,
                             [](auto& builder) { return juxmem::fbs::CreateBlockChanged(builder, 1, 2, 200).Union(); });
  EXPECT_EQ(why_refused(parts), "packet: a code outside the list");
}

TEST(BrokenInput, LongListIsRefused) {
  const auto parts = by_hand(AnyMessage::ManagerHello, [](auto& builder) {
    const auto members = builder.CreateVector(std::vector<std::uint64_t>(kListMax + 1));
    return juxmem::fbs::CreateManagerHello(builder, 0, 1, 2, false, members).Union();
  });
  EXPECT_EQ(why_refused(parts), "packet: a list longer than the limit");
}

TEST(BrokenInput, LongTextIsRefused) {
  const auto parts = by_hand(AnyMessage::ClientHello, [](auto& builder) {
    return juxmem::fbs::CreateClientHello(builder, 1, builder.CreateString(std::string(kTextBytesMax + 1, 'x'))).Union();
  });
  EXPECT_EQ(why_refused(parts), "packet: a text longer than the limit");
}

// What the messages' own checks refuse, one of each kind.
std::string why_message_refused(Message message) {
  return why_refused(
      encode(Packet{.from = 1, .incarnation = 2, .to = 3, .to_incarnation = 4, .messages = {std::move(message)}}));
}

TEST(BrokenInput, RangeBeyondTheLargestBlockIsRefused) {
  PagesReply reply;
  reply.ranges = {{kBlockBytesMax, 100}};
  reply.data = {bytes_of(100)};
  EXPECT_EQ(why_message_refused(GroupMessage(reply)), "packet: a range beyond the largest block");
  reply.ranges = {{~0ULL - 10, 100}};
  EXPECT_EQ(why_message_refused(GroupMessage(reply)), "packet: a range beyond the largest block");
}

TEST(BrokenInput, RangesThatDoNotFitTheirDataAreRefused) {
  ReleaseRequest release;
  release.ranges = {{0, 100}, {200, 100}};
  release.data = {bytes_of(100)};
  ClientRequest request;
  request.body = release;
  EXPECT_EQ(why_message_refused(ClientMessage(request)), "packet: not as many ranges as pieces of data");
  release.data = {bytes_of(100), bytes_of(99)};
  request.body = release;
  EXPECT_EQ(why_message_refused(ClientMessage(request)), "packet: a range and its data differ in size");
}

TEST(BrokenInput, LongNameIsRefused) {
  ReadNames read;
  read.name = std::string(kNameBytesMax + 1, 'n');
  EXPECT_EQ(why_message_refused(GroupMessage(read)), "packet: a name longer than the limit");
}

TEST(BrokenInput, LargeEntryIsRefused) {
  Accept accept;
  accept.entries.resize(1);
  accept.entries[0].data = bytes_of(kEntryBytesMax + 1);
  EXPECT_EQ(why_message_refused(StreamMessage(accept)), "packet: an entry's data longer than the limit");
}

TEST(BrokenInput, GroupAndSlotBeyondTheirLimitsAreRefused) {
  Nack nack;
  nack.stream.group = kGroupIdMax + 1;
  EXPECT_EQ(why_message_refused(StreamMessage(nack)), "packet: a group's number beyond the limit");
  Outcome outcome;
  outcome.op.slot = kSlotsPerSessionMax;
  EXPECT_EQ(why_message_refused(GroupMessage(outcome)), "packet: a session's slot beyond the limit");
}

}  // namespace
}  // namespace juxmem::wire

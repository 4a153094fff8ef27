#include "juxmem/wire/codec.h"
#include "juxmem/wire/codec_head.h"

namespace juxmem::wire {
namespace {

using juxmem::fbs::AnyMessage;

// The parts beside the head: how many, and how much in all.
const char* check_parts(std::span<const Buffer> parts) {
  if (parts.size() - 1 > kPacketFramesMax) return "more parts than the limit";
  std::size_t bytes = 0;
  for (const Buffer& part : parts) {
    if (part.size() > kPacketBytesMax - bytes) return "longer than the limit";
    bytes += part.size();
  }
  for (const Buffer& frame : parts.subspan(1)) {
    if (frame.size() < kFrameThresholdBytes) return "a part too small to be one";
  }
  return nullptr;
}

template <typename Family>
bool unpack_as(codec::Unpacker& u, AnyMessage type, const void* body, Message& out) {
  Family family;
  if (!codec::unpack_message(u, type, body, family)) return false;
  out = std::move(family);
  return true;
}

bool unpack_envelope(codec::Unpacker& u, const juxmem::fbs::Envelope& envelope, Message& out) {
  if (!u.spend(sizeof(flatbuffers::soffset_t))) return false;
  if (envelope.body() == nullptr) return u.fail("an envelope without a message");
  const AnyMessage type = envelope.body_type();
  const void* body = envelope.body();
  // A family that knows the type has either decoded it or said what is wrong.
  if (unpack_as<StreamMessage>(u, type, body, out) || u.problem() != nullptr) return u.problem() == nullptr;
  if (unpack_as<GroupMessage>(u, type, body, out) || u.problem() != nullptr) return u.problem() == nullptr;
  if (unpack_as<ClientMessage>(u, type, body, out) || u.problem() != nullptr) return u.problem() == nullptr;
  return u.fail("a message of an unknown kind");
}

bool unpack_packet(codec::Unpacker& u, const juxmem::fbs::Packet& table, Packet& out) {
  out.from = table.from();
  out.incarnation = table.incarnation();
  out.to = table.to();
  out.to_incarnation = table.to_incarnation();
  const auto* messages = table.messages();
  if (messages != nullptr) {
    if (messages->size() > kPacketMessagesMax) return u.fail("more messages than the limit");
    out.messages.resize(messages->size());
    for (flatbuffers::uoffset_t i = 0; i < messages->size(); ++i) {
      if (!unpack_envelope(u, *messages->Get(i), out.messages[i])) return false;
    }
  }
  return u.all_frames_used() || u.fail("a part that no message refers to");
}

}  // namespace

std::vector<Buffer> encode(const Packet& packet) {
  codec::Packer packer{.builder = flatbuffers::FlatBufferBuilder(512), .frames = {}};
  packer.frames.reserve(8);
  std::vector<flatbuffers::Offset<juxmem::fbs::Envelope>> envelopes;
  envelopes.reserve(packet.messages.size());
  for (const Message& message : packet.messages) {
    const auto packed = std::visit([&](const auto& family) { return codec::pack_message(packer, family); }, message);
    envelopes.push_back(juxmem::fbs::CreateEnvelope(packer.builder, packed.type, packed.body));
  }
  const auto messages = packer.builder.CreateVector(envelopes);
  const auto root =
      juxmem::fbs::CreatePacket(packer.builder, packet.from, packet.incarnation, packet.to, packet.to_incarnation, messages);
  std::vector<Buffer> parts;
  parts.reserve(packer.frames.size() + 1);
  parts.push_back(codec::finish(packer, root, codec::kPacketMagic));
  for (Buffer& frame : packer.frames) parts.push_back(std::move(frame));
  return parts;
}

Result<Packet> decode(std::span<const Buffer> parts) {
  if (parts.empty()) return codec::refuse("packet", "without a head");
  Result<Buffer> head = codec::open_head(parts[0], codec::kPacketMagic, parts.size() - 1);
  if (!head) return std::unexpected(std::move(head.error()));
  if (const char* problem = check_parts(parts)) return codec::refuse("packet", problem);
  const auto* data = reinterpret_cast<const std::uint8_t*>(head->data());
  flatbuffers::Verifier verifier(data, head->size(), codec::kDepthMax, codec::kTablesMax);
  if (!juxmem::fbs::VerifyPacketBuffer(verifier)) return codec::refuse("packet", "not a valid FlatBuffer");
  codec::Unpacker u(head->size(), parts.subspan(1));
  Packet packet;
  if (!unpack_packet(u, *juxmem::fbs::GetPacket(data), packet)) return codec::refuse("packet", u.problem());
  return packet;
}

}  // namespace juxmem::wire

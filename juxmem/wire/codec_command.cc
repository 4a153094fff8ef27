#include "juxmem/wire/codec.h"
#include "juxmem/wire/codec_head.h"

namespace juxmem::wire {
namespace {

template <typename T>
Buffer encode_single(const T& value, const codec::Magic& magic) {
  codec::Packer packer{.builder = flatbuffers::FlatBufferBuilder(256), .frames = {}, .frames_allowed = false};
  const auto root = codec::pack_table(packer, value);
  return codec::finish(packer, root, magic);
}

}  // namespace

Buffer encode_command(const Command& command) { return encode_single(command, codec::kCommandMagic); }

Result<Command> decode_command(const Buffer& bytes) {
  return codec::decode_single<Command>(bytes, codec::kCommandMagic, "command");
}

Buffer encode_reply(const Reply& reply) { return encode_single(reply, codec::kReplyMagic); }

Result<Reply> decode_reply(const Buffer& bytes) { return codec::decode_single<Reply>(bytes, codec::kReplyMagic, "reply"); }

}  // namespace juxmem::wire

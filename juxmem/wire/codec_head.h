// What comes before every FlatBuffer: sixteen bytes that say what it is, in which version, and how long. Included by the
// codec's own files only.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/wire/codec_pack.h"
#include "juxmem/wire/codec_unpack.h"
#include "juxmem/wire/limits.h"

namespace juxmem::wire::codec {

// The first four bytes: what follows.
using Magic = std::array<char, 4>;
inline constexpr Magic kPacketMagic = {'J', 'X', 'P', 'K'};
inline constexpr Magic kCommandMagic = {'J', 'X', 'C', 'M'};
inline constexpr Magic kReplyMagic = {'J', 'X', 'R', 'P'};
inline constexpr Magic kSnapshotMagic = {'J', 'X', 'S', 'P'};

// Little endian; as long as two of the largest numbers, so that the FlatBuffer behind it stays aligned.
struct Prefix {
  Magic magic;
  std::uint32_t version;
  std::uint32_t size_bytes;  // of the FlatBuffer
  std::uint32_t frames;      // parts beside the head
};
static_assert(sizeof(Prefix) == 16);

inline constexpr int kDepthMax = 16;
inline constexpr int kTablesMax = 1 << 19;

// Ends the writing: the whole head as one Buffer, which owns the builder's memory.
template <typename T>
Buffer finish(Packer& packer, Offset<T> root, const Magic& magic, std::uint32_t version = kWireVersion) {
  packer.builder.Finish(root);
  const Prefix prefix{magic, flatbuffers::EndianScalar(version),
                      flatbuffers::EndianScalar(static_cast<std::uint32_t>(packer.builder.GetSize())),
                      flatbuffers::EndianScalar(static_cast<std::uint32_t>(packer.frames.size()))};
  packer.builder.PushBytes(reinterpret_cast<const std::uint8_t*>(&prefix), sizeof(prefix));
  auto memory = std::make_shared<flatbuffers::DetachedBuffer>(packer.builder.Release());
  const void* data = memory->data();
  const std::size_t size = memory->size();
  return Buffer::adopt(data, size, std::move(memory));
}

// The FlatBuffer behind the prefix, aligned as its numbers need. kProtocol, kNotSupported: see codec.h.
Result<Buffer> open_head(const Buffer& bytes, const Magic& magic, std::size_t frames, std::uint32_t version = kWireVersion);

inline std::unexpected<Error> refuse(const char* what, const char* problem) {
  return fail(Code::kProtocol, std::string(what) + ": " + problem);
}

// Verifies and decodes a FlatBuffer with nothing beside it.
template <typename T>
Result<T> decode_single(const Buffer& bytes, const Magic& magic, const char* what, std::uint32_t version = kWireVersion) {
  Result<Buffer> head = open_head(bytes, magic, 0, version);
  if (!head) return std::unexpected(std::move(head.error()));
  const auto* data = reinterpret_cast<const std::uint8_t*>(head->data());
  flatbuffers::Verifier verifier(data, head->size(), kDepthMax, kTablesMax);
  if (!verifier.VerifyBuffer<Schema<T>>(nullptr)) return refuse(what, "not a valid FlatBuffer");
  Unpacker u(head->size(), {});
  T out;
  if (!unpack_table(u, flatbuffers::GetRoot<Schema<T>>(data), out)) return refuse(what, u.problem());
  return out;
}

}  // namespace juxmem::wire::codec

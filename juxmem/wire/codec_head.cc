#include "juxmem/wire/codec_head.h"

#include <fmt/core.h>

namespace juxmem::wire::codec {

Result<Buffer> open_head(const Buffer& bytes, const Magic& magic, std::size_t frames, std::uint32_t expected) {
  Prefix prefix;
  if (bytes.size() < sizeof(prefix)) return fail(Code::kProtocol, "too short to be a JuxMem message");
  if (bytes.size() > kPacketHeadBytesMax) return fail(Code::kProtocol, "a head longer than the limit");
  std::memcpy(&prefix, bytes.data(), sizeof(prefix));
  if (prefix.magic != magic) return fail(Code::kProtocol, "does not begin as a JuxMem message does");
  const std::uint32_t version = flatbuffers::EndianScalar(prefix.version);
  if (version != expected) {
    return fail(Code::kNotSupported,
                fmt::format("the other side speaks version {} of the format, this one {}; install the same version of "
                            "JuxMem on both",
                            version, expected));
  }
  if (flatbuffers::EndianScalar(prefix.size_bytes) != bytes.size() - sizeof(prefix)) {
    return fail(Code::kProtocol, "not as long as its head says");
  }
  if (flatbuffers::EndianScalar(prefix.frames) != frames) {
    return fail(Code::kProtocol, "not as many parts as its head says");
  }
  const Buffer flat = bytes.slice(sizeof(prefix), bytes.size() - sizeof(prefix));
  if (reinterpret_cast<std::uintptr_t>(flat.data()) % alignof(std::uint64_t) == 0) return flat;
  // Buffers made here are aligned, parts of network frames need not be.
  auto memory = std::make_shared<std::vector<std::uint64_t>>((flat.size() + 7) / 8);
  std::memcpy(memory->data(), flat.data(), flat.size());
  const void* data = memory->data();
  return Buffer::adopt(data, flat.size(), std::move(memory));
}

}  // namespace juxmem::wire::codec

// How a fuzzer's input is cut into the parts of a packet: repeatedly four bytes of size, little endian, and so many bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"

namespace juxmem::fuzz {

inline std::vector<Buffer> parts_of(std::span<const std::byte> input) {
  std::vector<Buffer> parts;
  while (input.size() >= sizeof(std::uint32_t)) {
    std::uint32_t size = 0;
    std::memcpy(&size, input.data(), sizeof(size));
    input = input.subspan(sizeof(size));
    const std::size_t taken = std::min<std::size_t>(size, input.size());
    // A copy of exactly this size, so that the address sanitizer sees any read beyond it.
    parts.push_back(Buffer::copy_of(input.first(taken)));
    input = input.subspan(taken);
  }
  return parts;
}

inline std::string input_of(std::span<const Buffer> parts) {
  std::string input;
  for (const Buffer& part : parts) {
    const auto size = static_cast<std::uint32_t>(part.size());
    input.append(reinterpret_cast<const char*>(&size), sizeof(size));
    input.append(part.text());
  }
  return input;
}

// Repairs the prefix (FORMAT.md) of a head, so that damage behind it is reached; leaves one in eight as it is.
inline Buffer with_right_prefix(const Buffer& head, const char* magic, std::uint32_t version, std::size_t frames) {
  constexpr std::size_t kPrefixBytes = 16;
  if (head.size() <= kPrefixBytes || static_cast<unsigned>(head.data()[head.size() - 1]) % 8 == 7) return head;
  std::vector<std::byte> bytes(head.data(), head.data() + head.size());
  const std::uint32_t numbers[] = {version, static_cast<std::uint32_t>(head.size() - kPrefixBytes),
                                   static_cast<std::uint32_t>(frames)};
  std::memcpy(bytes.data(), magic, 4);
  std::memcpy(bytes.data() + 4, numbers, sizeof(numbers));
  return Buffer::take(std::move(bytes));
}

}  // namespace juxmem::fuzz

// How a fuzzer's input becomes a segment: the checksums of its sectors and records are put right, so that damage behind them
// is reached.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/digest.h"
#include "juxmem/storage/log/byte_codec.h"
#include "juxmem/storage/log/format.h"

namespace juxmem::fuzz {

inline const LogIdentity kLogIdentity{1, 2, 3};

// One in eight sectors stays as it is. A record that lies within the sector it begins in gets the right checksum, too.
inline Buffer with_right_checksums(std::span<const std::byte> input) {
  using namespace wal;
  std::vector<std::byte> bytes(input.begin(), input.end());
  bytes.resize((bytes.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  for (std::size_t at = 0; at < bytes.size(); at += kSectorBytes) {
    const std::span<std::byte> sector = std::span(bytes).subspan(at, kSectorBytes);
    if (static_cast<unsigned>(sector[30]) % 8 == 7) continue;
    const std::size_t first = number_at<std::uint16_t>(sector, 28);
    if (first < kSectorPayloadBytes - kRecordHeadBytes) {
      const std::span<std::byte> rest = sector.subspan(kSectorHeadBytes + first);
      const std::size_t size = number_at<std::uint32_t>(rest, 8);
      if (size >= kRecordHeadBytes && size <= rest.size()) put_number(rest, 0, digest_of(rest.subspan(8, size - 8)));
    }
    bool zero = true;
    for (std::size_t i = 8; i < kSectorBytes; ++i) zero = zero && sector[i] == std::byte{0};
    if (!zero) put_number(sector, 0, digest_of(sector.subspan(8)));
  }
  return Buffer::take(std::move(bytes));
}

}  // namespace juxmem::fuzz

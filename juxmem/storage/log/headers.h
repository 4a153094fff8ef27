// The blocks that say whose files these are: the header of a segment, and the identity file.
#pragma once

#include <cstdint>
#include <span>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/storage/log/log_types.h"

namespace juxmem::wal {

struct SegmentHeader {
  LogIdentity identity;
  std::uint64_t number = 0;  // 0 in the identity file
  std::uint64_t segment_bytes = 0;
  bool operator==(const SegmentHeader&) const = default;
};

// One block: every sector of it is a copy.
Buffer encode_header(const SegmentHeader& header);
// From the first good copy in `bytes` (at most one block). kNotSupported: written by another version, which is named; kIo:
// no copy is good.
Result<SegmentHeader> decode_header(std::span<const std::byte> bytes);

}  // namespace juxmem::wal

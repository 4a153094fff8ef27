// Records as bytes and back.
#pragma once

#include <cstddef>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/storage/log/log_types.h"

namespace juxmem::wal {

// Head (with checksum) and body.
std::vector<std::byte> encode_record(const PlacedRecord& placed);
// How many bytes that takes.
std::size_t record_bytes(const LogRecord& record);

struct DecodedRecord {
  PlacedRecord placed;
  std::size_t size_bytes = 0;
};

// The size that the head at the beginning of `bytes` states; 0 if there is no whole head.
std::size_t stated_record_bytes(std::span<const std::byte> bytes);
// The record at `offset`; its bytes are shared. kIo with what is wrong.
Result<DecodedRecord> decode_record(const Buffer& bytes, std::size_t offset);

}  // namespace juxmem::wal

// The numbers of FORMAT.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "juxmem/storage/log/log_types.h"

namespace juxmem::wal {

inline constexpr std::uint32_t kLogVersion = 1;

inline constexpr std::size_t kSectorBytes = 512;  // what a disk writes whole or not at all
inline constexpr std::size_t kBlockBytes = 4096;  // batches begin and end at multiples of it
inline constexpr std::size_t kSectorsPerBlock = kBlockBytes / kSectorBytes;
inline constexpr std::size_t kSectorHeadBytes = 40;
inline constexpr std::size_t kSectorPayloadBytes = kSectorBytes - kSectorHeadBytes;
inline constexpr std::size_t kSegmentHeaderBytes = kBlockBytes;
inline constexpr std::size_t kBatchHeadBytes = 40;
inline constexpr std::size_t kRecordHeadBytes = 40;
inline constexpr std::size_t kBatchSectorsMax = 65528;  // whole blocks that fit 16 bits
inline constexpr std::uint64_t kSegmentBytesMax = 1ULL << 30;
inline constexpr std::uint16_t kNoRecord = 0xFFFF;

// After a damaged end, numbers of records and batches go on here, so that none is given twice: a segment has far fewer of
// both.
constexpr std::uint64_t first_number_in(std::uint64_t segment) { return segment << 32; }
inline constexpr Lsn kLsnOpenEnd = UINT64_MAX;

inline constexpr std::string_view kIdentityName = "identity";
inline constexpr std::string_view kIdentityNewName = "identity.new";
inline constexpr std::string_view kReserveName = "reserve";

// Bytes of a batch whose head and records take so many.
constexpr std::size_t image_bytes_of(std::size_t payload_bytes) {
  const std::size_t sectors = (payload_bytes + kSectorPayloadBytes - 1) / kSectorPayloadBytes;
  return (sectors + kSectorsPerBlock - 1) / kSectorsPerBlock * kBlockBytes;
}

std::string segment_name(std::uint64_t number);  // "log-000000000000000a"
std::optional<std::uint64_t> segment_number(std::string_view name);
std::string spare_name(std::uint64_t number);
bool is_spare_name(std::string_view name);

// Tells the sectors of one log from those of others.
std::uint32_t tag_of(const LogIdentity& identity);

}  // namespace juxmem::wal

#include "juxmem/storage/log/sectors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/storage/log/byte_codec.h"

namespace juxmem::wal {
namespace {

constexpr std::size_t kChecksumBytes = 8;

bool is_zero(std::span<const std::byte> bytes) {
  static constexpr std::byte kZeros[kSectorBytes] = {};
  return std::memcmp(bytes.data(), kZeros, bytes.size()) == 0;
}

}  // namespace

SectorState read_sector(std::span<const std::byte> sector, SectorHead& head) {
  ByteReader in(sector);
  const auto checksum = in.number<std::uint64_t>();
  if (checksum == 0 && is_zero(sector)) return SectorState::kZero;
  if (checksum != digest_of(sector.subspan(kChecksumBytes))) return SectorState::kDamaged;
  head.batch = in.number<std::uint64_t>();
  head.tag = in.number<std::uint32_t>();
  head.life = in.number<std::uint32_t>();
  head.index = in.number<std::uint16_t>();
  head.count = in.number<std::uint16_t>();
  head.first_record = in.number<std::uint16_t>();
  in.number<std::uint16_t>();
  head.segment = in.number<std::uint64_t>();
  const bool possible = head.index < head.count && head.count % kSectorsPerBlock == 0 && head.count <= kBatchSectorsMax &&
                        (head.first_record == kNoRecord || head.first_record < kSectorPayloadBytes);
  return possible ? SectorState::kGood : SectorState::kDamaged;
}

Result<BatchHead> decode_batch_head(std::span<const std::byte> payload) {
  ByteReader in(payload);
  BatchHead head;
  head.first_lsn = in.number<std::uint64_t>();
  head.records = in.number<std::uint32_t>();
  head.payload_bytes = in.number<std::uint32_t>();
  head.previous = in.number<std::uint64_t>();
  head.low_segment = in.number<std::uint64_t>();
  head.low_lsn = in.number<std::uint64_t>();
  if (!in.ok() || head.payload_bytes < kBatchHeadBytes || head.payload_bytes > payload.size()) {
    return fail(Code::kIo, "the head of a batch cannot be true");
  }
  return head;
}

void BatchBuilder::reserve(std::size_t payload_bytes) {
  payload_bytes_ += payload_bytes;
  image_.resize(image_bytes_of(payload_bytes_));
  first_records_.resize(image_.size() / kSectorBytes, kNoRecord);
}

void BatchBuilder::put(std::size_t payload_offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t inside = payload_offset % kSectorPayloadBytes;
    const std::size_t piece = std::min(bytes.size(), kSectorPayloadBytes - inside);
    const std::size_t at = payload_offset / kSectorPayloadBytes * kSectorBytes + kSectorHeadBytes + inside;
    std::memcpy(image_.data() + at, bytes.data(), piece);
    payload_offset += piece;
    bytes = bytes.subspan(piece);
  }
}

void BatchBuilder::add(std::span<const std::byte> record, Lsn lsn) {
  const std::size_t offset = payload_bytes_;
  reserve(record.size());
  put(offset, record);
  std::uint16_t& first = first_records_[offset / kSectorPayloadBytes];
  if (first == kNoRecord) first = static_cast<std::uint16_t>(offset % kSectorPayloadBytes);
  if (records_ == 0) first_lsn_ = lsn;
  last_lsn_ = lsn;
  ++records_;
}

Buffer BatchBuilder::finish(const Place& place) {
  std::vector<std::byte> head;
  ByteWriter out(head);
  out.number(first_lsn_);
  out.number(records_);
  out.number(static_cast<std::uint32_t>(payload_bytes_));
  out.number(place.previous);
  out.number(place.low_segment);
  out.number(place.low_lsn);
  put(0, head);
  const std::size_t count = image_.size() / kSectorBytes;
  JUXMEM_CHECK(count <= kBatchSectorsMax);
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<std::byte> sector = std::span(image_).subspan(i * kSectorBytes, kSectorBytes);
    put_number(sector, 8, place.batch);
    put_number(sector, 16, place.tag);
    put_number(sector, 20, place.life);
    put_number(sector, 24, static_cast<std::uint16_t>(i));
    put_number(sector, 26, static_cast<std::uint16_t>(count));
    put_number(sector, 28, first_records_[i]);
    put_number(sector, 32, place.segment);
    put_number(sector, 0, digest_of(sector.subspan(kChecksumBytes)));
  }
  return Buffer::take(std::move(image_));
}

}  // namespace juxmem::wal

// Sectors: the unit that a disk writes whole or not at all. Each says for itself to which batch it belongs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/storage/log/format.h"

namespace juxmem::wal {

struct SectorHead {
  std::uint64_t segment = 0;
  std::uint64_t batch = 0;
  std::uint32_t tag = 0;
  std::uint32_t life = 0;
  std::uint16_t index = 0;                 // in its batch
  std::uint16_t count = 0;                 // sectors of the batch
  std::uint16_t first_record = kNoRecord;  // where in the payload the first record begins that begins here
};

enum class SectorState : std::uint8_t { kZero, kGood, kDamaged };

// `sector`: 512 bytes. `head` is filled in if it is good.
SectorState read_sector(std::span<const std::byte> sector, SectorHead& head);

// The first bytes of a batch's payload.
struct BatchHead {
  Lsn first_lsn = 0;
  std::uint32_t records = 0;
  std::uint32_t payload_bytes = 0;  // this head and the records
  std::uint64_t previous = 0;       // the batch before this one; whatever lies between was lost
  std::uint64_t low_segment = 0;    // segments before this one are not needed
  Lsn low_lsn = 0;                  // first record of that segment
};

// kIo if the numbers cannot be true.
Result<BatchHead> decode_batch_head(std::span<const std::byte> payload);

// What for: gathers records and lays them out as the sectors of one batch.
// Thread safety: none. Ownership: the image becomes the caller's. Failure: none; the caller watches the size.
class BatchBuilder {
 public:
  BatchBuilder() { reserve(kBatchHeadBytes); }

  void add(std::span<const std::byte> record, Lsn lsn);

  bool empty() const { return records_ == 0; }
  Lsn first_lsn() const { return first_lsn_; }
  Lsn last_lsn() const { return last_lsn_; }
  std::uint32_t records() const { return records_; }
  std::size_t payload_bytes() const { return payload_bytes_; }
  std::size_t image_bytes() const { return image_bytes_of(payload_bytes_); }

  struct Place {
    std::uint64_t segment = 0;
    std::uint64_t batch = 0;
    std::uint64_t previous = 0;
    std::uint32_t tag = 0;
    std::uint32_t life = 0;
    std::uint64_t low_segment = 0;
    Lsn low_lsn = 0;
  };
  // To be called once, at the end.
  Buffer finish(const Place& place);

 private:
  void reserve(std::size_t payload_bytes);
  void put(std::size_t payload_offset, std::span<const std::byte> bytes);

  std::vector<std::byte> image_;
  std::vector<std::uint16_t> first_records_;  // per sector
  std::size_t payload_bytes_ = 0;
  Lsn first_lsn_ = 0;
  Lsn last_lsn_ = 0;
  std::uint32_t records_ = 0;
};

}  // namespace juxmem::wal

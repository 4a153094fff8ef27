// SegmentScan: finds the batches of one segment, and what has happened to them.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/storage/log/sectors.h"

namespace juxmem::wal {

// A segment as it was read.
struct SegmentImage {
  std::uint64_t number = 0;
  Buffer bytes;                        // header included; whole sectors
  std::set<std::uint64_t> unreadable;  // sectors the disk did not give; zero in `bytes`
};

// How far the log has been read.
struct LogPosition {
  std::uint64_t batch = 0;
  std::uint32_t life = 0;
};

struct FoundBatch {
  std::uint64_t offset = 0;          // in its segment
  SectorHead head;                   // of any good sector of it
  std::vector<bool> good;            // per sector
  std::uint32_t missing = 0;         // sectors in which something older stands
  std::uint32_t damaged = 0;         // sectors in which nothing of ours can be read
  bool begins_damaged = false;       // none of its first block's sectors can be read
  std::uint64_t unknown_before = 0;  // bytes before it in which batches were that cannot be told any more
  Buffer image;

  std::uint64_t size_bytes() const { return static_cast<std::uint64_t>(head.count) * kSectorBytes; }
  bool whole() const { return missing == 0 && damaged == 0; }
  // Its write was cut short, so its sync never ended and nobody was told of it.
  bool torn() const { return missing > 0 && !begins_damaged; }
};

struct SegmentFindings {
  std::vector<FoundBatch> batches;  // in order
  std::uint64_t end = 0;            // where the next batch would begin
  bool end_damaged = false;         // the block there cannot be read: a batch may have begun in it
  std::uint64_t batch_max = 0;      // of all sectors of this log
  std::uint32_t life_max = 0;
};

// `after`: the last batch before this segment. What is not newer than that is left over from the segment's earlier use.
// FORMAT.md has the reasoning.
SegmentFindings scan_segment(const SegmentImage& image, std::uint32_t tag, const LogPosition& after);

}  // namespace juxmem::wal

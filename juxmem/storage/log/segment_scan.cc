#include "juxmem/storage/log/segment_scan.h"

#include <algorithm>
#include <optional>

#include "juxmem/base/mutant.h"

namespace juxmem::wal {
namespace {

// Reads every sector once.
class SectorTable {
 public:
  SectorTable(const SegmentImage& image, std::uint32_t tag) : tag_(tag), segment_(image.number) {
    const std::uint64_t count = image.bytes.size() / kSectorBytes;
    heads_.resize(count);
    states_.resize(count, SectorState::kZero);
    for (std::uint64_t i = kSectorsPerBlock; i < count; ++i) {
      states_[i] = image.unreadable.contains(i)
                       ? SectorState::kDamaged
                       : read_sector(image.bytes.bytes().subspan(i * kSectorBytes, kSectorBytes), heads_[i]);
    }
  }

  std::uint64_t size() const { return states_.size(); }
  bool damaged(std::uint64_t sector) const { return states_[sector] == SectorState::kDamaged; }
  // Written for this segment; else it is left over from an earlier use of the file.
  bool ours(std::uint64_t sector) const {
    if (states_[sector] != SectorState::kGood || heads_[sector].tag != tag_) return false;
    return heads_[sector].segment == segment_ || mutant("take_stale_segment");
  }
  const SectorHead& head(std::uint64_t sector) const { return heads_[sector]; }

 private:
  std::uint32_t tag_;
  std::uint64_t segment_;
  std::vector<SectorHead> heads_;
  std::vector<SectorState> states_;
};

bool newer(const SectorHead& head, const LogPosition& than) {
  if (mutant("take_stale_segment")) return true;
  // A life that finds a torn batch gives its number again.
  return head.life >= than.life && (head.batch > than.batch || (head.batch == than.batch && head.life > than.life));
}

// The first batch, from `from` on, of which a sector stands where it belongs: its first sector.
std::optional<std::uint64_t> find_batch(const SectorTable& table, std::uint64_t from, const LogPosition& after,
                                        SectorHead& found) {
  for (std::uint64_t i = from; i < table.size(); ++i) {
    if (!table.ours(i)) continue;
    const SectorHead& head = table.head(i);
    if (!newer(head, after) || head.index > i - from) continue;
    const std::uint64_t begin = i - head.index;
    if (begin % kSectorsPerBlock != 0 || begin + head.count > table.size()) continue;
    found = head;
    return begin;
  }
  return std::nullopt;
}

FoundBatch look_at(const SectorTable& table, const SegmentImage& image, std::uint64_t begin, const SectorHead& head) {
  FoundBatch batch;
  batch.offset = begin * kSectorBytes;
  batch.head = head;
  batch.good.resize(head.count);
  std::uint32_t damaged_at_begin = 0;
  for (std::uint16_t i = 0; i < head.count; ++i) {
    const std::uint64_t sector = begin + i;
    if (table.damaged(sector)) {
      ++batch.damaged;
      if (i < kSectorsPerBlock) ++damaged_at_begin;
      continue;
    }
    const SectorHead& own = table.head(sector);
    const bool of_it =
        table.ours(sector) && own.batch == head.batch && own.life == head.life && own.index == i && own.count == head.count;
    batch.good[i] = of_it || mutant("ignore_tail_checksum");
    if (!batch.good[i]) ++batch.missing;
  }
  batch.begins_damaged = damaged_at_begin == kSectorsPerBlock;
  batch.image = image.bytes.slice(batch.offset, batch.size_bytes());
  return batch;
}

bool block_damaged(const SectorTable& table, std::uint64_t begin) {
  if (begin + kSectorsPerBlock > table.size()) return false;
  for (std::uint64_t i = begin; i < begin + kSectorsPerBlock; ++i) {
    if (!table.damaged(i)) return false;
  }
  return true;
}

}  // namespace

SegmentFindings scan_segment(const SegmentImage& image, std::uint32_t tag, const LogPosition& after) {
  const SectorTable table(image, tag);
  SegmentFindings findings;
  for (std::uint64_t i = kSectorsPerBlock; i < table.size(); ++i) {
    if (!table.ours(i)) continue;
    findings.batch_max = std::max(findings.batch_max, table.head(i).batch);
    findings.life_max = std::max(findings.life_max, table.head(i).life);
  }
  LogPosition last = after;
  std::uint64_t at = kSectorsPerBlock;
  SectorHead head;
  while (const std::optional<std::uint64_t> begin = find_batch(table, at, last, head)) {
    findings.batches.push_back(look_at(table, image, *begin, head));
    findings.batches.back().unknown_before = (*begin - at) * kSectorBytes;
    last = {head.batch, head.life};
    at = *begin + head.count;
  }
  findings.end = at * kSectorBytes;
  findings.end_damaged = block_damaged(table, at);
  return findings;
}

}  // namespace juxmem::wal

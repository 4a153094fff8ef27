#include "juxmem/client/release_parts.h"

#include <algorithm>
#include <utility>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kPartBytesMax = 4U << 20;
constexpr std::size_t kPartRangesMax = 4096;
static_assert(kPartRangesMax < wire::kRangesMax && kPartRangesMax < wire::kPacketFramesMax);

}  // namespace

void ReleaseParts::add(std::vector<Change> changes) {
  for (Change& change : changes) {
    while (!change.data.empty()) {
      const std::uint64_t size = std::min<std::uint64_t>(wire::kEntryBytesMax, change.data.size());
      ready_.push_back({.offset = change.offset, .data = change.data.slice(0, size)});
      ready_bytes_ += size;
      change = {.offset = change.offset + size, .data = change.data.slice(size, change.data.size() - size)};
    }
  }
}

bool ReleaseParts::fits_into_one() const { return ready_bytes_ <= kPartBytesMax && ready_.size() <= kPartRangesMax; }

bool ReleaseParts::has_next() const { return closed_ ? !last_taken_ : !fits_into_one(); }

bool ReleaseParts::is_at_last() const { return closed_ && fits_into_one(); }

wire::ReleaseRequest ReleaseParts::next() {
  wire::ReleaseRequest part;
  part.section = agent_section_;
  part.block = block_;
  part.part = next_part_++;
  part.more = !is_at_last();
  last_taken_ = !part.more;
  std::uint64_t bytes = 0;
  while (!ready_.empty() && part.ranges.size() < kPartRangesMax) {
    Change& change = ready_.front();
    const std::uint64_t size = change.data.size();
    if (bytes + size > kPartBytesMax) break;
    part.ranges.push_back({.offset = change.offset, .size_bytes = size});
    part.data.push_back(std::move(change.data));
    bytes += size;
    ready_.pop_front();
  }
  ready_bytes_ -= bytes;
  return part;
}

}  // namespace juxmem

#include "juxmem/storage/page_snapshots.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kCopyOverheadBytes = 96;

std::uint64_t written_bytes(std::span<const Version> versions) {
  const auto written = std::count_if(versions.begin(), versions.end(), [](Version version) { return version != 0; });
  return static_cast<std::uint64_t>(written) * kPageBytes;
}

}  // namespace

std::uint64_t PageSnapshots::Copy::cost_bytes() const { return kCopyOverheadBytes + (data ? kPageBytes : 0); }

PageSnapshots::~PageSnapshots() {
  while (!open_.empty()) close(open_.begin()->first);
}

void PageSnapshots::open(SnapshotNumber number) {
  JUXMEM_CHECK(number > last_opened_);
  last_opened_ = number;
  open_[number];
}

void PageSnapshots::close(SnapshotNumber number) {
  const auto closed = open_.find(number);
  if (closed == open_.end()) return;
  if (closed != open_.begin()) std::prev(closed)->second.merge(closed->second);
  for (const auto& [page, copy] : closed->second) release(copy.cost_bytes());
  open_.erase(closed);
  release_freed();
}

void PageSnapshots::release_freed() {
  const SnapshotNumber oldest = open_.empty() ? ~0ULL : open_.begin()->first;
  std::erase_if(freed_, [&](const Freed& freed) {
    if (freed.until >= oldest) return false;
    release(freed.bytes);
    arena_.free_detached(freed.extent);
    return true;
  });
}

bool PageSnapshots::reserve(std::uint64_t bytes) {
  while (!arena_.reserve_side(bytes)) {
    if (open_.empty()) return false;
    close(open_.begin()->first);
  }
  if (open_.empty()) {
    arena_.release_side(bytes);
    return false;
  }
  bytes_ += bytes;
  return true;
}

void PageSnapshots::release(std::uint64_t bytes) {
  bytes_ -= bytes;
  arena_.release_side(bytes);
}

void PageSnapshots::keep(const Extent& extent, SnapshotNumber born, std::uint64_t first_page, std::uint64_t pages) {
  if (born >= open_.rbegin()->first || mutant("snapshot_without_copies")) return;
  const std::byte* data = arena_.data(extent);
  const std::span<const Version> versions = arena_.versions(extent);
  for (std::uint64_t page = first_page; page < first_page + pages; ++page) {
    const std::uint64_t place = extent.first_page + page;
    if (open_.rbegin()->second.contains(place)) continue;
    Copy copy{.version = versions[page], .data = nullptr};
    if (copy.version != 0) {
      copy.data = std::make_unique_for_overwrite<std::byte[]>(kPageBytes);
      std::memcpy(copy.data.get(), data + page * kPageBytes, kPageBytes);
    }
    if (!reserve(copy.cost_bytes())) return;
    open_.rbegin()->second.emplace(place, std::move(copy));
  }
}

void PageSnapshots::free(const Extent& extent, SnapshotNumber born) {
  const bool is_needed = !open_.empty() && born < open_.rbegin()->first;
  const std::uint64_t bytes = is_needed ? kCopyOverheadBytes + written_bytes(arena_.versions(extent)) : 0;
  if (!is_needed || !reserve(bytes)) {
    arena_.free(extent);
    return;
  }
  arena_.detach(extent);
  freed_.push_back({extent, open_.rbegin()->first, bytes});
}

PageView PageSnapshots::page(SnapshotNumber number, const Extent& extent, std::uint64_t page) const {
  JUXMEM_CHECK(open_.contains(number));
  for (auto one = open_.find(number); one != open_.end(); ++one) {
    const auto copy = one->second.find(extent.first_page + page);
    if (copy != one->second.end()) return {copy->second.version, copy->second.data.get()};
  }
  return {arena_.versions(extent)[page], arena_.data(extent) + page * kPageBytes};
}

}  // namespace juxmem

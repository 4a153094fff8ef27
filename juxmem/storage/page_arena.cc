#include "juxmem/storage/page_arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "juxmem/base/check.h"

namespace juxmem {
namespace {

// Addresses cost nothing, so the first region is longer than the capacity: contiguous extents are then found although
// others were given back in between.
constexpr std::uint64_t kRegionPagesMin = 1024;
constexpr std::uint64_t kAddressesPerCapacity = 2;
// What snapshots may take beside the blocks unless told otherwise.
constexpr std::uint64_t kSideBytesMin = 64ULL << 20;
constexpr std::uint64_t kSidePartOfCapacity = 4;

std::string reason() { return std::generic_category().message(errno); }

constexpr std::uint64_t version_bytes(std::uint64_t pages) { return pages_of(pages * sizeof(Version)) * kPageBytes; }

// Zeros `count` versions; whole pages of them go back to the system.
void clear_versions(Version* first, std::uint64_t count) {
  constexpr std::uint64_t kPerPage = kPageBytes / sizeof(Version);
  const std::uint64_t skew = reinterpret_cast<std::uintptr_t>(first) % kPageBytes / sizeof(Version);
  const std::uint64_t head = std::min(count, skew == 0 ? 0 : kPerPage - skew);
  const std::uint64_t whole = (count - head) / kPerPage * kPerPage;
  std::fill_n(first, head, 0);
  std::fill_n(first + head + whole, count - head - whole, 0);
  if (whole > 0) JUXMEM_CHECK(madvise(first + head, whole * sizeof(Version), MADV_DONTNEED) == 0);
}

}  // namespace

Result<PageArena> PageArena::create(std::uint64_t capacity_bytes) {
  const std::uint64_t pages = capacity_bytes / kPageBytes;
  if (pages == 0) return fail(Code::kInvalid, "a provider's memory must be at least one page of 4096 bytes");
  const int file = memfd_create("juxmem-arena", MFD_CLOEXEC);
  if (file < 0) return fail(Code::kNoLocalMemory, "the memory file cannot be created: " + reason());
  PageArena arena(file, pages);
  const Status added = arena.add_region(std::max(pages * kAddressesPerCapacity, kRegionPagesMin));
  if (!added) return std::unexpected(added.error());
  return arena;
}

PageArena::PageArena(int file, std::uint64_t capacity_pages)
    : file_(file),
      capacity_pages_(capacity_pages),
      side_bytes_max_(std::max(kSideBytesMin, capacity_pages * kPageBytes / kSidePartOfCapacity)) {}

PageArena::PageArena(PageArena&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      capacity_pages_(std::exchange(other.capacity_pages_, 0)),
      used_pages_(std::exchange(other.used_pages_, 0)),
      file_pages_(std::exchange(other.file_pages_, 0)),
      side_bytes_max_(std::exchange(other.side_bytes_max_, 0)),
      side_bytes_(std::exchange(other.side_bytes_, 0)),
      regions_(std::exchange(other.regions_, {})),
      allocator_(std::exchange(other.allocator_, {})) {}

PageArena& PageArena::operator=(PageArena&& other) noexcept {
  if (this == &other) return *this;
  close();
  file_ = std::exchange(other.file_, -1);
  capacity_pages_ = std::exchange(other.capacity_pages_, 0);
  used_pages_ = std::exchange(other.used_pages_, 0);
  file_pages_ = std::exchange(other.file_pages_, 0);
  side_bytes_max_ = std::exchange(other.side_bytes_max_, 0);
  side_bytes_ = std::exchange(other.side_bytes_, 0);
  regions_ = std::exchange(other.regions_, {});
  allocator_ = std::exchange(other.allocator_, {});
  return *this;
}

PageArena::~PageArena() { close(); }

void PageArena::close() {
  for (const auto& [first, region] : regions_) {
    munmap(region.data, region.pages * kPageBytes);
    munmap(region.versions, version_bytes(region.pages));
  }
  regions_.clear();
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

Status PageArena::add_region(std::uint64_t pages) {
  const std::uint64_t first = file_pages_;
  if (ftruncate(file_, static_cast<off_t>((first + pages) * kPageBytes)) != 0) {
    return fail(Code::kNoLocalMemory, "the memory file cannot grow: " + reason());
  }
  void* data = mmap(nullptr, pages * kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_,
                    static_cast<off_t>(first * kPageBytes));
  if (data == MAP_FAILED) return fail(Code::kNoLocalMemory, "the memory file cannot be mapped: " + reason());
  void* versions =
      mmap(nullptr, version_bytes(pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (versions == MAP_FAILED) {
    const std::string why = reason();
    munmap(data, pages * kPageBytes);
    return fail(Code::kNoLocalMemory, "the pages' versions cannot be mapped: " + why);
  }
  file_pages_ = first + pages;
  regions_[first] = Region{pages, static_cast<std::byte*>(data), static_cast<Version*>(versions)};
  allocator_.add_region({.first_page = first, .pages = pages});
  return {};
}

Result<Extent> PageArena::allocate(std::uint64_t pages) {
  JUXMEM_CHECK(pages > 0);
  if (pages > capacity_pages_ - used_pages_) {
    return fail(Code::kNoSpace, "this provider has " + std::to_string(capacity_pages_ - used_pages_) + " pages left, " +
                                    std::to_string(pages) + " were asked for");
  }
  std::optional<Extent> extent = allocator_.allocate(pages);
  if (!extent) {
    const Status added = add_region(std::max(pages, capacity_pages_));
    if (!added) return std::unexpected(added.error());
    extent = allocator_.allocate(pages);
    JUXMEM_CHECK(extent.has_value());
  }
  used_pages_ += pages;
  return *extent;
}

void PageArena::free(const Extent& extent) {
  detach(extent);
  free_detached(extent);
}

void PageArena::detach(const Extent& extent) { used_pages_ -= extent.pages; }

void PageArena::free_detached(const Extent& extent) {
  const auto [region, place] = locate(extent);
  const auto offset = static_cast<off_t>(extent.first_page * kPageBytes);
  const auto length = static_cast<off_t>(extent.pages * kPageBytes);
  const int punched = fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  JUXMEM_CHECK_MSG(punched == 0, "memory cannot be given back: " + reason());
  clear_versions(region->versions + place, extent.pages);
  allocator_.free(extent);
}

bool PageArena::reserve_side(std::uint64_t bytes) {
  if (side_bytes_ > side_bytes_max_ || bytes > side_bytes_max_ - side_bytes_) return false;
  side_bytes_ += bytes;
  return true;
}

void PageArena::release_side(std::uint64_t bytes) {
  JUXMEM_CHECK(bytes <= side_bytes_);
  side_bytes_ -= bytes;
}

std::pair<const PageArena::Region*, std::uint64_t> PageArena::locate(const Extent& extent) const {
  const auto after = regions_.upper_bound(extent.first_page);
  JUXMEM_CHECK(after != regions_.begin());
  const auto& [first, region] = *std::prev(after);
  const std::uint64_t place = extent.first_page - first;
  JUXMEM_CHECK(place + extent.pages <= region.pages);
  return {&region, place};
}

std::byte* PageArena::data(const Extent& extent) const {
  const auto [region, place] = locate(extent);
  return region->data + place * kPageBytes;
}

std::span<Version> PageArena::versions(const Extent& extent) const {
  const auto [region, place] = locate(extent);
  return {region->versions + place, extent.pages};
}

}  // namespace juxmem

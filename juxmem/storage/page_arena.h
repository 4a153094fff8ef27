// PageArena: the memory of a provider's blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/storage/extent_allocator.h"

namespace juxmem {

// What for: one sparse memory file (memfd) in which each block is a contiguous extent of pages, so that a page is found by
//   arithmetic (in the manner of vmcache: Leis et al., "Virtual-Memory Assisted Buffer Management", SIGMOD 2023). Beside each page
//   stands its version.
// Thread safety: none; one event loop allocates, frees and writes.
// Invariants: A1 a fresh extent reads as zeros with version 0 everywhere. A2 extents do not overlap. A3 an extent's address
//   does not change while it is allocated.
// Ownership: owns the file and its mappings; nothing of them outlives the process. Pointers are valid until the extent
//   is freed.
// Failure: allocate() answers kNoSpace beyond the capacity and kNoLocalMemory if the system refuses. Memory is taken from the
//   system when a page is first written, not when it is allocated.
class PageArena {
 public:
  // `capacity_bytes`: how much may be allocated at once, in whole pages. Error: kNoLocalMemory, kInvalid for 0.
  static Result<PageArena> create(std::uint64_t capacity_bytes);

  PageArena(PageArena&& other) noexcept;
  PageArena& operator=(PageArena&& other) noexcept;
  ~PageArena();

  Result<Extent> allocate(std::uint64_t pages);
  // Gives the memory back to the system.
  void free(const Extent& extent);
  // The same in two steps, for an extent that a snapshot still reads: it counts as free, but stays where it is, until it is really
  // given back.
  void detach(const Extent& extent);
  void free_detached(const Extent& extent);

  std::byte* data(const Extent& extent) const;
  // One per page of the extent.
  std::span<Version> versions(const Extent& extent) const;

  std::uint64_t capacity_bytes() const { return capacity_pages_ * kPageBytes; }
  std::uint64_t used_bytes() const { return used_pages_ * kPageBytes; }

  // What snapshots may hold beside the blocks, of all owners together; counted here, kept by whoever reserves it.
  void set_side_bytes_max(std::uint64_t bytes) { side_bytes_max_ = bytes; }
  std::uint64_t side_bytes_max() const { return side_bytes_max_; }
  std::uint64_t side_bytes() const { return side_bytes_; }
  // False if that would be more than the limit.
  bool reserve_side(std::uint64_t bytes);
  void release_side(std::uint64_t bytes);

 private:
  // A mapped part of the file; the next one is added when no free extent is long enough.
  struct Region {
    std::uint64_t pages = 0;
    std::byte* data = nullptr;
    Version* versions = nullptr;
  };

  PageArena(int file, std::uint64_t capacity_pages);

  Status add_region(std::uint64_t pages);
  // The region of the extent and the extent's place in it.
  std::pair<const Region*, std::uint64_t> locate(const Extent& extent) const;
  void close();

  int file_ = -1;
  std::uint64_t capacity_pages_ = 0;
  std::uint64_t used_pages_ = 0;
  std::uint64_t file_pages_ = 0;
  std::uint64_t side_bytes_max_ = 0;
  std::uint64_t side_bytes_ = 0;
  std::map<std::uint64_t, Region> regions_;  // by first page
  ExtentAllocator allocator_;
};

constexpr std::uint64_t pages_of(std::uint64_t bytes) { return bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0); }

}  // namespace juxmem

// PageSnapshots: the pages of one owner's extents as they were at earlier times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "juxmem/base/snapshot_map.h"
#include "juxmem/base/types.h"
#include "juxmem/storage/page_arena.h"

namespace juxmem {

// A page as a snapshot has it.
struct PageView {
  Version version = 0;
  const std::byte* data = nullptr;  // kPageBytes; not to be read if the version is 0: all zero
};

// What for: snapshots of pages by copy on write: opening one costs nothing; the first write to a page after it puts the page's former
//   content aside, and an extent that is freed stays where it is until no snapshot needs it. Copies belong to the newest snapshot of
//   their time and serve the older ones, too; a snapshot that is closed leaves them to the next older one.
// Thread safety: none; one event loop writes, frees and reads.
// Invariants: a page of an open snapshot never changes. What snapshots hold beside the blocks never exceeds the arena's limit for
//   it. A write costs one compare while none is open.
// Ownership: borrows the arena, which outlives it; owns copies and the extents that only snapshots still need.
// Failure: a snapshot that would need more memory than the limit allows is closed, the oldest first; is_open() tells its reader.
class PageSnapshots {
 public:
  explicit PageSnapshots(PageArena& arena) : arena_(arena) {}
  ~PageSnapshots();
  PageSnapshots(const PageSnapshots&) = delete;
  PageSnapshots& operator=(const PageSnapshots&) = delete;

  // `number` is higher than all before.
  void open(SnapshotNumber number);
  // Also of one that is not open any more.
  void close(SnapshotNumber number);
  bool is_open(SnapshotNumber number) const { return open_.contains(number); }
  // The highest number so far. An extent allocated now is in none of these.
  SnapshotNumber last_opened() const { return last_opened_; }

  // To be called before bytes or versions of these pages of the extent change. `born`: last_opened() when it was allocated.
  void before_write(const Extent& extent, SnapshotNumber born, std::uint64_t first_page, std::uint64_t pages) {
    if (open_.empty()) return;
    keep(extent, born, first_page, pages);
  }
  // Gives the extent back to the arena, at once or when no snapshot needs it any more.
  void free(const Extent& extent, SnapshotNumber born);

  // The snapshot must be open, and the extent must have been allocated when it was opened. Valid until the next change.
  PageView page(SnapshotNumber number, const Extent& extent, std::uint64_t page) const;

  // What snapshots of this owner hold beside its blocks.
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Copy {
    Version version = 0;
    std::unique_ptr<std::byte[]> data;  // none for a page that was never written
    std::uint64_t cost_bytes() const;
  };
  using Copies = std::unordered_map<std::uint64_t, Copy>;  // by the page's place in the arena
  struct Freed {
    Extent extent;
    SnapshotNumber until = 0;  // snapshots up to this one need it
    std::uint64_t bytes = 0;
  };

  void keep(const Extent& extent, SnapshotNumber born, std::uint64_t first_page, std::uint64_t pages);
  // Makes room by closing snapshots, the oldest first; false if none is left then.
  bool reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes);
  void release_freed();

  PageArena& arena_;
  std::map<SnapshotNumber, Copies> open_;
  std::vector<Freed> freed_;
  SnapshotNumber last_opened_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace juxmem

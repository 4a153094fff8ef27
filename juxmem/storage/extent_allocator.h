// ExtentAllocator: which contiguous pages of an address space are free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace juxmem {

// A run of pages: [first_page, first_page + pages).
struct Extent {
  std::uint64_t first_page = 0;
  std::uint64_t pages = 0;
  bool operator==(const Extent&) const = default;
};

// What for: gives out contiguous extents of pages: best fit, the lowest address among equals; neighbours that are given back
//   merge.
// Thread safety: none.
// Invariants: E1 free extents are disjoint, and no two of one region touch. E2 an extent never crosses a region's end.
// Ownership: a value; knows numbers only.
// Failure: allocate() answers nullopt when no extent is long enough.
class ExtentAllocator {
 public:
  // Adds free pages. Regions are not merged with each other.
  void add_region(const Extent& region);

  std::optional<Extent> allocate(std::uint64_t pages);
  // Gives an extent back that allocate() gave, whole.
  void free(const Extent& extent);

  std::uint64_t free_pages() const { return free_pages_; }
  std::uint64_t largest_free_extent() const;
  // E1 and E2; for tests.
  void check_invariants() const;

 private:
  bool starts_region(std::uint64_t page) const { return regions_.contains(page); }
  void insert(const Extent& extent);
  void erase(const Extent& extent);

  std::map<std::uint64_t, std::uint64_t> by_address_;          // first page -> pages
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;  // (pages, first page)
  std::map<std::uint64_t, std::uint64_t> regions_;             // first page -> pages
  std::uint64_t free_pages_ = 0;
};

}  // namespace juxmem

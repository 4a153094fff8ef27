#include "juxmem/storage/extent_allocator.h"

#include <iterator>

#include "juxmem/base/check.h"

namespace juxmem {

void ExtentAllocator::insert(const Extent& extent) {
  by_address_[extent.first_page] = extent.pages;
  by_size_.insert({extent.pages, extent.first_page});
  free_pages_ += extent.pages;
}

void ExtentAllocator::erase(const Extent& extent) {
  by_address_.erase(extent.first_page);
  by_size_.erase({extent.pages, extent.first_page});
  free_pages_ -= extent.pages;
}

void ExtentAllocator::add_region(const Extent& region) {
  JUXMEM_CHECK(region.pages > 0);
  const auto next = regions_.lower_bound(region.first_page);
  JUXMEM_CHECK(next == regions_.end() || region.first_page + region.pages <= next->first);
  JUXMEM_CHECK(next == regions_.begin() || std::prev(next)->first + std::prev(next)->second <= region.first_page);
  regions_[region.first_page] = region.pages;
  insert(region);
}

std::optional<Extent> ExtentAllocator::allocate(std::uint64_t pages) {
  JUXMEM_CHECK(pages > 0);
  const auto fitting = by_size_.lower_bound({pages, 0});
  if (fitting == by_size_.end()) return std::nullopt;
  const Extent whole{.first_page = fitting->second, .pages = fitting->first};
  erase(whole);
  if (whole.pages > pages) insert({.first_page = whole.first_page + pages, .pages = whole.pages - pages});
  return Extent{.first_page = whole.first_page, .pages = pages};
}

void ExtentAllocator::free(const Extent& extent) {
  JUXMEM_CHECK(extent.pages > 0);
  Extent merged = extent;
  const auto next = by_address_.lower_bound(extent.first_page);
  JUXMEM_CHECK(next == by_address_.end() || extent.first_page + extent.pages <= next->first);
  std::optional<Extent> after;
  if (next != by_address_.end() && next->first == extent.first_page + extent.pages && !starts_region(next->first)) {
    after = Extent{next->first, next->second};
  }
  std::optional<Extent> before;
  if (next != by_address_.begin()) {
    const auto previous = std::prev(next);
    const std::uint64_t end = previous->first + previous->second;
    JUXMEM_CHECK(end <= extent.first_page);
    if (end == extent.first_page && !starts_region(extent.first_page)) before = Extent{previous->first, previous->second};
  }
  if (after) {
    erase(*after);
    merged.pages += after->pages;
  }
  if (before) {
    erase(*before);
    merged.first_page = before->first_page;
    merged.pages += before->pages;
  }
  insert(merged);
}

std::uint64_t ExtentAllocator::largest_free_extent() const { return by_size_.empty() ? 0 : by_size_.rbegin()->first; }

void ExtentAllocator::check_invariants() const {
  JUXMEM_CHECK(by_address_.size() == by_size_.size());
  std::uint64_t end = 0;
  std::uint64_t pages = 0;
  for (const auto& [first, length] : by_address_) {
    JUXMEM_CHECK(length > 0 && first >= end);
    JUXMEM_CHECK(first > end || end == 0 || starts_region(first));
    JUXMEM_CHECK(by_size_.contains({length, first}));
    const auto region = std::prev(regions_.upper_bound(first));
    JUXMEM_CHECK(first >= region->first && first + length <= region->first + region->second);
    end = first + length;
    pages += length;
  }
  JUXMEM_CHECK(pages == free_pages_);
}

}  // namespace juxmem

#include "juxmem/client/page_diff.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "juxmem/base/types.h"

namespace juxmem {
namespace {

std::uint64_t word_at(const std::byte* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// The first differing byte of two ranges that differ somewhere.
std::size_t first_difference(const std::byte* a, const std::byte* b, std::size_t size_bytes) {
  std::size_t at = 0;
  while (at + 8 <= size_bytes && word_at(a + at) == word_at(b + at)) at += 8;
  while (a[at] == b[at]) ++at;
  return at;
}

// One past the last differing byte of two ranges that differ somewhere.
std::size_t end_of_difference(const std::byte* a, const std::byte* b, std::size_t size_bytes) {
  std::size_t end = size_bytes;
  while (end >= 8 && word_at(a + end - 8) == word_at(b + end - 8)) end -= 8;
  while (a[end - 1] == b[end - 1]) --end;
  return end;
}

}  // namespace

std::vector<ByteRange> find_changes(const std::byte* now, const std::byte* before, std::size_t size_bytes,
                                    std::size_t page_phase) {
  std::vector<ByteRange> changes;
  std::size_t run_begin = 0;  // of differing pages, the last of which begins at last_page
  std::size_t last_page = 0;
  bool in_run = false;
  const auto close_run = [&](std::size_t run_end) {
    const std::size_t last_size = run_end - last_page;
    const std::size_t end = last_page + end_of_difference(now + last_page, before + last_page, last_size);
    const std::size_t begin = run_begin + first_difference(now + run_begin, before + run_begin, end - run_begin);
    changes.push_back({.offset = begin, .size_bytes = end - begin});
    in_run = false;
  };
  std::size_t page = 0;
  std::size_t page_end = std::min<std::size_t>(kPageBytes - page_phase % kPageBytes, size_bytes);
  while (page < size_bytes) {
    const bool differs = std::memcmp(now + page, before + page, page_end - page) != 0;
    if (differs) {
      if (!in_run) run_begin = page;
      in_run = true;
      last_page = page;
    } else if (in_run) {
      close_run(page);
    }
    page = page_end;
    page_end = std::min<std::size_t>(page + kPageBytes, size_bytes);
  }
  if (in_run) close_run(size_bytes);
  return changes;
}

bool is_zero(const std::byte* bytes, std::size_t size_bytes) {
  if (size_bytes == 0) return true;
  return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size_bytes - 1) == 0;
}

}  // namespace juxmem

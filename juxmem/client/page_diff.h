// Where two copies of a memory range differ.
#pragma once

#include <cstddef>
#include <vector>

namespace juxmem {

struct ByteRange {
  std::size_t offset = 0;
  std::size_t size_bytes = 0;
  bool operator==(const ByteRange&) const = default;
};

// The ranges in which `now` differs from `before`, ascending, not touching. Pages (counted from `page_phase` bytes before the
// start) are compared one by one; differing pages that are neighbours make one range, whose ends are trimmed to the byte.
std::vector<ByteRange> find_changes(const std::byte* now, const std::byte* before, std::size_t size_bytes,
                                    std::size_t page_phase);

// Whether all bytes are zero.
bool is_zero(const std::byte* bytes, std::size_t size_bytes);

}  // namespace juxmem

// A number for the calling thread that no other thread of this process ever had.
#pragma once

#include <atomic>
#include <cstdint>

namespace juxmem {

inline std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t own = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return own;
}

}  // namespace juxmem

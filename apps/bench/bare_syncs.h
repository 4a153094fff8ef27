// The floor of everything that is durable: bare fdatasync calls on the same disk.
#pragma once

#include <cstdint>
#include <string>

#include "juxmem/base/result.h"

namespace juxmem::bench {

// What for: writes of one 4 KiB block, each followed by fdatasync, over a file whose bytes are all there. Thread safety: none.
// Ownership: closes its file, which is the folder's. Failure: kIo.
class BareSyncs {
 public:
  static Result<BareSyncs> create(const std::string& folder);
  BareSyncs(BareSyncs&& other) noexcept;
  BareSyncs& operator=(BareSyncs&&) = delete;
  ~BareSyncs();

  // Calls per second.
  Result<double> run(double seconds);

 private:
  explicit BareSyncs(int fd) : fd_(fd) {}

  int fd_;
  std::uint64_t at_ = 0;
};

}  // namespace juxmem::bench

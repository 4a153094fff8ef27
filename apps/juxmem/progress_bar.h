// A progress bar, only where somebody sees it.
#pragma once

#include <cstdint>
#include <string>

namespace juxmem {

// What for: shows on standard error how far long work is; nothing if that is not a terminal. Thread safety: none.
// Ownership: removes its line when it is destroyed.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::uint64_t done, std::uint64_t total, const std::string& item);

 private:
  std::string what_;
  bool visible_ = false;
  int last_permille_ = -1;
};

}  // namespace juxmem

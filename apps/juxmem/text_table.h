// Tables for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace juxmem {

// What for: rows of words under a heading, columns as wide as their widest word. A column whose heading ends with a space is
// aligned to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "512 B", "64.0 KiB", "1.5 GiB".
std::string size_text(std::uint64_t bytes);
// "42 s", "3 min", "5 h", "2 d".
std::string duration_text(std::int64_t seconds);

}  // namespace juxmem

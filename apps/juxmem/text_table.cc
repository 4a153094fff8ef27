#include "apps/juxmem/text_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace juxmem {

std::string TextTable::text() const {
  const std::vector<std::string>& heading = rows_.front();
  std::vector<std::size_t> widths(heading.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string word = i < row.size() ? row[i] : "";
      const bool right = heading[i].ends_with(' ');
      const std::string trimmed = &row == &rows_.front() && right ? word.substr(0, word.size() - 1) : word;
      line += right ? fmt::format("{:>{}}", trimmed, widths[i]) : fmt::format("{:<{}}", trimmed, widths[i]);
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (number >= 1024 && unit + 1 < kUnits.size()) {
    number /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, kUnits[unit]);
}

std::string duration_text(std::int64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 120 * 60) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

}  // namespace juxmem

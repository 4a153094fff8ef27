#include "groups/membership/former_grid.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace juxmem {

FormerGrid::FormerGrid(TimeNs now, const Timing& timing)
    : dead_ns_(ms_to_ns(timing.provider_dead_ms)), begin_at_(now + ms_to_ns(timing.listen_ms)) {}

bool FormerGrid::on_provider(TimeNs now, const std::string& provider) {
  std::erase_if(heard_, [&](const auto& row) { return now - row.second >= dead_ns_; });
  const bool is_first = heard_.empty();
  if (heard_.size() < kNamesMax || heard_.contains(provider)) heard_[provider] = now;
  begin_at_ = std::max(begin_at_, now + dead_ns_);
  return is_first;
}

std::string FormerGrid::problem(TimeNs now) const {
  std::vector<std::string> names;
  for (const auto& [name, at] : heard_) {
    if (now - at < dead_ns_) names.push_back(name);
  }
  if (names.empty()) return {};
  return fmt::format(
      "the catalog of the grid that these managers kept is lost: all of them have ended, and none has a data folder with "
      "it. Providers "
      "of that grid still run ({}): end them, and these managers begin a new grid; what is in the blocks of the old one "
      "ends with them",
      fmt::join(names, ", "));
}

}  // namespace juxmem

#include "groups/placement/rebalance.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "groups/node_lists.h"

namespace juxmem {
namespace {

constexpr double kWorthIt = 0.05;  // of a provider's memory

struct Load {
  NodeId node = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t capacity_bytes = 0;

  double share(std::int64_t change = 0) const {
    return (static_cast<double>(reserved_bytes) + static_cast<double>(change)) / static_cast<double>(capacity_bytes);
  }
};

// How much fuller the fuller of two would be than now; negative: less full.
double change_of_fuller(const Load& from, const Load& to, std::uint64_t bytes) {
  const auto moved = static_cast<std::int64_t>(bytes);
  return std::max(from.share(-moved), to.share(moved)) - std::max(from.share(), to.share());
}

class Plan {
 public:
  Plan(std::span<const wire::CatalogProvider> providers, std::span<const wire::CatalogGroup> groups) : groups_(groups) {
    for (const wire::CatalogProvider& row : providers) {
      const bool takes_part = row.up && !row.draining && row.capacity_bytes > 0;
      if (takes_part) sites_[row.site].push_back({row.node, row.reserved_bytes, row.capacity_bytes});
    }
  }

  std::vector<PlannedMove> make() {
    for (auto& [site, loads] : sites_) {
      while (const auto move = best_move(loads)) carry_out(loads, *move);
    }
    return std::move(moves_);
  }

 private:
  // The one that takes most from the fuller of two.
  std::optional<PlannedMove> best_move(const std::vector<Load>& loads) const {
    std::optional<PlannedMove> best;
    double best_change = -kWorthIt;
    for (const wire::CatalogGroup& group : groups_) {
      if (moved_.contains(group.group) || !group.next.empty() || group.reserved_bytes == 0) continue;
      for (const Load& from : loads) {
        if (!contains(group.members, from.node)) continue;
        for (const Load& to : loads) {
          const bool has_room = to.capacity_bytes - std::min(to.reserved_bytes, to.capacity_bytes) >= group.reserved_bytes;
          if (!has_room || contains(group.members, to.node) || contains(group.held, to.node)) continue;
          const double change = change_of_fuller(from, to, group.reserved_bytes);
          if (change >= best_change) continue;
          best_change = change;
          best = PlannedMove{group.group, from.node, to.node, group.reserved_bytes};
        }
      }
    }
    return best;
  }

  void carry_out(std::vector<Load>& loads, const PlannedMove& move) {
    std::ranges::find(loads, move.from, &Load::node)->reserved_bytes -= move.bytes;
    std::ranges::find(loads, move.to, &Load::node)->reserved_bytes += move.bytes;
    moved_.insert(move.group);
    moves_.push_back(move);
  }

  std::span<const wire::CatalogGroup> groups_;
  std::map<std::string_view, std::vector<Load>> sites_;
  std::set<GroupId> moved_;
  std::vector<PlannedMove> moves_;
};

}  // namespace

std::vector<PlannedMove> plan_rebalance(std::span<const wire::CatalogProvider> providers,
                                        std::span<const wire::CatalogGroup> groups) {
  return Plan(providers, groups).make();
}

}  // namespace juxmem

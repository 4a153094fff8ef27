#include "groups/membership/healer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "groups/node_lists.h"
#include "groups/placement/replacement.h"

namespace juxmem {
namespace {

bool meets(const std::vector<NodeId>& nodes, const std::set<NodeId>& others) {
  return std::ranges::any_of(nodes, [&](NodeId node) { return others.contains(node); });
}

// Members of the next epoch that are none of this one.
std::vector<NodeId> newcomers(const wire::CatalogGroup& group, const std::vector<NodeId>& next) {
  std::vector<NodeId> added;
  for (NodeId node : next) {
    if (!contains(group.members, node)) added.push_back(node);
  }
  return added;
}

// Where members are lost, who has forgotten what it voted does not make up for them before the epoch after the next.
bool can_be_carried_out(const wire::CatalogGroup& group, const std::set<NodeId>& lost) {
  const std::vector<NodeId> added = newcomers(group, group.next);
  const bool waits = std::ranges::any_of(added, [&](NodeId node) { return contains(group.vacant, node); });
  return !meets(added, lost) && !(waits && meets(group.next, lost));
}

// People asked for the intent and it can be carried out, or it leaves out members only that are away or being emptied.
template <typename Providers>
bool has_reason(const wire::CatalogGroup& group, const Providers& providers, const std::set<NodeId>& lost) {
  if (group.asked) return can_be_carried_out(group, lost);
  return std::ranges::all_of(group.members, [&](NodeId node) {
    const auto row = providers.find(node);
    return contains(group.next, node) || row == providers.end() || !row->second.up || row->second.draining;
  });
}

}  // namespace

// How many groups are on their way, and to whom.
struct Healer::Moves {
  std::size_t groups = 0;
  std::map<NodeId, std::size_t> to;

  void count(const wire::CatalogGroup& group, const std::vector<NodeId>& next) {
    ++groups;
    for (NodeId node : newcomers(group, next)) ++to[node];
  }
  bool bears(const wire::CatalogGroup& group, const std::vector<NodeId>& next) {
    return groups < Healer::kMovesMax &&
           std::ranges::all_of(newcomers(group, next), [&](NodeId node) { return to[node] < Healer::kMovesPerProviderMax; });
  }
};

Healer::Healer(const Timing& timing)
    : heal_after_ns_(ms_to_ns(timing.heal_after_ms)), repeat_ns_(ms_to_ns(timing.report_ms) * 4) {}

void Healer::start() {
  down_since_.clear();
  proposed_at_.clear();
}

void Healer::watch(TimeNs now, const Providers& providers) {
  std::erase_if(down_since_, [&](const auto& row) {
    const auto provider = providers.find(row.first);
    return provider == providers.end() || provider->second.up;
  });
  for (const auto& [node, provider] : providers) {
    if (!provider.up) down_since_.try_emplace(node, now);
  }
}

std::set<NodeId> Healer::lost(TimeNs now, const Providers& providers) const {
  std::set<NodeId> lost;
  for (const auto& [node, since] : down_since_) {
    if (now - since >= heal_after_ns_) lost.insert(node);
  }
  for (const auto& [node, provider] : providers) {
    if (provider.draining) lost.insert(node);
  }
  return lost;
}

// What to propose for one group; nullopt: nothing now. `replace`: who would be its members without those that are lost.
template <typename Replace>
std::optional<wire::MoveGroup> Healer::look_at(TimeNs now, const Providers& providers, const wire::CatalogGroup& group,
                                               const std::set<NodeId>& lost_now, Moves& moves, const Replace& replace) {
  // Who has forgotten what it voted votes again in a later epoch.
  const bool is_vacant = std::ranges::any_of(group.vacant, [&](NodeId node) { return contains(group.members, node); });
  const bool loses = meets(group.members, lost_now);
  const bool is_wanted = loses || is_vacant;
  const bool is_sound = !group.next.empty() && has_reason(group, providers, lost_now);
  const bool only_passes = !group.asked && group.next == group.members;
  const bool is_on_its_way = is_sound && !meets(newcomers(group, group.next), lost_now) && !(only_passes && loses);
  if (is_on_its_way || (!is_wanted && group.next.empty())) {
    proposed_at_.erase(group.group);
    return std::nullopt;
  }
  std::optional<std::vector<NodeId>> next;
  if (loses) next = replace();
  if (!next && is_vacant && group.next.empty()) next = group.members;
  if (!next && (group.next.empty() || is_sound)) return std::nullopt;
  if (next && !moves.bears(group, *next) && group.next.empty()) return std::nullopt;
  const auto before = proposed_at_.find(group.group);
  if (before != proposed_at_.end() && now - before->second < repeat_ns_) return std::nullopt;
  proposed_at_[group.group] = now;
  if (next) moves.count(group, *next);
  return wire::MoveGroup{.group = group.group, .epoch = group.epoch, .next = next.value_or(std::vector<NodeId>{})};
}

std::vector<wire::MoveGroup> Healer::tick(TimeNs now, const Providers& providers, const Groups& groups,
                                          const wire::CatalogGroup& root) {
  watch(now, providers);
  const std::set<NodeId> lost_now = lost(now, providers);
  Moves moves;
  for (const auto& [number, group] : groups) {
    if (!group.next.empty() && !group.lost) moves.count(group, group.next);
  }
  const bool has_vacancies =
      std::ranges::any_of(groups, [](const auto& row) { return !row.second.vacant.empty() && !row.second.lost; });
  if (lost_now.empty() && moves.groups == 0 && root.next.empty() && !has_vacancies) return {};
  std::vector<wire::CatalogProvider> provider_rows;
  for (const auto& [node, row] : providers) provider_rows.push_back(row);
  std::vector<wire::CatalogGroup> group_rows;
  for (const auto& [number, row] : groups) group_rows.push_back(row);

  std::vector<wire::MoveGroup> proposals;
  // Managers that have met and never joined must be able to: later managers do not know them.
  const bool all_have_joined = std::ranges::all_of(root.members, [&](NodeId node) { return providers.contains(node); });
  if (all_have_joined && !is_only_seat_shared(root)) {
    const auto replace = [&] { return managers_without(provider_rows, group_rows, root, lost_now); };
    if (auto move = look_at(now, providers, root, lost_now, moves, replace)) proposals.push_back(std::move(*move));
  }
  for (const auto& [number, group] : groups) {
    if (group.lost) continue;
    const auto replace = [&] { return members_without(provider_rows, group_rows, group, lost_now); };
    if (auto move = look_at(now, providers, group, lost_now, moves, replace)) proposals.push_back(std::move(*move));
  }
  return proposals;
}

}  // namespace juxmem

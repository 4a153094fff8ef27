#include "groups/placement/replacement.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include <fmt/core.h>

#include "groups/node_lists.h"

namespace juxmem {
namespace {

using Providers = std::span<const wire::CatalogProvider>;
using Groups = std::span<const wire::CatalogGroup>;

const wire::CatalogProvider* find(Providers providers, NodeId node) {
  const auto found = std::ranges::lower_bound(providers, node, {}, &wire::CatalogProvider::node);
  return found != providers.end() && found->node == node ? &*found : nullptr;
}

std::uint64_t free_of(const wire::CatalogProvider& row) {
  return row.capacity_bytes - std::min(row.reserved_bytes, row.capacity_bytes);
}

// The root is kept by managers of one kind: all have data folders or none, since one that has comes back as the same node.
bool can_keep(const wire::CatalogProvider& row, const wire::CatalogGroup& group) {
  if (group.durability == Durability::kDisk) return row.store != 0;
  return group.group != kRootGroup || row.store == 0;
}

// Providers that can become members, the best first, by site.
std::map<std::string, std::vector<NodeId>> candidates_of(Providers providers, Groups groups, const wire::CatalogGroup& group,
                                                         const std::set<NodeId>& lost) {
  std::map<NodeId, std::uint64_t> groups_of;
  for (const wire::CatalogGroup& row : groups) {
    for (const auto* list : {&row.members, &row.held}) {
      for (NodeId node : *list) ++groups_of[node];
    }
  }
  std::vector<const wire::CatalogProvider*> able;
  for (const wire::CatalogProvider& row : providers) {
    const bool takes = row.up && !row.draining && row.capacity_bytes > 0 && !lost.contains(row.node) && can_keep(row, group);
    const bool has_room = contains(group.held, row.node) || free_of(row) >= group.reserved_bytes;
    if (takes && has_room && !contains(group.members, row.node)) able.push_back(&row);
  }
  std::ranges::sort(able, {}, [&](const wire::CatalogProvider* row) {
    return std::tuple(groups_of[row->node], ~free_of(*row), row->node);
  });
  std::map<std::string, std::vector<NodeId>> by_site;
  for (const wire::CatalogProvider* row : able) by_site[row->site].push_back(row->node);
  return by_site;
}

// The places in the list of members, by site.
std::map<std::string, std::vector<std::size_t>> places_of(Providers providers, const wire::CatalogGroup& group) {
  std::map<std::string, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const wire::CatalogProvider* row = find(providers, group.members[i]);
    if (row != nullptr) places[row->site].push_back(i);
  }
  return places;
}

}  // namespace

std::optional<std::vector<NodeId>> members_without(Providers providers, Groups groups, const wire::CatalogGroup& group,
                                                   const std::set<NodeId>& lost) {
  std::map<std::string, std::vector<NodeId>> candidates = candidates_of(providers, groups, group, lost);
  const std::map<std::string, std::vector<std::size_t>> places = places_of(providers, group);
  std::vector<NodeId> next = group.members;
  for (const auto& [site, in_site] : places) {
    std::vector<std::size_t> to_replace;
    for (std::size_t place : in_site) {
      if (lost.contains(group.members[place])) to_replace.push_back(place);
    }
    std::vector<NodeId>* from = &candidates[site];
    if (from->size() < to_replace.size() && to_replace.size() == in_site.size()) {
      const auto other = std::ranges::find_if(
          candidates, [&](const auto& row) { return !places.contains(row.first) && row.second.size() >= in_site.size(); });
      if (other != candidates.end()) from = &other->second;
    }
    const std::size_t count = std::min(from->size(), to_replace.size());
    for (std::size_t i = 0; i < count; ++i) next[to_replace[i]] = (*from)[i];
    from->erase(from->begin(), from->begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (next == group.members) return std::nullopt;
  return next;
}

std::optional<std::vector<NodeId>> managers_without(Providers providers, Groups groups, const wire::CatalogGroup& root,
                                                    const std::set<NodeId>& lost) {
  std::map<std::string, std::vector<NodeId>> candidates = candidates_of(providers, groups, root, lost);
  std::map<std::string, std::size_t> seats;  // that stay, by site
  for (NodeId node : root.members) {
    const wire::CatalogProvider* row = find(providers, node);
    if (row != nullptr && !lost.contains(node)) ++seats[row->site];
  }
  std::vector<NodeId> next = root.members;
  for (NodeId& seat : next) {
    const wire::CatalogProvider* former = find(providers, seat);
    if (former == nullptr || !lost.contains(seat)) continue;
    std::erase_if(candidates, [](const auto& site) { return site.second.empty(); });
    auto from = candidates.find(former->site);
    if (from == candidates.end()) {
      from = std::ranges::min_element(candidates, {}, [&](const auto& site) { return seats[site.first]; });
    }
    if (from == candidates.end()) break;
    seat = from->second.front();
    from->second.erase(from->second.begin());
    ++seats[from->first];
  }
  if (next == root.members) return std::nullopt;
  return next;
}

Result<std::vector<NodeId>> members_moved(Providers providers, const wire::CatalogGroup& group, NodeId from, NodeId to) {
  const wire::CatalogProvider* source = find(providers, from);
  const wire::CatalogProvider* target = find(providers, to);
  if (source == nullptr || target == nullptr) return fail(Code::kInvalid, "there is no such provider");
  const std::string name = group.group == kRootGroup ? "the root" : fmt::format("group {}", group.group);
  if (!contains(group.members, from))
    return fail(Code::kInvalid, fmt::format("'{}' keeps no copy of {}", source->name, name));
  if (contains(group.members, to))
    return fail(Code::kInvalid, fmt::format("'{}' keeps a copy of {} already", target->name, name));
  if (target->draining) return fail(Code::kInvalid, fmt::format("'{}' is being emptied", target->name));
  if (!target->up) return fail(Code::kUnreachable, fmt::format("'{}' is down", target->name));
  if (!can_keep(*target, group)) {
    return fail(Code::kInvalid, fmt::format("{} is kept {}, and '{}' has {} data folder", name,
                                            group.durability == Durability::kDisk ? "on disk" : "in memory", target->name,
                                            target->store != 0 ? "a" : "no"));
  }
  if (!group.next.empty()) return fail(Code::kBusy, fmt::format("{} is getting other members already", name));
  const bool site_has_members = std::ranges::any_of(group.members, [&](NodeId node) {
    const wire::CatalogProvider* row = find(providers, node);
    return row != nullptr && row->site == target->site;
  });
  const bool may_leave_site = group.group == kRootGroup || (group.shape.nodes_per_site == 1 && !site_has_members);
  if (source->site != target->site && !may_leave_site) {
    return fail(Code::kImpossibleShape,
                fmt::format("{} keeps {} x {} copies (sites x copies in each): '{}' at {} cannot take the place of "
                            "'{}' at {}",
                            name, group.shape.sites, group.shape.nodes_per_site, target->name, target->site, source->name,
                            source->site));
  }
  if (!contains(group.held, to) && free_of(*target) < group.reserved_bytes) {
    return fail(Code::kNoSpace, fmt::format("'{}' has {} bytes free, {} needs {}", target->name, free_of(*target), name,
                                            group.reserved_bytes));
  }
  std::vector<NodeId> next = group.members;
  std::ranges::replace(next, from, to);
  return next;
}

}  // namespace juxmem

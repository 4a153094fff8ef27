#include "groups/placement/placement.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/core.h>

namespace juxmem {
namespace {

constexpr std::uint64_t kMembersMax = 64;  // of one stream

using Providers = std::span<const wire::CatalogProvider>;
using Groups = std::span<const wire::CatalogGroup>;

const wire::CatalogProvider* find(Providers providers, NodeId node) {
  const auto found = std::ranges::lower_bound(providers, node, {}, &wire::CatalogProvider::node);
  return found != providers.end() && found->node == node ? &*found : nullptr;
}

std::uint64_t free_of(const wire::CatalogProvider& provider) {
  return provider.capacity_bytes - std::min(provider.reserved_bytes, provider.capacity_bytes);
}

bool contains(const wire::CatalogGroup& group, NodeId node) {
  return std::ranges::find(group.members, node) != group.members.end();
}

// A site as the candidate part of a group: the nodes that would be taken from it.
struct SiteChoice {
  std::string_view name;
  std::vector<NodeId> nodes;
  bool preferred = false;
  std::uint64_t groups = 0;
  std::uint64_t free_bytes = std::numeric_limits<std::uint64_t>::max();
};

struct Candidate {
  NodeId node = 0;
  bool preferred = false;
  std::uint64_t groups = 0;
  std::uint64_t free_bytes = 0;
};

using Sites = std::map<std::string_view, std::vector<Candidate>>;

// The providers that are up and give memory, by site.
Sites sites_of(Providers providers, Groups groups, const Placement& placement) {
  std::map<NodeId, std::uint64_t> groups_of;
  for (const wire::CatalogGroup& group : groups) {
    for (NodeId member : group.members) ++groups_of[member];
  }
  Sites sites;
  for (const wire::CatalogProvider& provider : providers) {
    if (!provider.up || provider.draining || provider.capacity_bytes == 0) continue;
    if (placement.durability == Durability::kDisk && provider.store == 0) continue;
    sites[provider.site].push_back(
        {provider.node, provider.node == placement.prefer, groups_of[provider.node], free_of(provider)});
  }
  return sites;
}

std::size_t sites_with(const Sites& sites, std::size_t nodes) {
  return static_cast<std::size_t>(
      std::ranges::count_if(sites, [&](const auto& site) { return site.second.size() >= nodes; }));
}

std::string describe(const Sites& sites) {
  std::string text = fmt::format("{} {}", sites.size(), sites.size() == 1 ? "site" : "sites");
  const char* separator = ": ";
  for (const auto& [name, nodes] : sites) {
    text += fmt::format("{}{} with {}", separator, name, nodes.size());
    separator = ", ";
  }
  return text;
}

SiteChoice choose_in_site(std::string_view name, std::vector<Candidate> nodes, std::size_t count) {
  std::ranges::sort(nodes, {}, [](const Candidate& candidate) {
    return std::tuple(!candidate.preferred, candidate.groups, ~candidate.free_bytes, candidate.node);
  });
  SiteChoice choice{.name = name, .nodes = {}};
  for (std::size_t i = 0; i < count; ++i) {
    choice.nodes.push_back(nodes[i].node);
    choice.preferred |= nodes[i].preferred;
    choice.groups += nodes[i].groups;
    choice.free_bytes = std::min(choice.free_bytes, nodes[i].free_bytes);
  }
  return choice;
}

}  // namespace

std::uint64_t free_bytes(Providers providers, const wire::CatalogGroup& group) {
  if (group.members.empty()) return 0;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (NodeId member : group.members) {
    const wire::CatalogProvider* provider = find(providers, member);
    least = std::min(least, provider != nullptr ? free_of(*provider) : 0);
  }
  return least;
}

std::optional<GroupId> pick_group(Providers providers, Groups groups, const Placement& placement) {
  const wire::CatalogGroup* best = nullptr;
  const auto rank = [&](const wire::CatalogGroup& group) {
    const bool led = placement.prefer != 0 && group.members.front() == placement.prefer;
    const bool has = placement.prefer != 0 && contains(group, placement.prefer);
    return std::tuple(!led, !has, ~free_bytes(providers, group), group.group);
  };
  for (const wire::CatalogGroup& group : groups) {
    const bool fits = group.shape == placement.shape && group.durability == placement.durability && !group.lost &&
                      !group.members.empty() && free_bytes(providers, group) >= placement.room_bytes &&
                      std::ranges::all_of(group.members, [&](NodeId member) {
                        const wire::CatalogProvider* provider = find(providers, member);
                        return provider != nullptr && provider->up;
                      });
    if (fits && (best == nullptr || rank(group) < rank(*best))) best = &group;
  }
  if (best == nullptr) return std::nullopt;
  if (placement.prefer != 0 && best->members.front() != placement.prefer) {
    const Result<std::vector<NodeId>> own = place(providers, groups, placement);
    if (own && own->front() == placement.prefer) return std::nullopt;
  }
  return best->group;
}

Result<std::vector<NodeId>> place(Providers providers, Groups groups, const Placement& placement) {
  const std::uint64_t site_count = placement.shape.sites;
  const std::uint64_t node_count = placement.shape.nodes_per_site;
  if (site_count == 0 || node_count == 0) return fail(Code::kInvalid, "a block needs at least one site and one node");
  const std::string asked = fmt::format("{} sites with {} nodes each were asked for", site_count, node_count);
  if (site_count > kMembersMax || node_count > kMembersMax || site_count * node_count > kMembersMax) {
    return fail(Code::kImpossibleShape, fmt::format("{}; a block can have {} copies", asked, kMembersMax));
  }
  Sites sites = sites_of(providers, groups, placement);
  const char* able = placement.durability == Durability::kDisk ? "up and have a data folder" : "up";
  if (sites_with(sites, node_count) < site_count) {
    return fail(Code::kImpossibleShape, fmt::format("{}; the grid has {} that are {}", asked, describe(sites), able));
  }
  for (auto& [name, nodes] : sites) {
    std::erase_if(nodes, [&](const Candidate& node) { return node.free_bytes < placement.room_bytes; });
  }
  if (sites_with(sites, node_count) < site_count) {
    return fail(Code::kNoSpace, fmt::format("{} with {} bytes free; the grid has {} with so much", asked,
                                            placement.room_bytes, describe(sites)));
  }
  std::vector<SiteChoice> choices;
  for (const auto& [name, nodes] : sites) {
    if (nodes.size() >= node_count) choices.push_back(choose_in_site(name, nodes, node_count));
  }
  std::ranges::sort(choices, {}, [](const SiteChoice& choice) {
    return std::tuple(!choice.preferred, choice.groups, ~choice.free_bytes, choice.name);
  });
  std::vector<NodeId> members;
  for (std::size_t i = 0; i < site_count; ++i) {
    members.insert(members.end(), choices[i].nodes.begin(), choices[i].nodes.end());
  }
  return members;
}

}  // namespace juxmem

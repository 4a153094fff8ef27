// Providers that come back, and what became of their seats in the groups meanwhile.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/core.h>

#include "groups/catalog/catalog.h"
#include "groups/catalog/refusal.h"
#include "groups/node_lists.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
// Nullopt: it comes for the first time.
std::optional<wire::Reply> Catalog::rejoin(Instance instance, const wire::JoinProvider& command) {
  if (command.store == 0 || command.node == 0) return std::nullopt;
  const auto found = providers_.find(command.node);
  if (found == providers_.end() && command.manager) return std::nullopt;
  if (found == providers_.end() || found->second.store != command.store) {
    return refusal(
        Code::kStale,
        fmt::format("the grid does not know the data folder of node {} (any more); start with an empty one", command.node));
  }
  wire::CatalogProvider& row = found->second;
  if (row.incarnation > command.incarnation)
    return refusal(Code::kStale, fmt::format("a later life of '{}' has joined", row.name));
  if (row.site != command.site) {
    return refusal(Code::kInvalid, fmt::format("the provider of this data folder belongs to site {}", row.site));
  }
  if (command.capacity_bytes < row.reserved_bytes) {
    return refusal(Code::kInvalid,
                   fmt::format("the groups of this provider need {} bytes of memory here", row.reserved_bytes));
  }
  for (const auto& [node, other] : providers_) {
    if (node != command.node && other.name == command.name && other.up) {
      return refusal(Code::kInvalid, fmt::format("another provider is called '{}'", command.name));
    }
  }
  row.name = command.name;
  row.address = command.address;
  row.incarnation = command.incarnation;
  row.capacity_bytes = command.capacity_bytes;
  row.up = true;
  vacate_seats(command.node, command);
  version_ = instance;
  wire::Reply reply;
  reply.number = command.node;
  return reply;
}

// Its former life may have voted in the group's epoch, and in the next one, which the catalog may not know yet; not in the one after,
// since nobody ends an epoch before the catalog has told of it.
void Catalog::vacate_seats(NodeId node, const wire::JoinProvider& command) {
  for (auto& [number, group] : groups_) {
    const bool remembers = group.durability == Durability::kDisk && (command.whole || contains(command.kept, number));
    if (remembers || group.lost || !contains(holders_of(group), node) || mutant("vote_after_amnesia")) continue;
    const auto known = std::ranges::find(group.vacant, node);
    if (known == group.vacant.end()) {
      group.vacant.push_back(node);
      group.vacant_until.push_back(group.epoch + 2);
    } else {
      group.vacant_until[static_cast<std::size_t>(known - group.vacant.begin())] = group.epoch + 2;
    }
    give_up_if_lost(group);
  }
}

bool Catalog::has_forgotten(const wire::CatalogGroup& group, NodeId node) const {
  if (contains(group.vacant, node)) return true;
  const auto row = providers_.find(node);
  if (row == providers_.end()) return true;
  return std::ranges::any_of(providers_, [&](const auto& other) {
    return other.second.name == row->second.name && other.second.incarnation > row->second.incarnation;
  });
}

// Whose time has come votes again; who is no member any more has nothing to wait for.
void Catalog::settle_vacancies(wire::CatalogGroup& group) {
  for (std::size_t i = group.vacant.size(); i-- > 0;) {
    if (group.vacant_until[i] > group.epoch && contains(group.members, group.vacant[i])) continue;
    group.vacant.erase(group.vacant.begin() + static_cast<std::ptrdiff_t>(i));
    group.vacant_until.erase(group.vacant_until.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// Without members that remember in a majority of the sites, each in a majority of its members, nobody can tell what the group has decided.
// Where a change of members is intended, others may have it.
void Catalog::give_up_if_lost(wire::CatalogGroup& group) {
  if (group.lost) return;
  struct Site {
    std::size_t members = 0;
    std::size_t remember = 0;
  };
  std::map<std::string, Site> sites;
  for (NodeId node : group.members) {
    // The root's managers are all of one kind: a majority of them is a quorum.
    const bool has_sites = group.group != kRootGroup && providers_.contains(node);
    Site& site = sites[has_sites ? providers_.at(node).site : std::string()];
    ++site.members;
    if (!has_forgotten(group, node)) ++site.remember;
  }
  const auto good =
      std::ranges::count_if(sites, [](const auto& site) { return 2 * site.second.remember > site.second.members; });
  if (2 * static_cast<std::size_t>(good) > sites.size()) return;
  const bool any_remembers =
      std::ranges::any_of(holders_of(group), [&](NodeId node) { return !has_forgotten(group, node); });
  if (!group.held.empty() && any_remembers) return;
  group.lost = true;
  unreserve_for(group, group.reserved_bytes);
  ledgers_.erase(group.group);
}

}  // namespace juxmem

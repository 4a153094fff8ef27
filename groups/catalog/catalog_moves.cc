// Groups that get other members: the intent, and what is known once it has been carried out.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "groups/catalog/catalog.h"
#include "groups/catalog/refusal.h"
#include "groups/node_lists.h"

namespace juxmem {
namespace {

bool has_duplicates(const std::vector<NodeId>& nodes) {
  return std::set<NodeId>(nodes.begin(), nodes.end()).size() != nodes.size();
}

// An only manager and the one that is to follow it: the latter is to be alone in the epoch after (group_moves.cc).
bool is_shared_on_the_way(const wire::CatalogGroup& group, const std::vector<NodeId>& members) {
  return group.group == kRootGroup && group.members.size() == 1 && members.size() == 2 &&
         contains(members, group.members.front());
}

}  // namespace

// Where the group's memory is reserved.
std::vector<NodeId> Catalog::holders_of(const wire::CatalogGroup& group) {
  std::vector<NodeId> holders = group.members;
  holders.insert(holders.end(), group.held.begin(), group.held.end());
  return holders;
}

wire::CatalogGroup* Catalog::find_group(GroupId group) {
  if (group == kRootGroup) return &root_;
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

wire::Reply Catalog::move_group(Instance instance, const wire::MoveGroup& command) {
  wire::CatalogGroup* const found = find_group(command.group);
  if (found == nullptr) return refusal(Code::kInvalid, fmt::format("no group {}", command.group));
  wire::CatalogGroup& group = *found;
  if (command.epoch != group.epoch) {
    return refusal(Code::kWrongEpoch, fmt::format("group {} is in epoch {}", command.group, group.epoch));
  }
  if (command.next == group.next && command.asked == group.asked) return {};
  if (group.lost) return refusal(Code::kLost, fmt::format("group {}", command.group));
  const bool fits = command.next.empty() || (command.next.size() == group.members.size() && !has_duplicates(command.next));
  if (!fits) return refusal(Code::kInvalid, fmt::format("not the shape of group {}", command.group));
  std::vector<NodeId> added;
  const std::vector<NodeId> holders = holders_of(group);
  for (NodeId node : command.next) {
    if (contains(holders, node)) continue;
    const auto provider = providers_.find(node);
    if (provider == providers_.end()) return refusal(Code::kInvalid, fmt::format("no provider {}", node));
    if (provider->second.capacity_bytes - provider->second.reserved_bytes < group.reserved_bytes) {
      return refusal(Code::kNoSpace, fmt::format("provider {} has no room for group {}", node, command.group));
    }
    added.push_back(node);
  }
  for (NodeId node : added) {
    providers_.at(node).reserved_bytes += group.reserved_bytes;
    group.held.push_back(node);
  }
  group.next = command.next;
  group.asked = command.asked && !command.next.empty();
  version_ = instance;
  return {};
}

// A former life of a provider was kept only because groups referred to it.
void Catalog::forget_if_gone(NodeId node) {
  const wire::CatalogProvider& row = providers_.at(node);
  if (row.manager || is_referred_to(node)) return;
  const bool has_later_life = std::ranges::any_of(providers_, [&](const auto& other) {
    return other.second.name == row.name && other.second.incarnation > row.incarnation;
  });
  if (has_later_life) providers_.erase(node);
}

wire::Reply Catalog::group_moved(Instance instance, const wire::GroupMoved& command) {
  wire::CatalogGroup* const found = find_group(command.group);
  if (found == nullptr) return refusal(Code::kInvalid, fmt::format("no group {}", command.group));
  wire::CatalogGroup& group = *found;
  if (command.epoch <= group.epoch) return {};
  const std::vector<NodeId> holders = holders_of(group);
  const bool is_shared = is_shared_on_the_way(group, command.members);
  const bool fits = is_shared || command.members.size() == (is_only_seat_shared(group) ? 1 : group.members.size());
  const bool intended = fits && !has_duplicates(command.members) &&
                        std::ranges::all_of(command.members, [&](NodeId node) { return contains(holders, node); });
  if (!intended)
    return refusal(Code::kInvalid, fmt::format("nobody intended group {} to have these members", command.group));
  group.next.clear();
  if (is_shared) group.next.push_back(command.members[command.members.front() == group.members.front() ? 1 : 0]);
  group.epoch = command.epoch;
  group.members = command.members;
  group.held.clear();
  group.asked = false;
  settle_vacancies(group);
  version_ = instance;
  if (command.group == kRootGroup) name_managers();
  for (NodeId node : holders) {
    // A manager of the beginning may never have joined.
    if (contains(group.members, node) || !providers_.contains(node)) continue;
    providers_.at(node).reserved_bytes -= group.reserved_bytes;
    forget_if_gone(node);
  }
  give_up_if_lost(group);
  return {};
}

void Catalog::name_managers() {
  for (auto& [node, provider] : providers_) provider.manager = contains(root_.members, node);
}

}  // namespace juxmem

#include "tests/sim/grid/grid_checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <optional>
#include <utility>

#include "consistency/coherence/holdings.h"
#include "consistency/paxos/stop_sign.h"
#include "groups/node_lists.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"

namespace juxmem::sim {

GridChecks::Epoch::Epoch(std::vector<StreamMember> members_list, Instance begins_after)
    : list(std::move(members_list)), base(begins_after), quorums(list), invariants(QuorumSystem(list), base) {}

void GridChecks::set_managers(std::size_t count) {
  std::vector<StreamMember> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({.node = static_cast<NodeId>(i + 1), .site = 1});
  groups_[kRootGroup].epochs.emplace(1, Epoch(std::move(list), 0));
}

void GridChecks::learn_groups(const Provider& provider) {
  const CatalogView& catalog = provider.catalog();
  for (const wire::CatalogGroup& row : catalog.groups()) {
    if (row.durability == Durability::kDisk) kept_on_disk_.insert(row.group);
    if (row.epoch != 1 || groups_.contains(row.group)) continue;
    std::vector<StreamMember> list;
    for (NodeId node : row.members) list.push_back({.node = node, .site = catalog.site_of(node)});
    Epoch& first = groups_[row.group].epochs.emplace(1, Epoch(std::move(list), 0)).first->second;
    if (row.durability == Durability::kDisk) continue;
    // Who has died before and comes back from a data folder cannot tell whether it was before.
    for (NodeId node : row.members) {
      const bool lives = std::ranges::any_of(providers_, [node](const Provider* one) { return one->self() == node; });
      if (!lives) first.members[node].may_be_absent = true;
    }
  }
}

void GridChecks::after_turn(const Provider& provider) {
  if (provider.self() == 0) return;
  learn_groups(provider);
  forget_streams(provider.self(), &provider);
  for (auto& [number, group] : groups_) look_at_learner(provider, number, group);
  for (GroupId number : provider.groups()) {
    const Replica* replica = provider.replica(number);
    const auto group = groups_.find(number);
    if (replica == nullptr || group == groups_.end()) continue;
    look_at(provider, number, *replica, group->second);
    look_at_end(number, *replica, group->second);
  }
  check_told(provider);
  providers_.insert(&provider);
  if (provider.agent() != nullptr) joined_.insert(provider.self());
  check_quotas(provider);
  check_holdings(provider);
}

void GridChecks::check_told(const Provider& provider) {
  for (GroupId number : provider.groups()) {
    const Replica* replica = provider.replica(number);
    const auto group = groups_.find(number);
    if (replica == nullptr || group == groups_.end()) continue;
    const auto epoch = group->second.epochs.find(replica->epoch());
    const Instance base = epoch == group->second.epochs.end() ? 0 : epoch->second.base;
    if (const auto broken = told_.look_at(provider, *replica, base)) return world_.fail(*broken);
  }
  if (const auto broken = told_.look_at_missing(provider)) world_.fail(*broken);
}

// Those that the node does not have any more, be it for a later epoch or because its life is over.
void GridChecks::forget_streams(NodeId node, const Provider* provider) {
  for (auto& [number, group] : groups_) {
    const Replica* replica = provider == nullptr ? nullptr : provider->replica(number);
    for (auto& [epoch, row] : group.epochs) {
      const auto member = row.members.find(node);
      if (member == row.members.end() || (replica != nullptr && replica->epoch() == epoch)) continue;
      member->second.stream = nullptr;
      if (provider == nullptr) member->second.was_ended = true;
    }
  }
}

// C1: who owns a block exclusively under a session that lives owns it alone.
void GridChecks::check_holdings(const Provider& provider) {
  if (provider.agent() == nullptr) return;
  const Holdings& holdings = provider.agent()->holdings();
  const auto owns = [this](const Holdings& agent, BlockId block) {
    const HeldBlock* held = agent.find(block);
    if (held == nullptr || held->mode == Mode::kNone) return Mode::kNone;
    const auto group = groups_.find(group_of(block));
    const bool lives = group != groups_.end() && group->second.live.contains(agent.session_of(group_of(block)));
    return lives ? held->mode : Mode::kNone;
  };
  for (const auto& [block, held] : holdings.blocks()) {
    for (const auto& [token, mode] : held.local.users()) {
      if (mode > held.mode) return world_.fail(fmt::format("C1: a user is inside {} without ownership", block_name(block)));
    }
    const Mode own = owns(holdings, block);
    if (own == Mode::kNone) continue;
    for (const Provider* other : providers_) {
      if (other == &provider || other->agent() == nullptr) continue;
      const Mode others = owns(other->agent()->holdings(), block);
      const bool together = others == Mode::kNone || (own == Mode::kShared && others == Mode::kShared);
      if (!together) {
        return world_.fail(
            fmt::format("C1: nodes {} and {} own {} at once", provider.self(), other->self(), block_name(block)));
      }
    }
  }
}

void GridChecks::look_at_learner(const Provider& provider, GroupId number, Group& group) const {
  const Learner* learner = provider.learner(number);
  if (learner != nullptr && learner->percent() == 100) group.followed.insert(provider.self());
}

void GridChecks::check_beginning(GroupId number, const Group& group, const Epoch& before, const Epoch& begun) {
  for (const Provider* provider : providers_) {
    const NodeId node = provider->self();
    const bool is_new = begun.quorums.index_of(node) && !before.quorums.index_of(node);
    // Whose seat is vacant takes no part in this epoch yet.
    const bool is_vacant = std::ranges::any_of(providers_, [&](const Provider* one) {
      const wire::CatalogGroup* row = one->catalog().group(number);
      return row != nullptr && contains(row->vacant, node);
    });
    if (!is_new || is_vacant || group.followed.contains(node)) continue;
    return world_.fail(fmt::format("group {}: an epoch begins with node {}, which has never had the state", number, node));
  }
}

// The next epoch has begun, though whoever is to take part in it may not have heard of that: its members are needed from now on.
void GridChecks::look_at_end(GroupId number, const Replica& replica, Group& group) {
  if (!replica.is_retired() || group.epochs.contains(replica.next_epoch())) return;
  const wire::Entry* stop = replica.stream().entry_at(replica.applied());
  const auto before = group.epochs.find(replica.epoch());
  if (stop == nullptr || before == group.epochs.end()) return;
  const std::optional<StopSign> next = decode_stop_sign({number, replica.epoch()}, stop->command);
  if (!next) return;
  const Epoch& begun = group.epochs.emplace(next->next_epoch, Epoch(next->members, replica.applied())).first->second;
  check_beginning(number, group, before->second, begun);
}

void GridChecks::look_at(const Provider& provider, GroupId number, const Replica& replica, Group& group) {
  auto epoch = group.epochs.find(replica.epoch());
  const bool is_newcomer = replica.epoch() > 1 && replica.base() == 0;
  if (epoch == group.epochs.end()) {
    if (is_newcomer) return;  // somebody who knows where the epoch begins is seen soon
    epoch = group.epochs.emplace(replica.epoch(), Epoch(replica.members(), replica.base())).first;
    if (const auto before = group.epochs.find(replica.epoch() - 1); before != group.epochs.end()) {
      check_beginning(number, group, before->second, epoch->second);
    }
  }
  auto [row, is_new] = epoch->second.members.try_emplace(provider.self());
  if (row->second.has_forgotten && !replica.is_kept_on_disk()) {
    return world_.fail(fmt::format("group {}: node {} takes part in an epoch in which its former life may have voted",
                                   number, provider.self()));
  }
  Member& member = row->second;
  if (!is_newcomer) member.has_forgotten = false;  // what was damaged was none of its files
  if (is_new) {
    member.handed_out = replica.base();
    member.complete = !is_newcomer;
    if (replica.epoch() > 1 && replica.is_kept_on_disk()) has_begun_.push_back(provider.self());
    if (!is_newcomer) member.installed = replica.stats().snapshots_installed;
  }
  member.may_be_absent = false;
  const Stream& stream = replica.stream();
  if (std::exchange(member.was_ended, false) && replica.is_kept_on_disk() && !is_new) {
    epoch->second.invariants.on_restarted(provider.self(), stream, replica.applied());
    member = {.handed_out = replica.applied(), .installed = replica.stats().snapshots_installed};
  }
  member.stream = &stream;
  member.is_able = !replica.is_catching_up() && replica.is_state_stable();
  const ReplicaStats& stats = replica.stats();
  if (stats.snapshots_refused > 0)
    return world_.fail(fmt::format("group {}: node {} refused a snapshot", number, provider.self()));
  // Its state is not whole; whatever it answers is refused.
  if (replica.is_catching_up()) return check_streams(epoch->second);
  if (stats.snapshots_installed != member.installed) {
    snapshots_installed_ += stats.snapshots_installed - member.installed;
    member.installed = stats.snapshots_installed;
    if (const auto broken = epoch->second.invariants.on_installed(provider.self(), *replica.installed_at())) {
      return world_.fail(fmt::format("group {}: {}", number, *broken));
    }
    member.handed_out = *replica.installed_at();
    member.complete = true;
  }
  const bool changed =
      stream.ballot() != member.promised || stream.last() != member.last || replica.applied() != member.handed_out;
  if (!changed) return;
  member.promised = stream.ballot();
  member.last = stream.last();
  look_at_entries(provider, number, replica, epoch->second);
  if (replica.applied() != member.handed_out) look_at_state(provider, number, replica, group);
  member.handed_out = replica.applied();
  check_streams(epoch->second);
}

void GridChecks::look_at_entries(const Provider& provider, GroupId number, const Replica& replica, Epoch& epoch) {
  Member& member = epoch.members.at(provider.self());
  for (Instance instance = member.handed_out + 1; instance <= replica.applied() && member.complete; ++instance) {
    const wire::Entry* entry = replica.stream().entry_at(instance);
    if (entry == nullptr) {
      member.complete = false;
    } else if (const auto broken = epoch.invariants.on_decided(provider.self(), {.instance = instance, .entry = *entry})) {
      return world_.fail(fmt::format("group {}: {}", number, *broken));
    }
  }
}

void GridChecks::look_at_state(const Provider& provider, GroupId number, const Replica& replica, Group& group) {
  if (replica.applied() > group.newest) {
    group.newest = replica.applied();
    group.live.clear();
    for (const LiveSession& session : replica.machine().sessions().live()) group.live.insert(session.session);
    note_state(replica, group);
  }
  const std::uint64_t digest = replica.machine().digest();
  const auto [known, is_new] = group.digests.emplace(replica.applied(), digest);
  if (!is_new && known->second != digest) {
    world_.fail(fmt::format("S3: group {}: node {} has another state after {}", number, provider.self(), replica.applied()));
  }
}

void GridChecks::note_state(const Replica& replica, Group& group) {
  if (replica.catalog() != nullptr) {
    for (const auto& [of, row] : replica.catalog()->catalog().groups()) {
      if (row.lost) {
        reserved_.erase(of);
      } else {
        reserved_[of] = row.reserved_bytes;
      }
    }
  } else {
    group.quota_bytes = replica.blocks()->quota_bytes();
  }
}

// K5: once all of the turn is noted: it may have moved the group and the root.
void GridChecks::check_quotas(const Provider& provider) {
  for (const auto& [of, reserved] : reserved_) {
    const auto found = groups_.find(of);
    if (found == groups_.end() || found->second.quota_bytes <= reserved) continue;
    return world_.fail(fmt::format("K5: group {} has {} bytes, the root has reserved {}, seen at node {}", of,
                                   found->second.quota_bytes, reserved, provider.self()));
  }
}

bool GridChecks::quotas_are_settled(const std::set<NodeId>& living) const {
  if (!has_quorum(kRootGroup, living)) return true;
  return std::ranges::all_of(reserved_, [&](const auto& row) {
    return !has_quorum(row.first, living) || groups_.at(row.first).quota_bytes == row.second;
  });
}

void GridChecks::check_streams(Epoch& epoch) {
  std::vector<const Stream*> streams;
  for (const StreamMember& row : epoch.list) {
    const auto member = epoch.members.find(row.node);
    streams.push_back(member == epoch.members.end() ? nullptr : member->second.stream);
  }
  if (const auto broken = epoch.invariants.check(streams)) world_.fail(*broken);
}

void GridChecks::ended(const Provider& provider) {
  providers_.erase(&provider);
  told_.ended(provider.self());
  forget_votes(provider);
  forget_streams(provider.self(), nullptr);
}

// A provider with a data folder comes back under its number.
void GridChecks::forget_votes(const Provider& provider) {
  for (auto& [number, group] : groups_) {
    const auto& [last, epoch] = *group.epochs.rbegin();
    const Replica* replica = provider.replica(number);
    if (!epoch.quorums.index_of(provider.self()) || (replica != nullptr && replica->is_kept_on_disk())) continue;
    const bool is_kept = replica == nullptr && kept_on_disk_.contains(number);
    if (!is_kept) group.epochs.rbegin()->second.members[provider.self()].has_forgotten = true;
  }
}

// Of the last epoch. In the first one everybody is able from the beginning.
std::uint64_t GridChecks::able_of(const Group& group, const std::set<NodeId>& living) {
  const auto& [number, epoch] = *group.epochs.rbegin();
  std::uint64_t set = 0;
  for (std::size_t i = 0; i < epoch.list.size(); ++i) {
    const auto member = epoch.members.find(epoch.list[i].node);
    const bool is_known = member != epoch.members.end();
    const bool lacks_votes = is_known && (member->second.has_forgotten || member->second.may_be_absent);
    const bool is_able = !lacks_votes && (number == 1 || (is_known && member->second.is_able));
    if (living.contains(epoch.list[i].node) && is_able) set |= 1ULL << i;
  }
  return set;
}

bool GridChecks::quorum_of(const Group& group, const std::set<NodeId>& living) {
  return group.epochs.rbegin()->second.quorums.is_quorum(able_of(group, living));
}

bool GridChecks::is_beginning(const Group& group, const std::set<NodeId>& living) {
  if (group.epochs.size() < 2 || quorum_of(group, living)) return false;
  const auto last = group.epochs.rbegin();
  const auto set_of = [&](const Epoch& epoch) {
    std::uint64_t set = 0;
    for (std::size_t i = 0; i < epoch.list.size(); ++i) set |= std::uint64_t{living.contains(epoch.list[i].node)} << i;
    return set;
  };
  const Epoch& before = std::next(last)->second;
  return last->second.quorums.is_quorum(set_of(last->second)) && before.quorums.is_quorum(set_of(before));
}

bool GridChecks::all_whole(const std::set<NodeId>& living) const {
  return std::ranges::all_of(groups_, [&](const auto& row) {
    const std::size_t members = row.second.epochs.rbegin()->second.list.size();
    const bool is_whole = static_cast<std::size_t>(std::popcount(able_of(row.second, living))) == members;
    if (is_whole || !quorum_of(row.second, living)) return true;
    // A first manager that died before it had ever joined keeps its seat.
    return row.first == kRootGroup &&
           !std::ranges::all_of(row.second.epochs.rbegin()->second.list,
                                [&](const StreamMember& member) { return joined_.contains(member.node); });
  });
}

bool GridChecks::has_quorum(GroupId group, const std::set<NodeId>& living) const {
  const auto found = groups_.find(group);
  return found != groups_.end() && quorum_of(found->second, living);
}

bool GridChecks::can_spare(NodeId node, std::set<NodeId> living) const {
  std::set<NodeId> rest = living;
  rest.erase(node);
  for (const auto& [number, group] : groups_) {
    if (quorum_of(group, living) && !quorum_of(group, rest)) return false;
    if (is_beginning(group, living) && !is_beginning(group, rest)) return false;
  }
  return true;
}

bool GridChecks::can_forget(NodeId node) const {
  return std::ranges::all_of(groups_, [&](const auto& row) {
    std::set<NodeId> others;
    for (const StreamMember& member : row.second.epochs.rbegin()->second.list) others.insert(member.node);
    others.erase(node);
    return quorum_of(row.second, others);
  });
}

// Of the groups in which it is known what it has: elsewhere it counts for nothing.
void GridChecks::may_have_forgotten(NodeId node) {
  told_.may_have_forgotten(node);
  for (auto& [number, group] : groups_) {
    auto& [last, epoch] = *group.epochs.rbegin();
    if (epoch.quorums.index_of(node) && (last == 1 || epoch.members.contains(node))) {
      epoch.members[node].has_forgotten = true;
    }
  }
}

std::vector<GroupId> GridChecks::groups() const {
  std::vector<GroupId> found;
  for (const auto& [number, group] : groups_) found.push_back(number);
  return found;
}

}  // namespace juxmem::sim

// A provider's way into its grid, and what follows from the catalog: routes, replicas, the agent.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "groups/node_lists.h"
#include "juxmem/base/mutant.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/provider/provider_core.h"

namespace juxmem {

// ---- becoming somebody ----------------------------------------------------------------------------------------------------------

// Providers that joined later know nothing of who met in the beginning: by then all who did have joined.
void ProviderCore::begin_root_duties() {
  root_duties_.emplace(outbox_, options_.timing, *replicas_.at(kRootGroup).replica, self_, grid_,
                       bootstrap_ && bootstrap_->stage() == Bootstrap::Stage::kEstablished ? bootstrap_->members()
                                                                                           : std::vector<std::uint64_t>{});
  membership_.set_catalog_is_local(true);
}

void ProviderCore::end_root_duties() {
  root_duties_.reset();
  membership_.set_catalog_is_local(false);
  membership_.use_managers(managers());
}

void ProviderCore::become(NodeId node) {
  self_ = node;
  outbox_.set_self(node, options_.incarnation);
}

void ProviderCore::on_joined(const wire::Joined& joined) {
  if (!membership_.on_joined(joined)) return;
  if (self_ != 0 && self_ != membership_.self()) {
    fail_with(Error{Code::kInternal, fmt::format("manager {} was taken in as node {}", self_, membership_.self())});
    return;
  }
  become(membership_.self());
  grid_ = joined.grid;
  if (journal_) joined_with_journal();
  on_catalog();
}

// ---- the catalog ----------------------------------------------------------------------------------------------------------------

void ProviderCore::look_at_root() {
  const Replica& root = *replicas_.at(kRootGroup).replica;
  if (root.is_retired() && !mutant("manage_after_stop")) {
    end_root_duties();
    say(Notice::Severity::kInfo, "the root has moved on to other managers");
    return;
  }
  root_duties_->on_root_changed(now());
  membership_.on_root_coordinator(now(), root.coordinator());
  membership_.set_catalog_is_local(root.coordinator() != 0);
  const Catalog& applied = root.catalog()->catalog();
  if (applied.version() > catalog_.version() && catalog_.update(applied.snapshot())) on_catalog();
}

void ProviderCore::on_snapshot(wire::CatalogSnapshot snapshot) {
  if (snapshot.version > catalog_.version() && catalog_.update(std::move(snapshot))) on_catalog();
}

void ProviderCore::on_catalog() {
  if (self_ == 0) return;
  for (const wire::CatalogProvider& provider : catalog_.providers()) {
    if (provider.name == options_.name && provider.incarnation != options_.incarnation && provider.node > self_) {
      fail_with(Error{Code::kInvalid, fmt::format("another provider ({}) has joined under the name '{}'; names must be "
                                                  "unique in the grid",
                                                  provider.address, options_.name)});
      return;
    }
  }
  update_routes();
  remember_contacts();
  make_restored_replicas();
  make_learners();
  make_replicas();
  make_agent();
  if (agent_) agent_->on_catalog();
}

void ProviderCore::update_routes() {
  std::set<NodeId> routed;
  for (const wire::CatalogProvider& provider : catalog_.providers()) {
    routed.insert(provider.node);
    outbox_.set_route(provider.node, provider.address, present_life_of(provider));
  }
  // The first managers may not have joined yet.
  for (NodeId node : first_managers()) {
    if (routed.contains(node) || (catalog_.version() != 0 && !catalog_.is_manager(node))) continue;
    routed.insert(node);
    outbox_.set_route(node, contacts_[node - 1], first_life_of(node));
  }
  for (NodeId node : routed_) {
    if (!routed.contains(node)) outbox_.set_route(node, {}, 0);
  }
  routed_ = std::move(routed);
  // A former life of this provider may still be counted as one of them.
  std::vector<NodeId> managers = this->managers();
  std::erase_if(managers, [this](NodeId node) {
    const wire::CatalogProvider* row = catalog_.provider(node);
    return node != self_ && row != nullptr && row->address == options_.address;
  });
  membership_.use_managers(std::move(managers));
}

// The row names this life. Another life of a provider without a data folder has another number, except managers, whose replaced lives
// never carry a manager's number; one with a data folder comes back as the same node, and remembers its votes or leaves its seat vacant.
void ProviderCore::make_replicas() {
  if (!is_in_catalog()) return;
  for (GroupId group : catalog_.groups_of(self_)) {
    const wire::CatalogGroup& row = *catalog_.group(group);
    const bool is_there = replicas_.contains(group) || learners_.contains(group);
    if (!is_there && !row.lost && !is_vacant_here(row, row.epoch) && can_keep(row)) make_replica(row);
  }
  take_seat_again();
}

// A later manager that was started again before it had voted: its folder has nothing of the root.
void ProviderCore::take_seat_again() {
  const wire::CatalogGroup& root = catalog_.root();
  const bool is_seated = root.epoch > 1 && contains(root.members, self_) && !is_vacant_here(root, root.epoch);
  const bool is_there = replicas_.contains(kRootGroup) || learners_.contains(kRootGroup);
  if (!is_seated || is_there || root.durability != Durability::kDisk || !is_disk_ready()) return;
  make_replica(root);
}

bool ProviderCore::is_in_catalog() const {
  const wire::CatalogProvider* own = catalog_.provider(self_);
  return own != nullptr && own->incarnation == options_.incarnation;
}

// The root's managers are all of one kind: a majority of them is a quorum.
StreamMember ProviderCore::stream_member(GroupId group, NodeId node) const {
  return {node, group == kRootGroup ? 1 : catalog_.site_of(node)};
}

// What does not depend on who the members are.
StreamConfig ProviderCore::stream_config(StreamId stream) const {
  StreamConfig config;
  config.stream = stream;
  config.self = self_;
  config.timing = options_.timing;
  config.limits = options_.limits;
  config.seed = env_.random();
  return config;
}

// In the first epoch everybody begins with nothing. Later ones have a history, which a new member lacks like one that was left behind;
// it votes once it has it, on disk where the group is kept there.
void ProviderCore::make_replica(const wire::CatalogGroup& row) {
  StreamConfig config = stream_config({row.group, row.epoch});
  for (NodeId node : row.members) config.members.push_back(stream_member(row.group, node));
  config.preferred = row.epoch == 1 ? row.members.front() : 0;
  begin_replica(config, machine_maker(row.group), row.durability);
}

MachineMaker ProviderCore::machine_maker(GroupId group) {
  if (group != kRootGroup) return [this, group] { return std::make_unique<BlockMachine>(group, *arena_); };
  const Durability durability = journal_ ? Durability::kDisk : Durability::kMemory;
  return [durability, managers = static_cast<std::uint32_t>(this->managers().size())] {
    return std::make_unique<CatalogMachine>(managers, durability);
  };
}

void ProviderCore::host(GroupId group, std::unique_ptr<Replica> replica) {
  Hosted& hosted = replicas_[group];
  hosted.replica = std::move(replica);
  hosted.tick_at = std::numeric_limits<TimeNs>::max();
  hosted.replica->on_storage(storage_);
  hosted.replica->tick();
  touched_.insert(group);
  if (group == kRootGroup) begin_root_duties();
}

void ProviderCore::drop_replica(GroupId group) {
  const auto found = replicas_.find(group);
  if (found->second.tick_at != std::numeric_limits<TimeNs>::max()) replica_ticks_.erase({found->second.tick_at, group});
  touched_.erase(group);
  group_moves_.forget(group);
  const bool is_kept = found->second.replica->is_kept_on_disk();
  const std::optional<CheckpointId> checkpoint = found->second.replica->last_checkpoint();
  replicas_.erase(found);
  if (is_kept) journal_->remove(group, checkpoint);
}

void ProviderCore::move_groups(TimeNs time) {
  if (self_ == 0 || !group_moves_.is_due(time)) return;
  drop_learners(time);
  for (GroupId group : groups()) {
    Replica& replica = *replicas_.at(group).replica;
    const auto verdict = group_moves_.look_at(time, replica, catalog_, self_);
    touched_.insert(group);
    if (verdict == GroupMoves::Verdict::kStays) continue;
    if (group == kRootGroup && root_duties_) end_root_duties();
    drop_replica(group);
    if (verdict == GroupMoves::Verdict::kReplaced) {
      const wire::CatalogGroup& row = *catalog_.group(group);
      if (is_vacant_here(row, row.epoch)) continue;
      make_replica(row);
    } else if (group != kRootGroup) {
      say(Notice::Severity::kInfo, fmt::format("group {} has moved on to other providers", group));
    }
  }
}

void ProviderCore::make_agent() {
  if (agent_ || !membership_.joined() || !is_in_catalog()) return;
  agent_ = std::make_unique<Agent>(*this, options_.timing, options_.agent);
  if (is_stopping_) agent_->stop();
}

}  // namespace juxmem

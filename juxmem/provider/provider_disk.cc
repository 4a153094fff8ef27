// A provider with a data folder: what it finds there when it starts, and the replicas that go on from it.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "groups/node_lists.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/provider/provider_core.h"

namespace juxmem {

// ---- what is there ---------------------------------------------------------------------------------------------------------

void ProviderCore::on_journal_known() {
  store_ = journal_->identity().node != 0 ? journal_->identity().incarnation : env_.random() | 1;
  if (journal_->identity().node == 0) enter();
}

void ProviderCore::on_journal_open() {
  say(Notice::Severity::kInfo, fmt::format("the data folder is open: {} groups are in it", journal_->groups().size()));
  if (!journal_->is_whole()) say(Notice::Severity::kWarning, "records of the data folder's log are lost");
  recover_groups();
}

namespace {

// The first managers' number is in the state: without a checkpoint the log has the first epoch, and whoever was a member of it.
std::size_t managers_in(const RecoveredGroup& found) {
  if (found.epochs.empty() || !found.epochs.begin()->second.facts) return 0;
  return found.epochs.begin()->second.facts->members.size();
}

}  // namespace

std::unique_ptr<StateMachine> ProviderCore::empty_state(GroupId group, const RecoveredGroup& found) {
  if (group != kRootGroup) return std::make_unique<BlockMachine>(group, *arena_);
  return std::make_unique<CatalogMachine>(static_cast<std::uint32_t>(managers_in(found)), Durability::kDisk);
}

void ProviderCore::recover_groups() {
  std::vector<GroupId> nothing_voted;
  for (const auto& [group, found] : journal_->groups()) {
    if (found.never_took_part()) nothing_voted.push_back(group);
  }
  for (GroupId group : nothing_voted) journal_->remove(group);
  std::vector<GroupRecovery*> begun;
  for (auto& [number, found] : journal_->groups()) {
    const GroupId group = number;
    const std::optional<CheckpointId> checkpoint = found.checkpoint;
    std::unique_ptr<StateMachine> fresh = empty_state(group, found);
    auto recovery = std::make_unique<GroupRecovery>(
        journal_->checkpoints(), group, std::move(found), std::move(fresh),
        [this, group](Result<RestoredGroup> result) { recovered(group, std::move(result)); });
    restored_[group].checkpoint = checkpoint;
    begun.push_back(recovery.get());
    recovering_[group] = std::move(recovery);
  }
  for (GroupRecovery* recovery : begun) recovery->start();
  if (begun.empty()) all_recovered();
}

void ProviderCore::recovered(GroupId group, Result<RestoredGroup> result) {
  finished_.push_back(std::move(recovering_.at(group)));
  recovering_.erase(group);
  if (result) {
    restored_[group].group = std::move(*result);
  } else {
    restored_.erase(group);
    untrusted_.insert(group);
    say(Notice::Severity::kError, to_string(result.error()));
    if (group == kRootGroup) return fail_with(result.error());
  }
  if (recovering_.empty()) all_recovered();
}

// A fresh folder was opened on the way into the grid, which goes on; any other one tells who this provider is.
void ProviderCore::all_recovered() {
  if (!bootstrap_ && !membership_.has_begun()) return enter();
  if (bootstrap_) take_part_as_manager();
  if (membership_.joined()) on_catalog();
}

// ---- the way in ------------------------------------------------------------------------------------------------------------

void ProviderCore::enter() {
  NodeId node = 0;
  if (journal_) {
    node = journal_->identity().node;
    grid_ = journal_->identity().grid;
    std::vector<GroupId> kept;
    for (const auto& [group, restored] : restored_) kept.push_back(group);
    const bool whole = node == 0 || (journal_->is_whole() && untrusted_.empty());
    membership_.set_store(store_, grid_, whole, std::move(kept));
  }
  if (restored_.contains(kRootGroup)) return go_on_as_manager();
  if (!options_.manager || node != 0) return membership_.begin(node, false);
  bootstrap_.emplace(contacts_, options_.address, options_.incarnation, journal_.has_value());
  meet(now());
}

// Its part of the root's log is in the folder: it is bound by it, and needs nobody's word for who the managers are.
void ProviderCore::go_on_as_manager() {
  become(journal_->identity().node);
  StreamConfig config;
  config.self = self_;
  config.stream = restored_.at(kRootGroup).group.present.config.stream;
  config.timing = options_.timing;
  config.limits = options_.limits;
  config.seed = env_.random();
  begin_replica(config, machine_maker(kRootGroup), Durability::kDisk);
  begin_root_duties();
  update_routes();
  membership_.begin(self_, true);
  (void)catalog_.update(replicas_.at(kRootGroup).replica->catalog()->catalog().snapshot());
  on_catalog();
  say(Notice::Severity::kInfo, fmt::format("this is manager {} again", self_));
}

// True if the data folder, if there is one, takes records of this provider.
bool ProviderCore::begin_journal() {
  if (!journal_) return true;
  if (journal_->identity().node == 0) {
    journal_->begin({.grid = grid_, .node = self_, .incarnation = store_});
    membership_.set_store(store_, grid_, true, {});
    return false;
  }
  if (journal_->identity().node != self_ || journal_->identity().grid != grid_) {
    fail_with(Error{Code::kInvalid, fmt::format("the data folder belongs to node {} of {}", journal_->identity().node,
                                                journal_->identity().grid == grid_ ? "this grid" : "another grid")});
    return false;
  }
  return is_disk_ready();
}

// The grid counts no more on what is lost here.
void ProviderCore::joined_with_journal() {
  if (!begin_journal()) return;
  for (GroupId group : std::exchange(untrusted_, {})) journal_->remove(group);
  if (!journal_->is_whole()) journal_->settle_losses();
}

// ---- managers' later lives -------------------------------------------------------------------------------------------------

// It speaks as this node because it remembers being a manager, perhaps of long ago, so its votes count before the catalog knows of its new
// life; or a newer catalog names it.
bool ProviderCore::is_later_life(const wire::CatalogProvider& row, std::uint64_t incarnation) const {
  if (row.store == 0 || incarnation < row.incarnation) return false;
  const auto heard = lives_.find(row.node);
  return heard == lives_.end() || incarnation >= heard->second;
}

void ProviderCore::note_life(NodeId node, std::uint64_t incarnation) {
  const wire::CatalogProvider* row = catalog_.provider(node);
  if (row == nullptr || row->store == 0 || !catalog_.is_manager(node)) return;
  std::uint64_t& life = lives_[node];
  if (life >= incarnation) return;
  life = incarnation;
  outbox_.set_route(node, row->address, life);
}

// 0: any. A manager that has been started again may not know yet which lives of the others the catalog will name.
std::uint64_t ProviderCore::present_life_of(const wire::CatalogProvider& row) const {
  if (row.store == 0 || !catalog_.is_manager(row.node)) return row.incarnation;
  const auto heard = lives_.find(row.node);
  if (heard != lives_.end()) return std::max(heard->second, row.incarnation);
  return root_duties_ ? 0 : row.incarnation;
}

// ---- replicas --------------------------------------------------------------------------------------------------------------

// `state`: what the epoch begins with, where this provider has learned it.
void ProviderCore::begin_replica(StreamConfig config, MachineMaker make_machine, Durability durability,
                                 std::unique_ptr<StateMachine> state) {
  const GroupId group = config.stream.group;
  config.durability = durability;
  std::unique_ptr<ReplicaLog> log;
  if (durability == Durability::kDisk) log = std::make_unique<ReplicaLog>(*journal_, group);
  if (const auto found = restored_.find(group); log && found != restored_.end()) {
    Restored restored = std::move(found->second);
    restored_.erase(found);
    return host(group, std::make_unique<Replica>(*this, config, std::move(make_machine), std::move(log),
                                                 std::move(restored.group), restored.checkpoint));
  }
  if (state) {
    host(group, std::make_unique<Replica>(*this, config, std::move(make_machine), std::move(state), std::move(log)));
  } else if (log) {
    host(group, std::make_unique<Replica>(*this, config, std::move(make_machine), std::move(log)));
  } else {
    host(group, std::make_unique<Replica>(*this, config, std::move(make_machine)));
  }
}

// A former life of this provider may have voted in this epoch, and nobody remembers what.
bool ProviderCore::is_vacant_here(const wire::CatalogGroup& row, std::uint32_t epoch) const {
  const auto seat = std::ranges::find(row.vacant, self_);
  return seat != row.vacant.end() && epoch < row.vacant_until[static_cast<std::size_t>(seat - row.vacant.begin())];
}

// The catalog may lag behind what the groups have decided, so a group that has moved on here goes on.
void ProviderCore::make_restored_replicas() {
  if (!is_disk_ready() || !is_in_catalog()) return;
  std::vector<GroupId> groups;
  for (const auto& [group, restored] : restored_) {
    if (group != kRootGroup) groups.push_back(group);
  }
  for (GroupId group : groups) {
    const wire::CatalogGroup* row = catalog_.group(group);
    if (row == nullptr) continue;
    const bool is_member = contains(row->members, self_);
    const bool is_ahead = restored_.at(group).group.present.config.stream.epoch > row->epoch;
    if ((!is_member && !is_ahead) || is_vacant_here(*row, row->epoch) || row->lost) {
      const std::optional<CheckpointId> checkpoint = restored_.at(group).checkpoint;
      restored_.erase(group);
      journal_->remove(group, checkpoint);
      continue;
    }
    make_replica(*row);
  }
}

// ---- while it runs ---------------------------------------------------------------------------------------------------------

void ProviderCore::on_journal_durable(Lsn up_to) {
  for (auto& [group, hosted] : replicas_) {
    if (!hosted.replica->is_kept_on_disk()) continue;
    hosted.replica->on_log_durable(up_to);
    touched_.insert(group);
  }
}

void ProviderCore::on_journal_room() {
  for (auto& [group, hosted] : replicas_) {
    if (!hosted.replica->is_kept_on_disk()) continue;
    hosted.replica->on_log_room();
    touched_.insert(group);
  }
}

void ProviderCore::on_journal_dead(const Error& error) {
  fail_with(Error{error.code, "the data folder has failed: " + error.detail});
}

}  // namespace juxmem

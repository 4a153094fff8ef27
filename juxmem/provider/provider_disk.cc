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
  if (journal_->begun_identity().node != 0) store_ = journal_->begun_identity().incarnation;
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

// A former life of this manager had begun to make it, and ended before it had accepted anything.
std::uint64_t ProviderCore::grid_begun() const {
  if (!journal_ || !options_.manager) return 0;
  const LogIdentity& begun = journal_->begun_identity();
  const bool is_same = begun.node == Bootstrap::number_of(contacts_, options_.address);
  return is_same && begun.node != 0 ? begun.grid : 0;
}

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
  begin_meeting();
}

// Its part of the root's log is in the folder: it is bound by it, and needs nobody's word for who the managers are.
void ProviderCore::go_on_as_manager() {
  become(journal_->identity().node);
  const StreamConfig config = stream_config(restored_.at(kRootGroup).group.present.config.stream);
  begin_replica(config, machine_maker(kRootGroup), Durability::kDisk);
  update_routes();
  membership_.begin(self_, true);
  (void)catalog_.update(replicas_.at(kRootGroup).replica->catalog()->catalog().snapshot());
  on_catalog();
  say(Notice::Severity::kInfo, fmt::format("this is manager {} again", self_));
}

// The managers first: they are asked most.
void ProviderCore::remember_contacts() {
  if (!contact_file_ || !is_disk_ready()) return;
  std::vector<std::string> addresses;
  for (const bool managers : {true, false}) {
    for (const wire::CatalogProvider& row : catalog_.providers()) {
      const bool is_other = row.node != self_ && row.address != options_.address;
      if (is_other && row.up && catalog_.is_manager(row.node) == managers) addresses.push_back(row.address);
    }
  }
  if (!addresses.empty()) contact_file_->remember(std::move(addresses));
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
  if (row == nullptr && incarnation > first_life_of(node) && first_life_of(node) != 0) {
    lives_[node] = incarnation;
    return outbox_.set_route(node, contacts_[node - 1], incarnation);
  }
  if (row == nullptr || row->store == 0 || !is_root_member(node)) return;
  std::uint64_t& life = lives_[node];
  if (life >= incarnation) return;
  life = incarnation;
  outbox_.set_route(node, row->address, life);
}

// As far as is known here: the catalog follows what the root has decided.
bool ProviderCore::is_root_member(NodeId node) const {
  const Replica* root = find_replica(kRootGroup);
  return catalog_.is_manager(node) ||
         (root != nullptr && std::ranges::find(root->members(), node, &StreamMember::node) != root->members().end());
}

// A later manager that ended before it had voted has nothing of the root in its folder, and where all members together are the only quorum
// nobody can take it in before it votes. Should it have voted and forgotten it, all that this epoch has decided is here, too; and the next one
// has not begun as long as no Stop was accepted here.
std::optional<wire::ManagerList> ProviderCore::seat_of(const wire::Join& request) const {
  const wire::JoinProvider& asker = request.provider;
  const Replica* root = find_replica(kRootGroup);
  const wire::CatalogProvider* row = catalog_.provider(asker.node);
  const bool is_known = row != nullptr && asker.store != 0 && row->store == asker.store && request.grid == grid_ &&
                        asker.incarnation > row->incarnation;
  const bool has_forgotten = asker.whole && !asker.manager && !contains(asker.kept, kRootGroup);
  if (root == nullptr || !is_known || !has_forgotten || !root->knows_all_without(asker.node)) return std::nullopt;
  wire::ManagerList list;
  list.grid = grid_;
  list.provider = options_.name;
  list.seat_epoch = root->epoch();
  for (const StreamMember& member : root->members()) {
    const wire::CatalogProvider* manager = catalog_.provider(member.node);
    if (manager == nullptr) return std::nullopt;
    list.nodes.push_back(member.node);
    list.addresses.push_back(manager->address);
  }
  return list;
}

void ProviderCore::take_forgotten_seat(const Sender& from, const wire::ManagerList& list) {
  const NodeId node = is_disk_ready() ? journal_->identity().node : 0;
  const bool is_ours = node != 0 && list.grid == grid_ && contains(list.nodes, node) && contains(list.nodes, from.node);
  if (list.seat_epoch == 0 || !is_ours || membership_.joined() || replicas_.contains(kRootGroup)) return;
  become(node);
  StreamConfig config = stream_config({kRootGroup, list.seat_epoch});
  for (std::size_t i = 0; i < list.nodes.size(); ++i) {
    config.members.push_back(stream_member(kRootGroup, list.nodes[i]));
    if (list.nodes[i] != self_) outbox_.set_route(list.nodes[i], list.addresses[i], 0);
  }
  begin_replica(config, machine_maker(kRootGroup), Durability::kDisk);
  membership_.begin(self_, true);
  say(Notice::Severity::kInfo, "this provider is to be a manager, as others remember");
}

// Of a first manager that has not joined yet; 0: any, or it is none.
std::uint64_t ProviderCore::first_life_of(NodeId node) const {
  if (!root_duties_ || !bootstrap_ || node > bootstrap_->members().size()) return 0;
  const auto heard = lives_.find(node);
  const std::uint64_t met = bootstrap_->members()[node - 1];
  return heard == lives_.end() ? met : std::max(met, heard->second);
}

// 0: any. A manager that has been started again may not know yet which lives of the others the catalog will name.
std::uint64_t ProviderCore::present_life_of(const wire::CatalogProvider& row) const {
  if (row.store == 0 || !is_root_member(row.node)) return row.incarnation;
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

// ---- how the disk does -----------------------------------------------------------------------------------------------------

namespace {

constexpr std::int64_t kLookForRoomMs = 200;

}  // namespace

// What makes it late or full concerns every group that is kept on it, whether or not that one has something to write now.
void ProviderCore::watch_disk() {
  if (!journal_ || !journal_->is_open()) return;
  const TimeNs time = now();
  const LogStatus log = journal_->status();
  const bool is_late = log.pending_since != 0 && time - log.pending_since >= ms_to_ns(options_.timing.disk_late_ms);
  const bool is_full = log.no_room && log.no_room->code == Code::kNoSpace;
  if (log.durable != durable_ || log.pending_since == 0) durable_moved_at_ = time;
  durable_ = log.durable;
  membership_.set_disk_follows(time - durable_moved_at_ < ms_to_ns(options_.timing.stall_ms));
  if (is_full && time >= look_for_room_at_) {
    look_for_room_at_ = time + ms_to_ns(kLookForRoomMs);
    journal_->log().look_for_room();
    for (const auto& [group, hosted] : replicas_) touched_.insert(group);  // a checkpoint may make some
  }
  const StorageHealth health{.is_late = is_late, .is_full = is_full};
  if (health == storage_) return;
  if (is_full && !storage_.is_full) {
    say(Notice::Severity::kWarning, "the disk is full: groups are written to where a quorum of other disks has room");
  } else if (!is_full && storage_.is_full) {
    say(Notice::Severity::kInfo, "the disk has room again");
  }
  if (is_late && !storage_.is_late) {
    say(Notice::Severity::kWarning,
        fmt::format("the disk has kept nothing for {} ms: other members lead, where there are some",
                    options_.timing.disk_late_ms));
  }
  storage_ = health;
  for (auto& [group, hosted] : replicas_) {
    hosted.replica->on_storage(storage_);
    touched_.insert(group);
  }
}

TimeNs ProviderCore::next_look_at_disk() const {
  if (!journal_ || !journal_->is_open()) return kNever;
  if (storage_.is_full) return look_for_room_at_;
  const TimeNs since = journal_->status().pending_since;
  return since == 0 || storage_.is_late ? kNever : since + ms_to_ns(options_.timing.disk_late_ms);
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

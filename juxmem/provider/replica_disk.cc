// What a replica does whose group is kept on disk.
#include <utility>

#include "juxmem/provider/replica.h"

namespace juxmem {

namespace {

StreamConfig config_of(const RestoredEpoch& restored, StreamConfig config) {
  config.stream = restored.config.stream;
  config.members = restored.config.members;
  config.base = restored.config.base;
  config.round_floor = restored.config.round_floor;
  config.durability = Durability::kDisk;
  config.preferred = 0;
  return config;
}

}  // namespace

Replica::Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine, std::unique_ptr<ReplicaLog> log)
    : Replica(host, config, std::move(make_machine)) {
  begin_log(std::move(log));
  if (lacks_state()) log_->await_state();
}

void Replica::begin_log(std::unique_ptr<ReplicaLog> log) {
  log_ = std::move(log);
  log_->open(config_);
  checkpointer_.emplace(*log_, [this] { return stream_.status(host_.now()).log_first; }, std::nullopt);
}

// A state that came as a snapshot is in no log of this node; entries that came one by one are.
void Replica::reopen_log() {
  const Instance kept = checkpointer_->last() ? checkpointer_->last()->instance : 0;
  log_->open(config_);
  if (installed_at_ && *installed_at_ > kept) log_->await_state();
  checkpointer_->abandon();
  checkpointer_->want();
}

Replica::Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine, std::unique_ptr<ReplicaLog> log,
                 RestoredGroup restored, std::optional<CheckpointId> last)
    : Replica(host, config_of(restored.present, config), std::move(make_machine)) {
  was_restored_ = true;
  log_ = std::move(log);
  log_->recover(config_, std::move(restored.places));
  checkpointer_.emplace(*log_, [this] { return stream_.status(host_.now()).log_first; }, last);
  use(std::move(restored.machine));
  stream_ = Stream(config_, std::move(restored.present.hard));
  former_epochs_ = std::move(restored.former_epochs);
  if (!restored.former) return;
  former_.emplace(config_of(*restored.former, config), std::move(restored.former->hard));
  former_->tick(host_.now());
  (void)former_->take();  // the Stop, which was applied in the former life
}

void Replica::on_log_durable(Lsn up_to) {
  if (!log_ || is_broken_) return;
  ReplicaLog::Stable stable = log_->on_durable(up_to);
  for (Outgoing& outgoing : stable.messages) host_.send(outgoing.to, wire::Message(std::move(outgoing.message)));
  if (stable.mark != 0) stream_.persisted(host_.now(), stable.mark);
}

void Replica::on_log_room() {
  if (log_) log_->on_room();
}

void Replica::on_storage(StorageHealth health) {
  if (!log_) return;
  storage_ = health;
  stream_.storage(host_.now(), storage_);
}

// Until a checkpoint of this epoch is made, the state that it began with is found by the former one's entries.
void Replica::forget_former_end() {
  if (former_epochs_.empty() || checkpointer_->last_epoch() != epoch()) return;
  for (std::uint32_t former : former_epochs_) log_->forget_former(former);
  former_epochs_.clear();
}

// The Stop must be found again by a member that did not stay: it tells the end.
void Replica::consider_checkpoint() {
  if (!checkpointer_ || is_retired() || is_catching_up() || lacks_state() || stream_.has_ended()) return;
  if (!former_) forget_former_end();
  StreamFacts facts = facts_of(config_);
  facts.promised = stream_.ballot();
  facts.decided = machine_->applied();
  checkpointer_->consider(host_.now(), *machine_, facts);
}

namespace {

// What makes the group larger. Anything else is small, or makes room.
bool is_write(const wire::Action& action) {
  return std::holds_alternative<wire::Publish>(action) || std::holds_alternative<wire::Stage>(action) ||
         std::holds_alternative<wire::Allocate>(action) || std::holds_alternative<wire::CreateGroup>(action) ||
         std::holds_alternative<wire::Reserve>(action) || std::holds_alternative<wire::PublishName>(action);
}

}  // namespace

bool Replica::lacks_room_for(const wire::Command& command) const {
  return log_ && stream_.lacks_room() && is_write(command.action);
}

// Better a name at once than no answer. It is in no log: what was proposed before this node led has been applied by now.
void Replica::refuse_for_lack_of_room(NodeId from, std::uint64_t tag) {
  if (from == 0) return;
  wire::Reply refusal;
  refusal.code = Code::kNoSpace;
  refusal.detail = "the disks of so many members are full that no quorum of them has room";
  answer(from, tag, machine_->applied(), std::move(refusal));
}

}  // namespace juxmem

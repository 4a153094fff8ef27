#include "juxmem/provider/group_recovery.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace juxmem {

GroupRecovery::GroupRecovery(CheckpointStore& store, GroupId group, RecoveredGroup found,
                             std::unique_ptr<StateMachine> fresh, Done done)
    : store_(store), group_(group), found_(std::move(found)), machine_(std::move(fresh)), done_(std::move(done)) {}

void GroupRecovery::give_up(const std::string& why) {
  done_(fail(Code::kIo, fmt::format("what is left of group {} in the data folder cannot be trusted: {}", group_, why)));
}

void GroupRecovery::start() {
  if (!found_.trusted) return give_up("records of its log are lost");
  if (!found_.checkpoint) return assemble();
  reader_ = store_.read(*found_.checkpoint);
  reader_->open(alive_.guard([this](const Result<wal::CheckpointHeader>& header) { took_header(header); }));
}

void GroupRecovery::took_header(const Result<wal::CheckpointHeader>& header) {
  if (!header) return give_up(to_string(header.error()));
  read_next();
}

void GroupRecovery::read_next() {
  reader_->next(alive_.guard([this](Result<std::optional<Buffer>> piece) { took_piece(std::move(piece)); }));
}

// The first piece is the stream's, the others are the machine's.
void GroupRecovery::took_piece(Result<std::optional<Buffer>> piece) {
  if (!piece) return give_up(to_string(piece.error()));
  if (!*piece) return assemble();
  if (!checkpoint_facts_) {
    checkpoint_facts_ = decode_stream_facts(found_.checkpoint->stream, **piece);
    if (!checkpoint_facts_) return give_up("its checkpoint does not tell its members");
  } else if (Status taken = machine_->restore(**piece); !taken) {
    return give_up(to_string(taken.error()));
  }
  read_next();
}

const StreamFacts* GroupRecovery::facts_of(std::uint32_t epoch) const {
  if (found_.checkpoint && found_.checkpoint->stream.epoch == epoch) return &*checkpoint_facts_;
  const auto found = found_.epochs.find(epoch);
  return found == found_.epochs.end() || !found->second.facts ? nullptr : &*found->second.facts;
}

void GroupRecovery::assemble() {
  if (found_.checkpoint && machine_->applied() != found_.checkpoint->instance)
    return give_up("its checkpoint is not complete");
  const std::uint32_t from_checkpoint = found_.checkpoint ? found_.checkpoint->stream.epoch : 0;
  const std::uint32_t last = std::max(from_checkpoint, found_.epochs.empty() ? 0 : found_.epochs.rbegin()->first);
  std::uint32_t first = last;
  for (; first != from_checkpoint; --first) {
    const StreamFacts* facts = facts_of(first);
    if (facts == nullptr) return give_up(fmt::format("the beginning of epoch {} is missing", first));
    if (facts->base == 0) break;
  }
  // What is older than a member that began anew is of another life of the group here.
  if (first != from_checkpoint && machine_->applied() != 0) return give_up("an old checkpoint is left");
  if (Status ran = run_former_epochs(first, last); !ran) return give_up(ran.error().detail);
  RestoredGroup group{
      .present = restored(last, machine_->applied()), .former = {}, .former_epochs = {}, .machine = {}, .places = {}};
  for (const auto& [epoch, log] : found_.epochs) {
    if (epoch < last) group.former_epochs.insert(epoch);
  }
  if (facts_of(last)->base != 0 && facts_of(last - 1) != nullptr && found_.epochs.contains(last - 1)) {
    group.former = restored(last - 1, facts_of(last)->base - 1);
    const bool has_end = found_.epochs.at(last - 1).entries.contains(facts_of(last)->base);
    group.former->hard.decided = facts_of(last)->base;
    if (!has_end) group.former.reset();
  }
  const auto present = found_.epochs.find(last);
  if (present != found_.epochs.end()) group.places = std::move(present->second.places);
  group.machine = std::move(machine_);
  done_(std::move(group));
}

Status GroupRecovery::run_former_epochs(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t epoch = first; epoch < last; ++epoch) {
    const StreamFacts* next = facts_of(epoch + 1);
    if (next == nullptr) return fail(Code::kIo, fmt::format("the beginning of epoch {} is missing", epoch + 1));
    const RecoveredEpoch& former = found_.epochs[epoch];
    while (machine_->applied() < next->base) {
      const auto entry = former.entries.find(machine_->applied() + 1);
      if (entry == former.entries.end()) return fail(Code::kIo, fmt::format("entry {} is missing", machine_->applied() + 1));
      machine_->apply(entry->first, entry->second);
    }
  }
  return {};
}

// The entries from the last hole before `applied` on: they may be needed by others.
RestoredEpoch GroupRecovery::restored(std::uint32_t epoch, Instance applied) const {
  const StreamFacts& facts = *facts_of(epoch);
  RestoredEpoch result;
  result.config.stream = facts.stream;
  result.config.members = facts.members;
  result.config.base = facts.base;
  result.config.round_floor = facts.round_floor;
  result.config.durability = Durability::kDisk;
  result.hard = {.promised = facts.promised,
                 .base = applied,
                 .entries = {},
                 .decided = std::max(applied, facts.decided),
                 .applied = applied};
  const auto found = found_.epochs.find(epoch);
  if (found == found_.epochs.end()) return result;
  const RecoveredEpoch& log = found->second;
  result.hard.promised = std::max(facts.promised, log.promised);
  result.hard.decided = std::max(result.hard.decided, log.decided);
  while (result.hard.base > facts.base && log.entries.contains(result.hard.base)) --result.hard.base;
  for (auto entry = log.entries.upper_bound(result.hard.base); entry != log.entries.end(); ++entry) {
    result.hard.entries.resize(entry->first - result.hard.base);
    result.hard.entries.back() = entry->second;
  }
  // What a snapshot from another member gave is not in the log: it is asked for again.
  Instance known = applied;
  while (known < result.hard.decided && log.entries.contains(known + 1)) ++known;
  result.hard.decided = known;
  return result;
}

}  // namespace juxmem

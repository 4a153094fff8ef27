#include "juxmem/provider/journal.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "juxmem/storage/log/format.h"
#include "juxmem/storage/log/headers.h"
#include "juxmem/storage/log/log_recovery.h"

namespace juxmem {
namespace {

// When no further one can be made, the disk is full; what is on its way then still fits into those that are there.
constexpr std::size_t kSegmentsAhead = 3;
constexpr std::uint64_t kReserveBytes = 8U << 20;  // for checkpoints on a full disk

bool is_beginning(const LogRecord& record) {
  if (record.stream != StreamId{kRootGroup, 1}) return false;
  const auto* decided = std::get_if<DecidedRecord>(&record.body);
  return std::holds_alternative<OpenedRecord>(record.body) || std::holds_alternative<PromiseRecord>(record.body) ||
         (decided != nullptr && decided->decided == 0);
}

}  // namespace

bool RecoveredGroup::never_took_part() const {
  if (!trusted || checkpoint || had_checkpoint || epochs.empty()) return false;
  const std::optional<StreamFacts>& facts = epochs.begin()->second.facts;
  return facts && (facts->base != 0 || facts->stream.epoch > 1);
}

Journal::Journal(Disk& disk, const Clock& clock, JournalListener& listener, std::uint64_t segment_bytes)
    : disk_(disk), clock_(clock), listener_(listener), segment_bytes_(segment_bytes) {}
Journal::~Journal() = default;

void Journal::open(bool may_begin_anew) {
  may_begin_anew_ = may_begin_anew;
  disk_.read(std::string(wal::kIdentityName), 0, wal::kSegmentHeaderBytes,
             alive_.guard([this](const Result<Buffer>& bytes) { took_identity(bytes); }));
}

void Journal::took_identity(const Result<Buffer>& bytes) {
  if (!bytes) return look_for_log();
  const Result<wal::SegmentHeader> header = wal::decode_header(bytes->bytes());
  if (header) return may_begin_anew_ ? look_if_only_begun(header->identity) : know(header->identity);
  if (header.error().code == Code::kNotSupported) return on_log_dead(header.error());
  look_for_log();
}

// A log that has gone beyond its first segments has more in it; one that has not is short enough to be read twice.
void Journal::look_if_only_begun(const LogIdentity& identity) {
  disk_.list(alive_.guard([this, identity](const Result<std::vector<DiskEntry>>& entries) {
    bool may_be_begun = entries && std::ranges::find(*entries, wal::segment_name(1), &DiskEntry::name) != entries->end();
    for (const DiskEntry& entry : entries ? *entries : std::vector<DiskEntry>{}) {
      if (wal::segment_number(entry.name).value_or(0) > kSegmentsAhead + 1 || wal::checkpoint_of(entry.name))
        may_be_begun = false;
    }
    if (!may_be_begun) return know(identity);
    look_into_log(identity);
  }));
}

// Nothing but promises to the first managers: nothing that was ever acknowledged is here.
void Journal::look_into_log(const LogIdentity& identity) {
  auto has_more = std::make_shared<bool>(false);
  search_ = std::make_unique<wal::LogRecovery>(
      disk_, [has_more](const PlacedRecord& placed) { *has_more = *has_more || !is_beginning(placed.record); });
  search_->start(alive_.guard([this, identity, has_more](Result<wal::FoundLog> found) {
    if (!found || !found->report.complete() || *has_more) return know(identity);
    begun_identity_ = identity;
    know(LogIdentity{});
  }));
}

// Either nothing was ever kept here, or the segments tell whose they are.
void Journal::look_for_log() {
  search_ = std::make_unique<wal::LogRecovery>(disk_, [](const PlacedRecord&) {});
  search_->start(alive_.guard([this](Result<wal::FoundLog> found) {
    if (!found) return on_log_dead(found.error());
    know(found->fresh ? LogIdentity{} : found->report.identity);
  }));
}

void Journal::know(const LogIdentity& identity) {
  identity_ = identity;
  known_ = true;
  if (identity_.node != 0) open_log();
  listener_.on_journal_known();
}

void Journal::begin(const LogIdentity& identity) {
  identity_ = identity;
  if (begun_identity_.node == 0 || begun_identity_ == identity) return open_log();
  disk_.list(alive_.guard([this](const Result<std::vector<DiskEntry>>& entries) {
    if (!entries) return on_log_dead(entries.error());
    std::vector<std::string> names;
    for (const DiskEntry& entry : *entries) {
      if (wal::segment_number(entry.name)) names.push_back(entry.name);
    }
    names.emplace_back(wal::kIdentityName);
    remove_and_open(std::move(names));
  }));
}

// The last one first. Without an identity, segments that were only prepared are leftovers of a log that never was.
void Journal::remove_and_open(std::vector<std::string> names) {
  if (names.empty()) return open_log();
  const std::string name = std::move(names.back());
  names.pop_back();
  disk_.remove(name, alive_.guard([this, names = std::move(names)](const Status& removed) {
    if (!removed) return on_log_dead(removed.error());
    disk_.sync_names(alive_.guard([this, names](const Status& synced) {
      if (!synced) return on_log_dead(synced.error());
      remove_and_open(names);
    }));
  }));
}

void Journal::open_log() {
  search_.reset();
  LogOptions options;
  options.identity = identity_;
  options.segment_bytes = segment_bytes_;
  options.batch_bytes = std::min<std::size_t>(options.batch_bytes, segment_bytes_ / 2);
  options.segments_ahead = kSegmentsAhead;
  checkpoints_ = std::make_unique<CheckpointStore>(disk_, identity_, kReserveBytes);
  LogListener& listener = *this;
  log_ = std::make_unique<WriteAheadLog>(disk_, clock_, listener, options);
  checkpoints_->begin(alive_.guard([this](Result<std::vector<CheckpointId>> ids) {
    if (!ids) return on_log_dead(ids.error());
    take_checkpoints(std::move(*ids));
    if (Status opened = log_->open(); !opened) on_log_dead(opened.error());
  }));
}

// Older ones were left over when the life ended.
void Journal::take_checkpoints(std::vector<CheckpointId> ids) {
  for (const CheckpointId& id : ids) {
    std::optional<CheckpointId>& newest = groups_[id.stream.group].checkpoint;
    if (newest) remove_file(std::min(*newest, id));
    newest = newest ? std::max(*newest, id) : id;
  }
}

// One that stays is removed at the next start.
void Journal::remove_file(const CheckpointId& id) {
  checkpoints_->remove(id, [](const Status&) {});
}

void Journal::on_log_record(const PlacedRecord& placed) {
  const StreamId stream = placed.record.stream;
  RecoveredGroup& group = groups_[stream.group];
  streams_.insert(stream);
  RecoveredEpoch& epoch = group.epochs[stream.epoch];
  if (const auto* opened = std::get_if<OpenedRecord>(&placed.record.body)) {
    epoch = {.facts = decode_stream_facts(stream, opened->configuration), .promised = {}, .entries = {}, .places = {}};
    if (!epoch.facts) group.trusted = false;
  } else if (const auto* promise = std::get_if<PromiseRecord>(&placed.record.body)) {
    epoch.promised = std::max(epoch.promised, promise->ballot);
  } else if (const auto* accepted = std::get_if<AcceptedRecord>(&placed.record.body)) {
    epoch.entries[accepted->instance] = accepted->entry;
    epoch.places.emplace_back(placed.lsn, accepted->instance);
    const bool stops = accepted->entry.kind == wire::EntryKind::kStop;
    if (stops) epoch.entries.erase(epoch.entries.upper_bound(accepted->instance), epoch.entries.end());
  } else if (const auto* decided = std::get_if<DecidedRecord>(&placed.record.body)) {
    epoch.decided = std::max(epoch.decided, decided->decided);
  } else if (std::holds_alternative<CheckpointRecord>(placed.record.body)) {
    group.had_checkpoint = true;
  } else if (std::holds_alternative<RemovedRecord>(placed.record.body)) {
    group.epochs.erase(stream.epoch);
    streams_.erase(stream);
  }
}

void Journal::on_log_open(const LogReport& report) {
  whole_ = report.complete();
  for (const StreamTrust& trust : report.streams) {
    if (!trust.whole()) groups_[trust.stream.group].trusted = false;
  }
  // All that the log had of a group may be among what is lost; what it promised after its checkpoint was there.
  for (auto& [number, group] : groups_) {
    if (!whole_ && group.epochs.empty()) group.trusted = false;
  }
  // Of a group that was removed only a checkpoint may be left.
  for (auto& [number, group] : groups_) {
    if (!group.epochs.empty() || !group.checkpoint) continue;
    if (whole_) remove_file(*std::exchange(group.checkpoint, std::nullopt));
  }
  std::erase_if(groups_, [](const auto& row) { return row.second.epochs.empty() && !row.second.checkpoint; });
  open_ = true;
  identity_ = log_->identity();
  listener_.on_journal_open();
}

void Journal::on_log_dead(const Error& error) {
  if (dead_) return;
  dead_ = error;
  listener_.on_journal_dead(error);
}

Result<Lsn> Journal::append(const LogRecord& record) {
  const Result<Lsn> lsn = log_->append(record);
  if (lsn) streams_.insert(record.stream);
  return lsn;
}

void Journal::remove(GroupId group, std::optional<CheckpointId> checkpoint) {
  std::set<StreamId> of_group;
  for (const StreamId& stream : streams_) {
    if (stream.group == group) of_group.insert(stream);
  }
  // Refused, they are found and removed again at the next start.
  for (const StreamId& stream : of_group) {
    if (log_->append({stream, RemovedRecord{}})) streams_.erase(stream);
  }
  if (checkpoint) remove_file(*checkpoint);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  const std::optional<CheckpointId> former = found->second.checkpoint;
  if (former && former != checkpoint) remove_file(*former);
  groups_.erase(found);
}

}  // namespace juxmem

// Journal: what a provider remembers, for all its groups together.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "juxmem/env/env.h"
#include "juxmem/provider/stream_facts.h"
#include "juxmem/storage/log/checkpoint_store.h"
#include "juxmem/storage/log/write_ahead_log.h"

namespace juxmem {

// What the log gave back of one epoch of a group.
struct RecoveredEpoch {
  std::optional<StreamFacts> facts;  // nullopt: they are in the checkpoint, or lost
  Ballot promised;
  Instance decided = 0;
  std::map<Instance, wire::Entry> entries;      // the last that was accepted at each place
  std::deque<std::pair<Lsn, Instance>> places;  // of all accepted records, in the order of the log
};

// All of a group that is in the folder.
struct RecoveredGroup {
  std::map<std::uint32_t, RecoveredEpoch> epochs;
  std::optional<CheckpointId> checkpoint;  // the newest
  bool trusted = true;                     // no record that was needed is lost
  bool had_checkpoint = false;             // the log says so
  // It was to begin with another member's state, which was not stable yet: nobody has heard of any vote.
  bool never_took_part() const;
};

// What the journal calls. Thread safety: the provider's event loop.
class JournalListener {
 public:
  virtual ~JournalListener() = default;
  // It is known whose folder it is (identity()), or that it is nobody's: then begin() says whose it shall be.
  virtual void on_journal_known() = 0;
  // What was in it is known, and appends are taken.
  virtual void on_journal_open() = 0;
  virtual void on_journal_durable(Lsn up_to) = 0;
  virtual void on_journal_room() = 0;
  // For good.
  virtual void on_journal_dead(const Error& error) = 0;
};

// What for: opens the data folder: whose it is, its log and its checkpoints; sorts what is found by group.
// Thread safety: none; the provider's event loop.
// Invariants: a group is trusted only if no record of it can be missing.
// Ownership: borrows disk, clock and listener, which outlive it. Failure: on_journal_dead() with a name: another version's folder, nothing
//   can be read or written, a sync has failed.
class Journal final : private LogListener {
 public:
  static constexpr std::uint64_t kSegmentBytes = 8U << 20;

  Journal(Disk& disk, const Clock& clock, JournalListener& listener, std::uint64_t segment_bytes);
  ~Journal() override;

  // `may_begin_anew`: a folder whose owner has never accepted anything, in no group, is nobody's for now; begun_identity() says who had begun.
  void open(bool may_begin_anew);
  bool is_known() const { return known_; }
  // Of the folder; node 0: it is nobody's yet.
  const LogIdentity& identity() const { return identity_; }
  const LogIdentity& begun_identity() const { return begun_identity_; }
  // A folder that is nobody's gets its owner: who had begun goes on from it, anybody else begins anew.
  void begin(const LogIdentity& identity);
  bool is_open() const { return open_ && !dead_; }
  const std::optional<Error>& dead() const { return dead_; }

  // Everything that the folder ever held of its groups is in groups(), or was given up.
  bool is_whole() const { return whole_; }
  std::map<GroupId, RecoveredGroup>& groups() { return groups_; }
  // Nothing is kept of this group any more, in any epoch. `checkpoint`: its last one.
  void remove(GroupId group, std::optional<CheckpointId> checkpoint = {});
  // The root knows what is lost: it is not reported again.
  void settle_losses() { log_->settle_losses(); }

  // As WriteAheadLog::append().
  Result<Lsn> append(const LogRecord& record);
  WriteAheadLog& log() { return *log_; }
  CheckpointStore& checkpoints() { return *checkpoints_; }
  // A writer that has ended, perhaps from inside its own completion: it goes at the end of the turn.
  void retire(std::unique_ptr<CheckpointWriter> writer) { retired_.push_back(std::move(writer)); }
  void end_turn() {
    retired_.clear();
    if (is_open()) log_->end_turn();
  }
  LogStatus status() const { return log_ ? log_->status() : LogStatus{}; }

 private:
  void on_log_record(const PlacedRecord& placed) override;
  void on_log_open(const LogReport& report) override;
  void on_log_durable(Lsn up_to) override { listener_.on_journal_durable(up_to); }
  void on_log_dead(const Error& error) override;
  void on_log_room() override { listener_.on_journal_room(); }

  void took_identity(const Result<Buffer>& bytes);
  void look_if_only_begun(const LogIdentity& identity);
  void look_into_log(const LogIdentity& identity);
  void remove_and_open(std::vector<std::string> names);
  void look_for_log();
  void know(const LogIdentity& identity);
  void open_log();
  void take_checkpoints(std::vector<CheckpointId> ids);
  void remove_file(const CheckpointId& id);

  Disk& disk_;
  const Clock& clock_;
  JournalListener& listener_;
  const std::uint64_t segment_bytes_;
  LogIdentity identity_;
  LogIdentity begun_identity_;  // node 0: there is none
  bool may_begin_anew_ = false;
  std::unique_ptr<wal::LogRecovery> search_;  // for an identity whose own file is damaged, or for any record
  std::unique_ptr<WriteAheadLog> log_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::map<GroupId, RecoveredGroup> groups_;
  std::set<StreamId> streams_;  // that the log has records of
  std::vector<std::unique_ptr<CheckpointWriter>> retired_;
  bool known_ = false;
  bool open_ = false;
  bool whole_ = true;
  std::optional<Error> dead_;
  wal::Alive alive_;
};

}  // namespace juxmem

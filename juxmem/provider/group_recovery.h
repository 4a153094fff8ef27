// GroupRecovery: makes a group's state of what the data folder has of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "consistency/paxos/stream.h"
#include "juxmem/provider/journal.h"
#include "juxmem/provider/state_machine.h"

namespace juxmem {

// A member as it was. Of the configuration only what the group has decided is set: epoch, members, base, round floor.
struct RestoredEpoch {
  StreamConfig config;
  HardState hard;
};
struct RestoredGroup {
  RestoredEpoch present;
  std::optional<RestoredEpoch> former;    // of the epoch before: its end is in the log, for members that lack it
  std::set<std::uint32_t> former_epochs;  // of which the log still has something
  std::unique_ptr<StateMachine> machine;
  std::deque<std::pair<Lsn, Instance>> places;  // of the present epoch's accepted records
};

// What for: reads the newest checkpoint into a fresh machine, runs the entries of the epochs that have ended since, and leaves those of the
//   last epoch to its stream.
// Thread safety: none; the provider's event loop.
// Invariants: what it gives is all that was acknowledged, or it gives nothing.
// Ownership: borrows the store, which outlives it. Failure: kIo with what is damaged or missing: this member must not vote.
class GroupRecovery {
 public:
  using Done = std::function<void(Result<RestoredGroup>)>;

  GroupRecovery(CheckpointStore& store, GroupId group, RecoveredGroup found, std::unique_ptr<StateMachine> fresh, Done done);
  void start();

 private:
  void took_header(const Result<wal::CheckpointHeader>& header);
  void read_next();
  void took_piece(Result<std::optional<Buffer>> piece);
  void assemble();
  Status run_former_epochs(std::uint32_t first, std::uint32_t last);
  const StreamFacts* facts_of(std::uint32_t epoch) const;
  RestoredEpoch restored(std::uint32_t epoch, Instance applied) const;
  void give_up(const std::string& why);

  CheckpointStore& store_;
  const GroupId group_;
  RecoveredGroup found_;
  std::unique_ptr<StateMachine> machine_;
  Done done_;
  std::unique_ptr<CheckpointReader> reader_;
  std::optional<StreamFacts> checkpoint_facts_;
  wal::Alive alive_;
};

}  // namespace juxmem

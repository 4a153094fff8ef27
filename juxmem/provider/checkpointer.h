// Checkpointer: writes a replica's state beside the log while the replica goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "juxmem/provider/replica_log.h"
#include "juxmem/provider/state_machine.h"

namespace juxmem {

// What for: begins a checkpoint when the log has grown enough or somebody wants one, writes the snapshot's pieces one after the other, and
//   lets the log forget what the checkpoint has.
// Thread safety: none; the provider's event loop.
// Invariants: the checkpoint is stable before the log forgets; at most one is being written.
// Ownership: borrows log and machine; abandon() before the machine ends. Failure: what cannot be written is given up and begun again later; the
//   last good one stays.
class Checkpointer {
 public:
  // `log_first`: the first entry that the stream keeps for other members.
  Checkpointer(ReplicaLog& log, std::function<Instance()> log_first, std::optional<CheckpointId> last)
      : log_(log), log_first_(std::move(log_first)), last_(last) {}

  // Soon, whatever the log's size.
  void want() { wanted_ = true; }
  // Begins if it is time. `facts`: the stream's, as they are now.
  void consider(TimeNs now, StateMachine& machine, const StreamFacts& facts);
  // The machine is about to be replaced.
  void abandon();
  // Of the last stable one; 0: there is none.
  std::uint32_t last_epoch() const { return last_ ? last_->stream.epoch : 0; }
  const std::optional<CheckpointId>& last() const { return last_; }

 private:
  bool is_due(TimeNs now) const;
  void write_next();
  void finish();
  void made(const Result<CheckpointRecord>& record);
  void end(bool good);

  ReplicaLog& log_;
  std::function<Instance()> log_first_;
  std::optional<CheckpointId> last_;  // stable
  bool wanted_ = false;
  TimeNs again_at_ = 0;
  TimeNs now_ = 0;
  StateMachine* machine_ = nullptr;
  SnapshotNumber snapshot_ = 0;
  wire::SnapshotCursor cursor_;
  CheckpointId id_;
  std::unique_ptr<CheckpointWriter> writer_;
  wal::Alive alive_;
};

}  // namespace juxmem

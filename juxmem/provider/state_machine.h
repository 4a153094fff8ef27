// StateMachine: what a replica runs its group's log on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "consistency/sessions/session_table.h"
#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/snapshot_map.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/snapshot_filler.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// What applying one entry did, for those who wait for it.
struct Applied {
  Instance instance = 0;
  OpId op;                       // empty (counter 0) if the entry was no operation
  wire::Reply reply;             // to send as Executed
  bool executed = false;         // false: repeated, refused, or nothing to execute
  SessionId opened = 0;          // this session is alive now (it may have been before)
  SessionId expired = 0;         // this session was alive until now
  BlockId changed = 0;           // its content has a new version: reply.version
  BlockId freed = 0;             // it exists no more
  bool catalog_changed = false;  // providers or groups: watchers want to know
};

// A piece of a snapshot, encoded, and how to go on.
struct SnapshotPart {
  Buffer piece;
  bool last = false;
  wire::SnapshotCursor next;
  std::uint32_t percent = 0;  // of the state that is read by then
};

// What for: runs a group's decided entries: sessions and exactly-once are the same for every group, what commands do is the
//   derived class's. Snapshots of the whole state can be read out in pieces while it goes on, and a fresh machine be made of them.
// Thread safety: none; the provider's event loop.
// Invariants: M1 deterministic: machines of the same kind that applied the same entries have equal state and digest.
//   M2 an operation is executed at most once, and only while its session is alive. M3 instances only grow.
//   M4 a machine restored from a snapshot cannot be told from the one it was taken of at that instance.
// Ownership: owns its state; derived classes may borrow storage that outlives them.
// Failure: a command that cannot be executed changes nothing and says why in its reply; so does one that cannot be decoded. Of
//   snapshots that need more memory than there is for them, the oldest is closed.
class StateMachine {
 public:
  StateMachine() = default;
  virtual ~StateMachine() = default;
  StateMachine(const StateMachine&) = delete;
  StateMachine& operator=(const StateMachine&) = delete;

  // Runs the next decided entry. Entries that are no commands (noop, digest, stop) only move the place.
  Applied apply(Instance instance, const wire::Entry& entry);
  // The same for a command that is decoded already.
  Applied apply(Instance instance, const wire::Command& command, const Buffer& data);

  Instance applied() const { return applied_; }
  const SessionTable& sessions() const { return sessions_; }

  // Over the whole state. Replicas that applied the same entries have the same.
  std::uint64_t digest() const;

  // ---- snapshots (state_machine_snapshot.cc) ----

  // Of the state at applied(). Costs nothing; what is changed from now on is kept aside until it is closed.
  SnapshotNumber open_snapshot();
  // Also of one that is not open any more.
  void close_snapshot(SnapshotNumber number);
  // Its place in the log; nullopt if it is not open (any more).
  std::optional<Instance> snapshot_at(SnapshotNumber number) const;
  // The piece at the cursor (the first one at a fresh cursor), of about `room_bytes` at most; the same each time. Error: kSnapshotGone
  // if it is not open any more.
  Result<SnapshotPart> read_snapshot(SnapshotNumber number, const wire::SnapshotCursor& cursor,
                                     std::uint64_t room_bytes = wire::SnapshotFiller::kRoomBytes) const;

  // Takes the next piece, from the first to the last, into a machine that nothing else has touched. After the last one, applied() is
  // the snapshot's place. Errors: kProtocol, kNotSupported (the piece's), kNoSpace; the machine is then good for nothing.
  Status restore(const Buffer& piece);
  // Whether a later snapshot's pieces may bring only what has changed since this state: the server's cursor then says since when.
  virtual bool takes_changes() const { return false; }
  // The pieces that restore() takes next are those of such a snapshot. Also after some pieces of an earlier one, which was not older than this
  // one is: what has not come by its end is what it was before. No snapshot is open.
  void begin_changes();
  // The next piece that restore() wants.
  std::uint64_t restored_pieces() const { return restored_pieces_; }

 protected:
  // Executes a command for the first time. `op.counter` is 0 for those that are idempotent by themselves.
  virtual wire::Reply execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                              Applied& applied) = 0;
  // Whether the action may come without an operation.
  virtual bool is_idempotent(const wire::Action& action) const = 0;
  // Whether the action belongs to an operation without being it: executed each time until its operation has been executed.
  virtual bool is_preparation(const wire::Action& action) const = 0;
  virtual void on_session_expired(SessionId session) = 0;
  virtual std::uint64_t state_digest() const = 0;

  // The derived class's part of snapshots, by the same numbers.
  virtual void open_state(SnapshotNumber number) = 0;
  virtual void close_state(SnapshotNumber number) = 0;
  virtual bool holds_state(SnapshotNumber number) const = 0;
  virtual void read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const = 0;
  // Adds rows from the cursor on; true once all are read. `cursor.part` counts from 0.
  virtual bool read_state(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const = 0;
  virtual std::uint32_t percent_read(SnapshotNumber number, const wire::SnapshotCursor& cursor) const = 0;
  // Whether what is kept aside for snapshots, `session_bytes` among it, is more than it may be.
  virtual bool keeps_too_much(std::uint64_t session_bytes) const = 0;
  virtual void begin_state_changes() {}
  // Called with every piece, after its sessions.
  virtual Status restore_state(const wire::SnapshotPiece& piece) = 0;
  // All pieces are taken.
  virtual Status check_restored() const = 0;

 private:
  wire::Reply run(Instance instance, const wire::Command& command, const Buffer& data, Applied& applied);
  wire::Reply run_operation(Instance instance, const wire::Command& command, const Buffer& data, Applied& applied);

  struct Open {
    Instance at = 0;
    std::uint64_t digest = 0;
  };

  void close_what_cannot_stay();
  bool read_rows(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  Status restore_piece(const wire::SnapshotPiece& piece);

  SessionTable sessions_;
  Instance applied_ = 0;
  std::map<SnapshotNumber, Open> snapshots_;
  SnapshotNumber last_snapshot_ = 0;
  std::uint64_t restored_pieces_ = 0;
  Instance restored_at_ = 0;
};

}  // namespace juxmem

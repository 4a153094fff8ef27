// WriteAheadLog: a node's one log, for all its streams.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "juxmem/env/disk.h"
#include "juxmem/env/env.h"
#include "juxmem/storage/log/alive.h"
#include "juxmem/storage/log/log_recovery.h"
#include "juxmem/storage/log/log_types.h"
#include "juxmem/storage/log/sectors.h"
#include "juxmem/storage/log/segment_pool.h"

namespace juxmem {

struct LogOptions {
  LogIdentity identity;                     // of a folder without a log; the one that is found counts otherwise
  std::uint64_t segment_bytes = 32U << 20;  // whole blocks of 4 KiB, at most 1 GiB
  std::size_t batch_bytes = 4U << 20;       // of one write; a record fits into it
  std::size_t pending_bytes = 64U << 20;    // appended and not durable; beyond: kOverloaded
  std::size_t segments_ahead = 2;           // made before they are needed; the last one is the reserve of a full disk
  std::size_t spares = 2;
  bool fill_segments = true;
};

// What the log calls.
// Thread safety: the loop's thread. Must not destroy the log from inside; may append and release.
class LogListener {
 public:
  virtual ~LogListener() = default;
  // While it is opened: every record that is left, in the order in which they were logged. May show records before their
  // stream's ReleasedRecord.
  virtual void on_log_record(const PlacedRecord& record) = 0;
  // Appends are taken from now on. Look at report.streams before voting.
  virtual void on_log_open(const LogReport& report) = 0;
  virtual void on_log_durable(Lsn up_to) = 0;
  // For good: it could not be opened, or a write or sync has failed.
  virtual void on_log_dead(const Error& error) = 0;
  // Appends that were refused for lack of room may succeed now.
  virtual void on_log_room() = 0;
};

struct LogStatus {
  bool open = false;
  bool dead = false;
  Lsn appended = 0;
  Lsn durable = 0;
  std::size_t pending_bytes = 0;
  TimeNs pending_since = 0;  // of the oldest append that is not durable; 0 = there is none
  std::uint64_t segments = 0;
  std::uint64_t batches = 0;     // synced in this life
  std::optional<Error> no_room;  // why no further segment can be made
};

// What for: what this node has promised and accepted, on stable storage before it is told to anybody.
// Thread safety: none; the loop's thread.
// Invariants: L1 durable_up_to() covers a record only after a sync that was submitted after its write has succeeded. L2 one
// batch is
//   being written at a time, so a batch is written only when all before it are stable; on this rests the judgement of damage
//   (FORMAT.md). L3 a failed write or sync is never repeated. L4 a segment is used again only after a stable batch has said
//   that it is not needed.
// Ownership: borrows disk, clock and listener, which outlive it. Completions that come after its end do nothing.
// Failure: append() is refused by kNoSpace when the disk is full, kOverloaded when too much is pending or the next segment
// is
//   still being made, kTooBig, kIo when the log is dead, kTryAgain before it is open. Records that make room
//   (ReleasedRecord, RemovedRecord, CheckpointRecord) are taken on a full disk, too: the last segment is kept for them.
//
// Appends of one turn gather; end_turn() writes them as one batch if none is being written, else they go as soon as it is
// durable.
class WriteAheadLog {
 public:
  WriteAheadLog(Disk& disk, const Clock& clock, LogListener& listener, const LogOptions& options);
  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;

  // kInvalid: the options do not fit together. The rest comes by the listener.
  Status open();

  Result<Lsn> append(const LogRecord& record);
  void end_turn();

  Lsn durable_up_to() const { return durable_; }
  Lsn appended_up_to() const { return next_lsn_ - 1; }
  bool is_open() const { return open_ && !dead_; }
  // Who this log belongs to; once it is open.
  const LogIdentity& identity() const { return identity_; }
  LogStatus status() const;

  // The stream whose oldest needed record keeps the first segment, when the log is longer than one: a checkpoint of it makes
  // room.
  std::optional<StreamId> oldest_holder() const;
  // Segments with lost records are kept, so that every start reports the loss, until this is called: when all streams that
  // may have been here are repaired or known not to have been.
  void settle_losses();
  // Tries again to make the next segment, where that has failed.
  void look_for_room() {
    if (is_open() && pool_.trouble()) pool_.top_up();
  }

 private:
  struct Stream {
    Lsn first = 0;
    Lsn last = 0;
    Lsn released_before = 0;
    // kLsnOpenEnd: none.
    Lsn needed_from() const;
  };
  // Where the log begins.
  struct Low {
    std::uint64_t segment = 1;
    Lsn lsn = 1;
  };
  struct Gathered {
    wal::BatchBuilder batch;
    TimeNs since = 0;
    Low low = {};  // after its records
  };
  struct Writing {
    Lsn last = 0;
    TimeNs since = 0;
    std::size_t bytes = 0;
    Low low;
    std::string name;
  };
  struct Current {
    std::uint64_t number = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
  };

  void recovered(Result<wal::FoundLog> found);
  void begin_fresh();
  void remove_useless();
  void begin_found();
  void make_tail_stable();
  void write_identity();
  void opened();
  void die(const Error& error);

  bool has_room(std::size_t record_bytes, bool makes_room) const;
  void note(const LogRecord& record, Lsn lsn);
  void compute_low();
  void write_next();
  void wrote(const Status& status);
  void sync();
  void synced(const Status& status);
  void tell_durable(Lsn up_to);
  void recycle(std::uint64_t low_segment);
  void pool_changed();

  Disk& disk_;
  const Clock& clock_;
  LogListener& listener_;
  LogOptions options_;
  wal::SegmentPool pool_;
  std::unique_ptr<wal::LogRecovery> recovery_;
  wal::FoundLog found_;  // until it is open
  LogIdentity identity_;
  bool open_ = false;
  bool opening_ = false;
  bool needs_identity_ = false;
  std::optional<Error> dead_;

  std::map<StreamId, Stream> streams_;
  Lsn next_lsn_ = 1;
  Lsn durable_ = 0;
  std::uint64_t next_batch_ = 1;
  std::uint64_t last_batch_ = 0;
  std::uint32_t life_ = 1;
  std::optional<Current> current_;
  std::map<std::uint64_t, std::uint64_t> segments_;  // written to or left behind -> size
  std::map<std::uint64_t, Lsn> first_lsns_;
  Low low_;          // after all that was appended
  Low written_low_;  // of the last batch written
  std::uint64_t damaged_from_ = 0;
  Lsn lost_up_to_ = 0;  // until the losses are settled: what new streams name as their record before, since it may have been

  std::deque<Gathered> gathered_;
  std::optional<Writing> writing_;
  std::size_t pending_bytes_ = 0;
  std::uint64_t batches_ = 0;
  bool refused_ = false;  // an append, for lack of room
  wal::Alive alive_;
};

}  // namespace juxmem

// CheckpointStore: the checkpoints of a node's streams, beside its log.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/env/disk.h"
#include "juxmem/storage/log/alive.h"
#include "juxmem/storage/log/checkpoint_codec.h"
#include "juxmem/storage/log/log_types.h"

namespace juxmem {

class CheckpointStore;

// What for: writes one checkpoint, piece by piece, while the service goes on.
// Thread safety: none; the loop's thread.
// Invariants: one call at a time: the next one after the completion of the one before. The checkpoint exists, whole and
// stable, once
//   finish() has succeeded, and not at all before.
// Ownership: borrows the store, which outlives it. One that is destroyed before its end leaves a file that the store's next
// begin() removes. Failure: kNoSpace, kIo: the checkpoint is given up and its file removed; an older one is untouched.
// kTooBig: a piece of more than 16 MiB.
class CheckpointWriter {
 public:
  CheckpointWriter(CheckpointStore& store, const CheckpointId& id);

  void add(const Buffer& piece, Disk::Done done);
  // What to put into the log.
  void finish(std::function<void(Result<CheckpointRecord>)> done);

 private:
  void begin(Disk::Done done);
  void append(Buffer bytes, Disk::Done done);
  void put_in_place(const std::function<void(Result<CheckpointRecord>)>& done);
  void give_up(const Error& error, const Disk::Done& done);

  CheckpointStore& store_;
  CheckpointId id_;
  std::string file_;
  bool begun_ = false;
  std::optional<Error> failed_;
  std::uint64_t offset_ = 0;
  wal::CheckpointEnd end_;
  wal::Alive alive_;
};

// What for: reads one checkpoint, piece by piece, and checks every byte.
// Thread safety: none. Invariants: one call at a time; what it gives was added in this order. The checkpoint is whole only
//   once nullopt has come: until then a piece is good, but the rest may not be.
// Ownership: borrows the disk. Failure: kNotFound; kNotSupported: another version; kIo: what is damaged, and where.
class CheckpointReader {
 public:
  using PieceDone = std::function<void(Result<std::optional<Buffer>>)>;

  CheckpointReader(Disk& disk, std::string name) : disk_(disk), name_(std::move(name)) {}

  void open(std::function<void(Result<wal::CheckpointHeader>)> done);
  // nullopt: that was the last one, and the checkpoint is whole.
  void next(PieceDone done);
  // Where the next piece begins.
  std::uint64_t offset() const { return offset_; }

 private:
  void took_head(const Result<Buffer>& bytes, const PieceDone& done);
  void took_piece(const wal::PieceHead& head, const Result<Buffer>& bytes, const PieceDone& done);
  std::unexpected<Error> damaged(const std::string& what) const;

  Disk& disk_;
  std::string name_;
  std::uint64_t offset_ = 0;
  wal::CheckpointEnd seen_;
  wal::Alive alive_;
};

// What for: which checkpoints there are, and space kept for them on a full disk.
// Thread safety: none; the loop's thread.
// Invariants: the file `reserve` takes `reserve_bytes` whenever the disk has them; a checkpoint that finds the disk full
// gets them. Ownership: borrows the disk. Failure: as stated; a reserve that cannot be had is no failure.
class CheckpointStore {
 public:
  CheckpointStore(Disk& disk, const LogIdentity& identity, std::uint64_t reserve_bytes)
      : disk_(disk), identity_(identity), reserve_bytes_(reserve_bytes) {}

  // Before all else: removes what was never finished and tells which checkpoints there are, in ascending order.
  void begin(std::function<void(Result<std::vector<CheckpointId>>)> done);
  std::unique_ptr<CheckpointWriter> write(const CheckpointId& id) { return std::make_unique<CheckpointWriter>(*this, id); }
  std::unique_ptr<CheckpointReader> read(const CheckpointId& id) {
    return std::make_unique<CheckpointReader>(disk_, wal::checkpoint_name(id));
  }
  // One that is not needed any more: after a newer one is in the log, durably.
  void remove(const CheckpointId& id, Disk::Done done);

 private:
  friend class CheckpointWriter;

  void keep_reserve();
  // Gives the reserve up; `done` hears whether there was one.
  void free_reserve(std::function<void(bool)> done);
  void remove_all(std::vector<std::string> names, const std::function<void()>& then);

  Disk& disk_;
  LogIdentity identity_;
  std::uint64_t reserve_bytes_;
  bool has_reserve_ = false;
  bool changing_reserve_ = false;
  wal::Alive alive_;
};

}  // namespace juxmem

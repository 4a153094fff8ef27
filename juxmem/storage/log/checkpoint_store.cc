#include "juxmem/storage/log/checkpoint_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "juxmem/base/digest.h"
#include "juxmem/storage/log/format.h"

namespace juxmem {

using namespace wal;

// ---- writing --------------------------------------------------------------------------------------------------------

CheckpointWriter::CheckpointWriter(CheckpointStore& store, const CheckpointId& id)
    : store_(store), id_(id), file_(checkpoint_name(id) + std::string(kUnfinishedSuffix)) {}

void CheckpointWriter::give_up(const Error& error, const Disk::Done& done) {
  failed_ = error;
  store_.disk_.remove(file_, [](const Status&) {});
  done(std::unexpected(error));
}

// What another life has left under this name goes first.
void CheckpointWriter::begin(Disk::Done done) {
  begun_ = true;
  const auto allocated = alive_.guard([this, done](const Status& status) {
    if (!status) return give_up(status.error(), done);
    append(encode_checkpoint_header({store_.identity_, id_}), done);
  });
  store_.disk_.remove(file_, alive_.guard([this, done, allocated](const Status& removed) {
    if (!removed && removed.error().code != Code::kNotFound) return give_up(removed.error(), done);
    store_.disk_.allocate(file_, 0, allocated);
  }));
}

// On a full disk once more, after the reserve has been given up.
void CheckpointWriter::append(Buffer bytes, Disk::Done done) {
  store_.disk_.write(file_, offset_, bytes, alive_.guard([this, bytes, done](const Status& written) {
    if (written) {
      offset_ += bytes.size();
      return done({});
    }
    if (written.error().code != Code::kNoSpace) return give_up(written.error(), done);
    store_.free_reserve(alive_.guard([this, bytes, done, error = written.error()](bool freed) {
      if (!freed) return give_up(error, done);
      append(bytes, done);
    }));
  }));
}

void CheckpointWriter::add(const Buffer& piece, Disk::Done done) {
  if (failed_) return done(std::unexpected(*failed_));
  if (piece.size() > kCheckpointPieceBytesMax)
    return give_up({Code::kTooBig, "a piece of a checkpoint is larger than 16 MiB"}, done);
  if (!begun_) {
    return begin(alive_.guard([this, piece, done](const Status& begun) {
      if (!begun) return done(begun);
      add(piece, done);
    }));
  }
  Buffer encoded = encode_piece(static_cast<std::uint32_t>(end_.pieces), piece.bytes());
  end_.digest = digest_with(end_.digest, decode_piece_head(encoded.bytes().first(kPieceHeadBytes)).checksum);
  ++end_.pieces;
  append(std::move(encoded), std::move(done));
}

void CheckpointWriter::finish(std::function<void(Result<CheckpointRecord>)> done) {
  const auto fail_done = [done](const Status& status) { done(std::unexpected(status.error())); };
  if (failed_) return fail_done(std::unexpected(*failed_));
  if (!begun_) {
    return begin(alive_.guard([this, done](const Status& begun) {
      if (!begun) return done(std::unexpected(begun.error()));
      finish(done);
    }));
  }
  append(encode_checkpoint_end(end_), alive_.guard([this, done, fail_done](const Status& appended) {
    if (!appended) return done(std::unexpected(appended.error()));
    store_.disk_.sync(file_, alive_.guard([this, done, fail_done](const Status& synced) {
      if (!synced) return give_up(synced.error(), fail_done);
      put_in_place(done);
    }));
  }));
}

void CheckpointWriter::put_in_place(const std::function<void(Result<CheckpointRecord>)>& done) {
  const auto fail_done = [done](const Status& status) { done(std::unexpected(status.error())); };
  store_.disk_.rename(file_, checkpoint_name(id_), alive_.guard([this, done, fail_done](const Status& renamed) {
    if (!renamed) return give_up(renamed.error(), fail_done);
    store_.disk_.sync_names(alive_.guard([this, done, fail_done](const Status& synced) {
      if (!synced) return fail_done(synced);
      store_.keep_reserve();
      done(CheckpointRecord{id_.instance, offset_, end_.digest});
    }));
  }));
}

// ---- reading --------------------------------------------------------------------------------------------------------

std::unexpected<Error> CheckpointReader::damaged(const std::string& what) const {
  return fail(Code::kIo, fmt::format("{}, at byte {}: {}", name_, offset_, what));
}

void CheckpointReader::open(std::function<void(Result<CheckpointHeader>)> done) {
  offset_ = 0;
  seen_ = {};
  disk_.read(name_, 0, kCheckpointHeaderBytes, alive_.guard([this, done = std::move(done)](const Result<Buffer>& bytes) {
    if (!bytes) return done(std::unexpected(bytes.error()));
    auto header = decode_checkpoint_header(bytes->bytes());
    if (!header && header.error().code != Code::kIo)
      return done(fail(header.error().code, name_ + " was " + header.error().detail));
    if (!header) return done(damaged(header.error().detail));
    const auto named = checkpoint_of(name_);
    if (named && *named != header->id) return done(damaged("this is the checkpoint " + checkpoint_name(header->id)));
    offset_ = kCheckpointHeaderBytes;
    done(std::move(header));
  }));
}

void CheckpointReader::next(PieceDone done) {
  disk_.read(name_, offset_, kPieceHeadBytes,
             alive_.guard([this, done = std::move(done)](const Result<Buffer>& bytes) { took_head(bytes, done); }));
}

void CheckpointReader::took_head(const Result<Buffer>& bytes, const PieceDone& done) {
  if (!bytes) return done(damaged(bytes.error().detail));
  if (bytes->size() != kPieceHeadBytes) return done(damaged("the file ends before the checkpoint does"));
  const PieceHead head = decode_piece_head(bytes->bytes());
  const bool is_end = head.index == kEndIndex;
  if (!is_end && (head.index != seen_.pieces || head.size_bytes > kCheckpointPieceBytesMax)) {
    return done(damaged("the head of a piece is damaged"));
  }
  // Further bytes would show that the file goes on behind its end.
  const std::size_t wanted = is_end ? kCheckpointEndBytes - kPieceHeadBytes + 1 : head.size_bytes;
  disk_.read(name_, offset_ + kPieceHeadBytes, wanted,
             alive_.guard([this, head, done](const Result<Buffer>& piece) { took_piece(head, piece, done); }));
}

void CheckpointReader::took_piece(const PieceHead& head, const Result<Buffer>& bytes, const PieceDone& done) {
  if (!bytes) return done(damaged(bytes.error().detail));
  if (!is_sound(head, bytes->bytes())) return done(damaged("a piece has a wrong checksum or size"));
  if (head.index == kEndIndex) {
    if (decode_checkpoint_end(bytes->bytes()) != seen_) return done(damaged("the end does not fit the pieces before it"));
    return done(std::optional<Buffer>());
  }
  seen_.digest = digest_with(seen_.digest, head.checksum);
  ++seen_.pieces;
  offset_ += kPieceHeadBytes + bytes->size();
  done(std::optional(*bytes));
}

// ---- the store ------------------------------------------------------------------------------------------------------

void CheckpointStore::begin(std::function<void(Result<std::vector<CheckpointId>>)> done) {
  disk_.list(alive_.guard([this, done = std::move(done)](const Result<std::vector<DiskEntry>>& entries) {
    if (!entries) return done(std::unexpected(entries.error()));
    std::vector<CheckpointId> ids;
    std::vector<std::string> unfinished;
    for (const DiskEntry& entry : *entries) {
      if (const auto id = checkpoint_of(entry.name)) ids.push_back(*id);
      if (is_unfinished_checkpoint(entry.name)) unfinished.push_back(entry.name);
      if (entry.name == kReserveName) has_reserve_ = entry.size_bytes >= reserve_bytes_;
    }
    std::ranges::sort(ids);
    remove_all(std::move(unfinished), [this, done, ids = std::move(ids)] {
      keep_reserve();
      done(ids);
    });
  }));
}

void CheckpointStore::remove_all(std::vector<std::string> names, const std::function<void()>& then) {
  if (names.empty()) return then();
  const std::string name = names.back();
  names.pop_back();
  disk_.remove(name, alive_.guard([this, names = std::move(names), then](const Status&) { remove_all(names, then); }));
}

void CheckpointStore::remove(const CheckpointId& id, Disk::Done done) {
  disk_.remove(checkpoint_name(id), alive_.guard([this, done = std::move(done)](const Status& removed) {
    keep_reserve();
    done(removed);
  }));
}

void CheckpointStore::keep_reserve() {
  if (has_reserve_ || changing_reserve_ || reserve_bytes_ == 0) return;
  changing_reserve_ = true;
  disk_.allocate(std::string(kReserveName), reserve_bytes_, alive_.guard([this](const Status& allocated) {
    changing_reserve_ = false;
    has_reserve_ = allocated.has_value();
    // A part of it would be space that nobody gets.
    if (!allocated) disk_.remove(std::string(kReserveName), [](const Status&) {});
  }));
}

void CheckpointStore::free_reserve(std::function<void(bool)> done) {
  if (!has_reserve_ || changing_reserve_) return done(false);
  has_reserve_ = false;
  disk_.remove(std::string(kReserveName), [done = std::move(done)](const Status& removed) { done(removed.has_value()); });
}

}  // namespace juxmem

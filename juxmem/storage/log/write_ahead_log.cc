#include "juxmem/storage/log/write_ahead_log.h"

#include <algorithm>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"
#include "juxmem/storage/log/format.h"
#include "juxmem/storage/log/record_codec.h"

namespace juxmem {

using namespace wal;

namespace {

bool makes_room(const LogBody& body) {
  return std::holds_alternative<ReleasedRecord>(body) || std::holds_alternative<RemovedRecord>(body) ||
         std::holds_alternative<CheckpointRecord>(body);
}

}  // namespace

Lsn WriteAheadLog::Stream::needed_from() const {
  const Lsn from = std::max(first, released_before);
  return from > last ? kLsnOpenEnd : from;
}

WriteAheadLog::WriteAheadLog(Disk& disk, const Clock& clock, LogListener& listener, const LogOptions& options)
    : disk_(disk),
      clock_(clock),
      listener_(listener),
      options_(options),
      pool_(disk, {options.segment_bytes, options.segments_ahead, options.spares, options.fill_segments}) {}

void WriteAheadLog::die(const Error& error) {
  if (dead_) return;
  dead_ = error;
  gathered_.clear();
  writing_.reset();
  pending_bytes_ = 0;
  listener_.on_log_dead(error);
}

// ---- appending ------------------------------------------------------------------------------------------------------

// Whether what has gathered and this record fit into the segments at hand, of which the last is kept for records that make
// room.
bool WriteAheadLog::has_room(std::size_t record_bytes, bool makes_room) const {
  std::uint64_t offset = current_ ? current_->offset : 0;
  std::uint64_t size = current_ ? current_->size_bytes : 0;
  std::size_t further = 0;
  const auto place = [&](std::size_t image) {
    if (offset + image > size) {
      ++further;
      offset = kSegmentHeaderBytes;
      size = options_.segment_bytes;
    }
    offset += image;
  };
  for (std::size_t i = 0; i + 1 < gathered_.size(); ++i) place(gathered_[i].batch.image_bytes());
  const std::size_t open_bytes = gathered_.empty() ? 0 : gathered_.back().batch.payload_bytes();
  if (open_bytes != 0 && open_bytes + record_bytes <= options_.batch_bytes) {
    place(image_bytes_of(open_bytes + record_bytes));
  } else {
    if (open_bytes != 0) place(image_bytes_of(open_bytes));
    place(image_bytes_of(kBatchHeadBytes + record_bytes));
  }
  return further + (makes_room ? 0 : 1) <= pool_.ready();
}

Result<Lsn> WriteAheadLog::append(const LogRecord& record) {
  if (dead_) return fail(Code::kIo, "the log has failed: " + dead_->detail);
  if (!open_) return fail(Code::kTryAgain, "the log is not open yet");
  const std::size_t bytes = record_bytes(record);
  if (kBatchHeadBytes + bytes > options_.batch_bytes)
    return fail(Code::kTooBig, "a record is larger than a batch of the log");
  const bool for_room = makes_room(record.body);
  if (!for_room && pending_bytes_ + bytes > options_.pending_bytes)
    return fail(Code::kOverloaded, "the disk does not follow");
  if (!has_room(bytes, for_room)) {
    refused_ = true;
    pool_.top_up();
    if (pool_.trouble()) return fail(pool_.trouble()->code, "no room for the log: " + pool_.trouble()->detail);
    return fail(Code::kOverloaded, "the log's next segment is being made");
  }
  const Lsn lsn = next_lsn_++;
  const auto found = streams_.find(record.stream);
  const Lsn previous = found == streams_.end() ? lost_up_to_ : found->second.last;
  if (gathered_.empty() || gathered_.back().batch.payload_bytes() + bytes > options_.batch_bytes) {
    gathered_.push_back({BatchBuilder{}, clock_.now(), low_});
  }
  gathered_.back().batch.add(encode_record({lsn, previous, record}), lsn);
  pending_bytes_ += bytes;
  note(record, lsn);
  gathered_.back().low = low_;
  return lsn;
}

void WriteAheadLog::note(const LogRecord& record, Lsn lsn) {
  Stream& stream = streams_[record.stream];
  if (stream.first == 0) stream.first = lsn;
  stream.last = lsn;
  if (const auto* released = std::get_if<ReleasedRecord>(&record.body)) {
    stream.released_before = std::max(stream.released_before, released->before);
    compute_low();
  } else if (std::holds_alternative<RemovedRecord>(record.body)) {
    streams_.erase(record.stream);
    compute_low();
  }
}

void WriteAheadLog::end_turn() { write_next(); }

// ---- writing --------------------------------------------------------------------------------------------------------

void WriteAheadLog::write_next() {
  if (dead_ || writing_ || gathered_.empty()) return;
  const std::size_t image_bytes = gathered_.front().batch.image_bytes();
  if (!current_ || current_->offset + image_bytes > current_->size_bytes) {
    if (pool_.ready() == 0) return;  // pool_changed() comes back here
    const SegmentPool::Segment next = pool_.take();
    current_ = Current{next.number, kSegmentHeaderBytes, next.size_bytes};
    segments_[next.number] = next.size_bytes;
  }
  Gathered next = std::move(gathered_.front());
  gathered_.pop_front();
  first_lsns_.emplace(current_->number, next.batch.first_lsn());
  if (next.low.segment > written_low_.segment) written_low_ = next.low;
  const Lsn last = next.batch.last_lsn();
  const Buffer image = next.batch.finish(
      {current_->number, next_batch_, last_batch_, tag_of(identity_), life_, written_low_.segment, written_low_.lsn});
  last_batch_ = next_batch_++;
  const std::string name = segment_name(current_->number);
  writing_ = Writing{last, next.since, next.batch.payload_bytes() - kBatchHeadBytes, written_low_, name};
  const std::uint64_t offset = current_->offset;
  current_->offset += image.size();
  disk_.write(name, offset, image, alive_.guard([this](const Status& status) { wrote(status); }));
}

void WriteAheadLog::wrote(const Status& status) {
  if (dead_) return;
  if (!status) return die(status.error());
  if (mutant("acknowledge_before_sync")) tell_durable(writing_->last);
  sync();
}

void WriteAheadLog::sync() {
  disk_.sync(writing_->name, alive_.guard([this](const Status& status) { synced(status); }));
}

void WriteAheadLog::synced(const Status& status) {
  if (dead_) return;
  if (!status) {
    // The system may have dropped what it could not write and call the next sync a success.
    if (mutant("retry_failed_sync")) return sync();
    return die(status.error());
  }
  ++batches_;
  pending_bytes_ -= writing_->bytes;
  const Writing written = *std::exchange(writing_, std::nullopt);
  recycle(written.low.segment);
  write_next();
  tell_durable(written.last);
}

void WriteAheadLog::tell_durable(Lsn up_to) {
  durable_ = std::max(durable_, up_to);
  listener_.on_log_durable(durable_);
}

// ---- truncation -----------------------------------------------------------------------------------------------------

void WriteAheadLog::compute_low() {
  if (first_lsns_.empty()) return;
  Lsn needed = first_lsns_.rbegin()->second;
  for (const auto& [id, stream] : streams_) needed = std::min(needed, stream.needed_from());
  if (mutant("truncate_needed")) needed = first_lsns_.rbegin()->second;
  std::uint64_t low = first_lsns_.begin()->first;
  for (const auto& [segment, first] : first_lsns_) {
    if (first <= needed) low = segment;
  }
  if (damaged_from_ != 0) low = std::min(low, damaged_from_);
  const auto first = first_lsns_.find(low);
  if (low <= low_.segment || first == first_lsns_.end()) return;
  low_ = {low, first->second};
}

// A stable batch has said which segments are needed: the others can be used again.
void WriteAheadLog::recycle(std::uint64_t low_segment) {
  while (!segments_.empty() && segments_.begin()->first < low_segment) {
    const auto [number, size] = *segments_.begin();
    segments_.erase(segments_.begin());
    first_lsns_.erase(number);
    pool_.recycle({number, size});
  }
}

std::optional<StreamId> WriteAheadLog::oldest_holder() const {
  std::optional<StreamId> holder;
  Lsn oldest = first_lsns_.empty() ? 0 : first_lsns_.rbegin()->second;
  for (const auto& [id, stream] : streams_) {
    if (stream.needed_from() >= oldest) continue;
    oldest = stream.needed_from();
    holder = id;
  }
  return holder;
}

void WriteAheadLog::settle_losses() {
  damaged_from_ = 0;
  lost_up_to_ = 0;
  compute_low();
}

LogStatus WriteAheadLog::status() const {
  LogStatus status;
  status.open = is_open();
  status.dead = dead_.has_value();
  status.appended = appended_up_to();
  status.durable = durable_;
  status.pending_bytes = pending_bytes_;
  status.pending_since = writing_ ? writing_->since : gathered_.empty() ? 0 : gathered_.front().since;
  status.segments = segments_.size();
  status.batches = batches_;
  status.no_room = pool_.trouble();
  return status;
}

}  // namespace juxmem

// How a WriteAheadLog begins: what was found is made stable once more, and a fresh folder gets its first segments.
#include <algorithm>
#include <utility>

#include "juxmem/base/mutant.h"
#include "juxmem/storage/log/format.h"
#include "juxmem/storage/log/write_ahead_log.h"

namespace juxmem {

using namespace wal;

Status WriteAheadLog::open() {
  const std::size_t image = image_bytes_of(options_.batch_bytes);
  if (options_.segment_bytes % kBlockBytes != 0 || options_.segment_bytes > kSegmentBytesMax) {
    return fail(Code::kInvalid, "a log's segments have whole blocks of 4096 bytes and at most 1 GiB");
  }
  if (image + kSegmentHeaderBytes > options_.segment_bytes || image / kSectorBytes > kBatchSectorsMax) {
    return fail(Code::kInvalid, "a batch of the log does not fit into a segment");
  }
  if (options_.segments_ahead < 2) return fail(Code::kInvalid, "a log makes at least two segments ahead");
  opening_ = true;
  recovery_ = std::make_unique<LogRecovery>(disk_, [this](const PlacedRecord& placed) { listener_.on_log_record(placed); });
  recovery_->start([this](Result<FoundLog> found) { recovered(std::move(found)); });
  return {};
}

void WriteAheadLog::recovered(Result<FoundLog> found) {
  if (!found) return die(found.error());
  found_ = std::move(*found);
  if (found_.fresh) {
    begin_fresh();
  } else {
    begin_found();
  }
}

void WriteAheadLog::begin_fresh() {
  identity_ = options_.identity;
  found_.report.identity = identity_;
  needs_identity_ = true;
  remove_useless();
}

// One after the other, before anything new is made: the names may be the same.
void WriteAheadLog::remove_useless() {
  if (found_.useless.empty()) {
    pool_.begin(identity_, {}, 1, [this] { pool_changed(); });
    return pool_.top_up();
  }
  const std::string name = found_.useless.back();
  found_.useless.pop_back();
  disk_.remove(name, alive_.guard([this](const Status& removed) {
    if (!removed) return die(removed.error());
    remove_useless();
  }));
}

void WriteAheadLog::begin_found() {
  const LogEnd& end = found_.end;
  identity_ = found_.report.identity;
  const std::uint64_t newest =
      found_.segments.empty() ? std::max<std::uint64_t>(end.segment, 1) : found_.segments.rbegin()->first;
  next_lsn_ = end.next_lsn;
  next_batch_ = end.last_batch + 1;
  if (end.damaged) {
    const std::uint64_t fresh = found_.prepared.empty() ? newest + 1 : found_.prepared.begin()->first;
    next_lsn_ = std::max(next_lsn_, first_number_in(fresh));
    next_batch_ = std::max(end.batch_max + 2, first_number_in(fresh));
  }
  if (!found_.report.complete()) lost_up_to_ = std::min(found_.report.lost.back().last, next_lsn_ - 1);
  for (const StreamTrust& stream : found_.report.streams) {
    Stream& own = streams_[stream.stream] = {stream.first, stream.last, stream.released_before};
    // Its next record names one that is lost, so that later starts know of the loss, too.
    if (stream.lost) own.last = std::max(own.last, std::min(stream.lost->last, next_lsn_ - 1));
  }
  durable_ = next_lsn_ - 1;
  last_batch_ = end.last_batch;
  life_ = end.life_max + 1;
  segments_ = found_.segments;
  first_lsns_ = end.first_lsns;
  if (end.low_segment != 0) low_ = written_low_ = {end.low_segment, end.low_lsn};
  damaged_from_ = end.damaged_from;
  if (end.segment != 0 && !end.damaged) current_ = Current{end.segment, end.offset, segments_[end.segment]};
  needs_identity_ = found_.identity_damaged;
  for (const auto& [number, size] : found_.prepared) segments_.erase(number);
  pool_.begin(identity_, found_.prepared, newest + 1, [this] { pool_changed(); });
  for (const std::string& name : found_.useless) {
    if (name == kIdentityNewName && needs_identity_) continue;  // it will be written
    const auto entry = std::ranges::find(found_.entries, name, &DiskEntry::name);
    pool_.add_leftover(name, entry->size_bytes);
  }
  make_tail_stable();
}

// The last batch may have been written by a life that ended, or whose sync failed, before it was stable: then the system's
// cache shows it and considers it clean. Writing it again is what makes a sync mean something. All batches before it were
// synced, or it would not be there.
void WriteAheadLog::make_tail_stable() {
  const auto ready = [this](const Status& synced) {
    if (!synced) return die(synced.error());
    disk_.sync_names(alive_.guard([this](const Status& named) {
      if (!named) return die(named.error());
      pool_.top_up();
      if (needs_identity_) return write_identity();
      opened();
    }));
  };
  if (!found_.end.tail || mutant("trust_unsynced_tail")) return ready({});
  const std::string name = segment_name(found_.end.tail_segment);
  const FoundBatch& tail = *found_.end.tail;
  disk_.write(name, tail.offset, tail.image, alive_.guard([this, name, ready](const Status& written) {
    if (!written) return die(written.error());
    disk_.sync(name, alive_.guard(ready));
  }));
}

// Last of all in a fresh folder: where it is missing, there was no log.
void WriteAheadLog::write_identity() {
  needs_identity_ = false;
  const std::string fresh(kIdentityNewName);
  const auto check = [this](auto next) {
    return alive_.guard([this, next](const Status& status) {
      if (!status) return die(status.error());
      next();
    });
  };
  const auto named = [this] { opened(); };
  const auto renamed = [this, check, named] { disk_.sync_names(check(named)); };
  const auto synced = [this, check, fresh, renamed] { disk_.rename(fresh, std::string(kIdentityName), check(renamed)); };
  const auto written = [this, check, fresh, synced] { disk_.sync(fresh, check(synced)); };
  const auto allocated = [this, check, fresh, written] {
    disk_.write(fresh, 0, encode_header({identity_, 0, options_.segment_bytes}), check(written));
  };
  disk_.allocate(fresh, kSegmentHeaderBytes, check(allocated));
}

void WriteAheadLog::opened() {
  opening_ = false;
  open_ = true;
  recovery_.reset();
  const FoundLog found = std::exchange(found_, {});
  compute_low();
  listener_.on_log_open(found.report);
}

void WriteAheadLog::pool_changed() {
  if (dead_) return;
  if (opening_) {
    if (!needs_identity_) return;
    if (pool_.trouble()) return die(*pool_.trouble());
    // Room for the first records and the reserve.
    if (pool_.ready() >= 2) write_identity();
    return;
  }
  write_next();
  if (refused_ && !pool_.trouble()) {
    refused_ = false;
    listener_.on_log_room();
  }
}

}  // namespace juxmem

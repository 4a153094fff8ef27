#include "juxmem/storage/log/log_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "juxmem/base/mutant.h"
#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/format.h"

namespace juxmem {

const char* to_string(LogFaultKind kind) {
  switch (kind) {
    case LogFaultKind::kTornTail:
      return "torn tail";
    case LogFaultKind::kDamagedHeader:
      return "damaged header";
    case LogFaultKind::kDamagedBatch:
      return "damaged batch";
    case LogFaultKind::kDamagedRange:
      return "damaged range";
    case LogFaultKind::kDamagedEnd:
      return "damaged end";
    case LogFaultKind::kLostRecords:
      return "lost records";
    case LogFaultKind::kMissingSegment:
      return "missing segment";
    case LogFaultKind::kShortSegment:
      return "short segment";
    case LogFaultKind::kOutOfOrder:
      return "out of order";
    case LogFaultKind::kDamagedIdentity:
      return "damaged identity";
  }
  return "unknown fault";
}

bool loses_records(LogFaultKind kind) {
  return kind != LogFaultKind::kTornTail && kind != LogFaultKind::kDamagedHeader && kind != LogFaultKind::kDamagedIdentity;
}

namespace wal {

LogScan::LogScan(const LogIdentity& identity, std::uint64_t low_segment, Lsn low_lsn, Sink sink)
    : tag_(tag_of(identity)), sink_(std::move(sink)), expected_(std::max<Lsn>(low_lsn, 1)) {
  report_.identity = identity;
  end_.low_segment = low_segment;
  end_.low_lsn = low_lsn;
}

void LogScan::add_fault(LogFault fault) { report_.faults.push_back(std::move(fault)); }

void LogScan::note_damage(LogFaultKind kind, std::uint64_t segment, std::uint64_t offset, std::uint64_t size_bytes,
                          std::string detail) {
  if (mutant("skip_corrupt_record")) return;
  end_in_doubt_ = true;
  if (end_.damaged_from == 0) end_.damaged_from = segment;
  report_.faults.push_back({kind, segment, offset, size_bytes, std::move(detail)});
}

void LogScan::add_missing(std::uint64_t number) {
  note_damage(LogFaultKind::kMissingSegment, number, 0, 0,
              fmt::format("{} is not there, though the log needs it", segment_name(number)));
}

void LogScan::add_short(std::uint64_t number, std::uint64_t size_bytes, std::uint64_t should_be_bytes) {
  short_segment_ = number;
  note_damage(LogFaultKind::kShortSegment, number, size_bytes, should_be_bytes - size_bytes,
              fmt::format("{} has {} of its {} bytes", segment_name(number), size_bytes, should_be_bytes));
}

void LogScan::add(const SegmentImage& image) {
  SegmentFindings findings = scan_segment(image, tag_, last_);
  end_.batch_max = std::max(end_.batch_max, findings.batch_max);
  end_.life_max = std::max(end_.life_max, findings.life_max);
  if (!findings.batches.empty() || end_.segment == 0) {
    end_.segment = image.number;
    end_.offset = findings.end;
  }
  for (FoundBatch& batch : findings.batches) take(image.number, std::move(batch));
  if (short_segment_ == image.number) end_in_doubt_ = true;
  if (findings.end_damaged) {
    // Whether something was there, the next batch tells; if none comes, nobody does.
    end_in_doubt_ = true;
    report_.faults.push_back({LogFaultKind::kDamagedEnd, image.number, findings.end, kBlockBytes,
                              "the block after the last batch cannot be read"});
  }
}

void LogScan::take(std::uint64_t segment, FoundBatch batch) {
  last_ = {batch.head.batch, batch.head.life};
  if (batch.unknown_before > 0) {
    note_damage(LogFaultKind::kDamagedRange, segment, batch.offset - batch.unknown_before, batch.unknown_before,
                fmt::format("before batch {}, others were here and cannot be read", batch.head.batch));
  }
  if (!batch.whole()) {
    judge_pending(nullptr, &batch.head);
    pending_ = std::move(batch);
    pending_segment_ = segment;
    end_.tail.reset();
    return;
  }
  const BatchContents contents = read_batch(batch);
  judge_pending(contents.head ? &*contents.head : nullptr, &batch.head);
  consume(segment, batch);
  // What was lost before it, its numbers tell.
  end_in_doubt_ = false;
  std::erase_if(report_.faults, [](const LogFault& fault) { return fault.kind == LogFaultKind::kDamagedEnd; });
  end_.last_batch = batch.head.batch;
  end_.tail_segment = segment;
  end_.tail = std::move(batch);
}

// A batch that is not whole, once the one after it is known; `next` is nullptr at the end of the log.
void LogScan::judge_pending(const BatchHead* next_head, const SectorHead* next) {
  if (!pending_) return;
  const FoundBatch batch = std::move(*pending_);
  pending_.reset();
  // A later life found the write cut short and went on without it, or says so in its first batch.
  const bool same_life = next != nullptr && next->life == batch.head.life;
  if (batch.torn() && next != nullptr && !same_life) return;
  if (next_head != nullptr && next_head->previous < batch.head.batch && next->batch == next_head->previous + 1) return;
  note_damage(LogFaultKind::kDamagedBatch, pending_segment_, batch.offset, batch.size_bytes(),
              fmt::format("{} of the {} sectors of batch {} cannot be read", batch.missing + batch.damaged, batch.head.count,
                          batch.head.batch));
  // One that was cut short was never stable, so its records are void. What may have been lost is another, of which nothing
  // is left.
  if (batch.missing == 0 || same_life) consume(pending_segment_, batch);
}

void LogScan::consume(std::uint64_t segment, const FoundBatch& batch) {
  const BatchContents contents = read_batch(batch);
  consuming_ = segment;
  if (batch.whole() && contents.bad_records > 0) {
    note_damage(LogFaultKind::kDamagedBatch, segment, batch.offset, batch.size_bytes(),
                fmt::format("{} records of batch {} have a wrong checksum or make no sense", contents.bad_records,
                            batch.head.batch));
  }
  if (contents.head) {
    const BatchHead& head = *contents.head;
    if (head.low_segment > end_.low_segment) {
      end_.low_segment = head.low_segment;
      end_.low_lsn = head.low_lsn;
    }
    if (head.first_lsn < expected_) {
      note_damage(
          LogFaultKind::kOutOfOrder, segment, batch.offset, batch.size_bytes(),
          fmt::format("batch {} begins with record {}, but {} was expected", batch.head.batch, head.first_lsn, expected_));
      if (!mutant("take_stale_segment")) return;
    }
    if (head.first_lsn > expected_) {
      note_damage(
          LogFaultKind::kLostRecords, end_.tail_segment != 0 ? end_.tail_segment : segment, 0, 0,
          fmt::format("records {} to {}, before batch {}, are lost", expected_, head.first_lsn - 1, batch.head.batch));
    }
    end_.first_lsns.emplace(segment, head.first_lsn);
  }
  report_.bytes += batch.size_bytes();
  for (const PlacedRecord& placed : contents.records) deliver(placed);
  // Records at the end of the batch that could not be read.
  if (contents.head && contents.head->records > 0 && !mutant("skip_corrupt_record")) {
    const Lsn after = contents.head->first_lsn + contents.head->records;
    if (after > expected_) {
      lose({expected_, after - 1});
      expected_ = after;
    }
  }
}

void LogScan::deliver(const PlacedRecord& placed) {
  if (placed.lsn < expected_ && !mutant("take_stale_segment")) return;
  if (placed.lsn > expected_ && !mutant("skip_corrupt_record")) lose({expected_, placed.lsn - 1});
  expected_ = placed.lsn + 1;
  StreamState& state = streams_[placed.record.stream];
  if (placed.previous != state.last) {
    const auto is_lost = [&](const LsnRange& range) { return range.contains(placed.previous); };
    if (std::ranges::any_of(report_.lost, is_lost)) state.broken.push_back(placed.previous);
  }
  if (state.first == 0) state.first = placed.lsn;
  state.last = placed.lsn;
  if (const auto* released = std::get_if<ReleasedRecord>(&placed.record.body)) {
    state.released_before = std::max(state.released_before, released->before);
  }
  if (std::holds_alternative<RemovedRecord>(placed.record.body)) streams_.erase(placed.record.stream);
  ++report_.records;
  sink_(placed);
}

void LogScan::lose(const LsnRange& range) {
  if (end_.damaged_from == 0) end_.damaged_from = std::max<std::uint64_t>(consuming_, 1);
  report_.lost.push_back(range);
}

void LogScan::lose_open_end() {
  end_.damaged = true;
  if (!mutant("skip_corrupt_record")) lose({expected_, kLsnOpenEnd});
}

StreamTrust LogScan::trust(const StreamId& id, const StreamState& state) const {
  StreamTrust trust{id, state.first, state.last, state.released_before, std::nullopt, false};
  for (Lsn lsn : state.broken) {
    if (lsn < state.released_before) continue;
    if (!trust.lost) trust.lost = LsnRange{lsn, lsn};
    trust.lost->last = lsn;
    trust.certain = true;
  }
  if (trust.certain) return trust;
  for (const LsnRange& range : report_.lost) {
    // A later record of the stream would name what was lost.
    if (state.last > range.last || range.last < state.released_before) continue;
    if (!trust.lost) trust.lost = range;
    trust.lost->last = range.last;
  }
  return trust;
}

LogReport LogScan::finish(LogEnd& end) {
  if (pending_) {
    const FoundBatch batch = *pending_;
    if (batch.torn()) {
      report_.faults.push_back({LogFaultKind::kTornTail, pending_segment_, batch.offset, batch.size_bytes(),
                                fmt::format("batch {} was being written; {} of its {} sectors are missing", batch.head.batch,
                                            batch.missing, batch.head.count)});
      end_.offset = batch.offset;
      pending_.reset();
    } else {
      judge_pending(nullptr, nullptr);
    }
  }
  if (end_in_doubt_) lose_open_end();
  for (const LogFault& fault : report_.faults) {
    if (fault.kind == LogFaultKind::kDamagedEnd && end_.damaged_from == 0) end_.damaged_from = fault.segment;
  }
  for (const auto& [id, state] : streams_) report_.streams.push_back(trust(id, state));
  end_.next_lsn = expected_;
  end = std::move(end_);
  return std::move(report_);
}

}  // namespace wal
}  // namespace juxmem

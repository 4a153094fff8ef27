// LogScan: what the segments of a log hold all together, and what is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/storage/log/log_types.h"
#include "juxmem/storage/log/segment_scan.h"

namespace juxmem {

enum class LogFaultKind : std::uint8_t {
  kTornTail,       // harmless: the last write was cut short and nobody was told of it
  kDamagedHeader,  // harmless by itself: every copy of a segment's header
  kDamagedBatch,   // sectors of a batch that had been synced cannot be read
  kDamagedRange,   // batches were here; nothing tells which
  kDamagedEnd,     // where the log ends, a batch may have been
  kLostRecords,    // the numbers of the records have a gap
  kMissingSegment,
  kShortSegment,     // the file lost its end
  kOutOfOrder,       // a batch that does not follow the one before it
  kDamagedIdentity,  // harmless: the identity was taken from the segments
};
const char* to_string(LogFaultKind kind);
bool loses_records(LogFaultKind kind);

struct LogFault {
  LogFaultKind kind = LogFaultKind::kTornTail;
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  std::string detail;  // for people
};

// What can still be trusted of one stream.
struct StreamTrust {
  StreamId stream;
  Lsn first = 0;  // first record seen
  Lsn last = 0;
  Lsn released_before = 0;
  // Records that are needed and not here. `certain`: a later record names them; otherwise none tells that there were none.
  std::optional<LsnRange> lost;
  bool certain = false;
  bool whole() const { return !lost; }
};

struct LogReport {
  LogIdentity identity;
  std::vector<LogFault> faults;
  std::vector<LsnRange> lost;  // records that were in the log; last = kLsnOpenEnd: nobody knows how many
  std::vector<StreamTrust> streams;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  // No record is lost: what is not in `streams` was never here.
  bool complete() const { return lost.empty(); }
};

namespace wal {

// Where an opened log goes on.
struct LogEnd {
  std::uint64_t segment = 0;     // the last one with a batch; 0 = there is none
  std::uint64_t offset = 0;      // where the next batch goes, unless `damaged`
  bool damaged = false;          // the next batch must go into a fresh segment
  std::uint64_t last_batch = 0;  // the last good one; 0 = none
  std::uint64_t batch_max = 0;   // the highest number that was ever seen
  std::uint32_t life_max = 0;
  Lsn next_lsn = 1;
  std::uint64_t low_segment = 0;
  Lsn low_lsn = 0;
  std::optional<FoundBatch> tail;  // the last batch if it is good; to be made stable before it is relied on
  std::uint64_t tail_segment = 0;
  std::map<std::uint64_t, Lsn> first_lsns;  // of the segments with batches
  std::uint64_t damaged_from = 0;           // the first segment in which records were lost; 0 = none
};

// What for: takes the segments in ascending order, hands out the records in the order in which they were logged, and judges.
// Thread safety: none. Pure: no I/O.
// Invariants: a record is handed out once, its checksum is right, and it is of this log. Every record that was acknowledged
// is
//   handed out or lies in a range of `lost`.
// Ownership: records share their bytes with the images. Failure: none; what is wrong is in the report.
class LogScan {
 public:
  using Sink = std::function<void(const PlacedRecord&)>;

  // `low_segment`, `low_lsn`: where the log begins, as the newest batch says.
  LogScan(const LogIdentity& identity, std::uint64_t low_segment, Lsn low_lsn, Sink sink);

  void add(const SegmentImage& image);
  void add_missing(std::uint64_t number);
  // The file of the segment that is added next has lost its end.
  void add_short(std::uint64_t number, std::uint64_t size_bytes, std::uint64_t should_be_bytes);
  void add_fault(LogFault fault);

  // To be called once.
  LogReport finish(LogEnd& end);

 private:
  struct StreamState;

  void take(std::uint64_t segment, FoundBatch batch);
  void judge_pending(const BatchHead* next_head, const SectorHead* next);
  void consume(std::uint64_t segment, const FoundBatch& batch);
  void deliver(const PlacedRecord& placed);
  void lose(const LsnRange& range);
  void lose_open_end();
  void note_damage(LogFaultKind kind, std::uint64_t segment, std::uint64_t offset, std::uint64_t size_bytes,
                   std::string detail);
  StreamTrust trust(const StreamId& id, const StreamState& state) const;

  struct StreamState {
    Lsn first = 0;
    Lsn last = 0;
    Lsn released_before = 0;
    std::vector<Lsn> broken;  // places of records that a later one names and that are not here
  };

  const std::uint32_t tag_;
  Sink sink_;
  LogReport report_;
  LogEnd end_;
  LogPosition last_;
  Lsn expected_ = 1;
  std::uint64_t consuming_ = 0;  // the segment whose records are being handed out
  std::map<StreamId, StreamState> streams_;
  std::optional<FoundBatch> pending_;  // not whole, and nothing has been seen after it
  std::uint64_t pending_segment_ = 0;
  std::uint64_t short_segment_ = 0;
  bool end_in_doubt_ = false;  // something is damaged, and no good batch after it has told what was lost
};

}  // namespace wal
}  // namespace juxmem

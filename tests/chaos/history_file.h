// What clients of a real grid did, as lines of text, and the same as histories of blocks.
//
//   call OP BLOCK TIME_NS W0 W1 W2          a section begins that may write these values to the block's parts; - is none
//   done OP TIME_NS OUTCOME R0 R1 R2        it is over and read these values. OUTCOME: ok, lost (wrote nothing), unknown, none (never began),
//                                           forgotten (never began: the grid has lost the block with the memory of its providers)
//   torn OP PART                            a part that is written as a whole did not hold one value
//   counted BLOCK COUNT                     what the counter of a block said after everything
//
// OP numbers the sections of one file. Times are of the machine's monotonic clock, which all its processes share.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "tests/sim/grid/linearizability.h"

namespace juxmem::chaos {

enum class Outcome : std::uint8_t { kOk, kLost, kUnknown, kNone, kForgotten };

// What for: writes one client's lines. Each is one write to a file, so that what a killed client has done until then stays.
// Thread safety: none. Ownership: closes the file. Failure: a line that cannot be written ends the program; without it nothing is proved.
class HistoryWriter {
 public:
  static Result<HistoryWriter> create(const std::string& path);
  HistoryWriter(HistoryWriter&& other) noexcept;
  HistoryWriter& operator=(HistoryWriter&&) = delete;
  ~HistoryWriter();

  // The section's number.
  std::uint64_t call(std::uint64_t block, const sim::PartValues& written);
  void done(std::uint64_t op, Outcome outcome, const sim::PartValues& read);
  void torn(std::uint64_t op, std::size_t part);
  void counted(std::uint64_t block, std::uint64_t count);

 private:
  explicit HistoryWriter(int file) : file_(file) {}
  void put(const std::string& line);

  int file_;
  std::uint64_t ops_ = 0;
};

struct Span {
  TimeNs began = 0;
  TimeNs ended = 0;
};

struct BlockHistory {
  std::vector<sim::HistoryOp> ops;
  std::uint64_t written = 0;          // acknowledged sections that wrote
  std::uint64_t perhaps_written = 0;  // with unknown outcome
  std::optional<std::uint64_t> counted;
  std::optional<TimeNs> forgotten_at;  // when the first client was told so
};

struct Histories {
  std::map<std::uint64_t, BlockHistory> blocks;
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  std::uint64_t unknown = 0;
  std::uint64_t refused = 0;    // outcome none
  std::uint64_t forgotten = 0;  // likewise
  std::vector<std::string> torn;
  std::vector<Span> acknowledged_spans;  // of the acknowledged sections, from call to return
};

// Adds the lines of one client. A last line without its end is what a kill leaves and is ignored. Errors: kInvalid, with the line.
Status read_history(std::istream& lines, const std::string& client, Histories& into);

struct Judgement {
  std::vector<std::string> problems;  // one line each; empty: everything is explained
  std::uint64_t too_hard = 0;         // blocks whose histories the checker gave up on
};
// Linearizability of every block, that counters have counted every acknowledged section once, and that what is forgotten stays so.
Judgement judge(const Histories& histories);

// The longest of `spans` that touches none of the `announced` outages; {0, 0} if there is none.
Span longest_outside(const std::vector<Span>& spans, const std::vector<Span>& announced);
// The spans between one acknowledgement and the next.
std::vector<Span> silences(const std::vector<Span>& acknowledged);

}  // namespace juxmem::chaos

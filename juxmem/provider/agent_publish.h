// SectionChanges: what a section changed, cut into log entries.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

// The data of one entry: what lies in `data`, one range after the other.
struct ChangePiece {
  std::vector<wire::Range> ranges;
  Buffer data;
};

// Errors: kInvalid (ranges and data do not match, or overflow), kOutOfRange (beyond the block's end).
Status check_changes(const std::vector<wire::Range>& ranges, const std::vector<Buffer>& data, std::uint64_t block_bytes);

// Cuts changes into pieces of at most `piece_bytes`. Large ranges become slices without a copy; small ones are copied together.
// Everything in one piece if it fits.
std::vector<ChangePiece> cut_changes(const std::vector<wire::Range>& ranges, const std::vector<Buffer>& data,
                                     std::uint64_t piece_bytes = wire::kEntryBytesMax);

// What for: the state of one release: which of the client's parts have come, and how many of the entries they became are decided.
// Thread safety: none. Pure.
// Invariants: stage numbers are dense from 0 in the order in which pieces were made; each client part is counted once.
// Ownership: a value; the pieces themselves go on to the group.
// Failure: none.
class SectionChanges {
 public:
  // Whether the client's part is new; `last` tells how many there are.
  bool take_part(std::uint32_t part, bool last);
  bool all_parts() const { return parts_ != 0 && taken_.size() == parts_; }
  // The only part, and the last.
  bool is_single() const { return parts_ == 1; }

  // A piece of `part` gets its stage number.
  std::uint32_t add_stage(std::uint32_t part, const ChangePiece& piece);
  // The group has this piece. The client's part whose pieces are then all staged, if this was the last.
  struct PartDone {
    bool done = false;
    std::uint32_t part = 0;
  };
  PartDone staged(std::uint32_t stage);
  bool part_staged(std::uint32_t part) const;
  bool all_staged() const { return all_parts() && staged_ == static_cast<std::uint32_t>(stages_.size()); }

  std::uint32_t stage_count() const { return static_cast<std::uint32_t>(stages_.size()); }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t digest() const;  // SectionDigest over all stages in order

  bool submitted = false;  // Publish or Install is on its way

 private:
  struct Stage {
    std::uint32_t part = 0;
    std::uint64_t digest = 0;
    bool staged = false;
  };
  std::uint32_t parts_ = 0;                       // 0: not known yet
  std::map<std::uint32_t, std::uint32_t> taken_;  // part: stages of it that are not decided
  std::vector<Stage> stages_;
  std::uint32_t staged_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace juxmem

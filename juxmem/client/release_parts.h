// ReleaseParts: the messages of a release.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/client/client_types.h"
#include "juxmem/wire/client_messages.h"

namespace juxmem {

// What for: cuts a section's changes into messages while they come in. Pieces are as large as one log entry's data at most, so
//   that nobody has to cut them again.
// Thread safety: none. Invariants: the last message is the only one without `more`; a release without changes is one message.
// Ownership: keeps the changes until they are in a message. Failure: none.
class ReleaseParts {
 public:
  ReleaseParts(std::uint64_t agent_section, BlockId block) : agent_section_(agent_section), block_(block) {}

  void add(std::vector<Change> changes);
  // There are no more changes.
  void close() { closed_ = true; }

  // Nothing has changed so far.
  bool is_empty() const { return next_part_ == 0 && ready_.empty(); }
  // A message is ready: a full one, or the rest after close().
  bool has_next() const;
  // The next one is the last.
  bool is_at_last() const;
  // Only if has_next().
  wire::ReleaseRequest next();

 private:
  bool fits_into_one() const;

  const std::uint64_t agent_section_;
  const BlockId block_;
  std::deque<Change> ready_;  // none larger than an entry
  std::uint64_t ready_bytes_ = 0;
  std::uint32_t next_part_ = 0;
  bool closed_ = false;
  bool last_taken_ = false;
};

}  // namespace juxmem

// ReplicaLog: what one replica that is kept on disk has given to the node's log, and what waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "consistency/paxos/stream.h"
#include "juxmem/provider/journal.h"

namespace juxmem {

// What for: puts into the log what the stream gives to be kept, in order; holds back the messages that must not leave before it is
//   stable; says what a checkpoint makes needless.
// Thread safety: none; the provider's event loop.
// Invariants: a message of Durable::kState leaves only when everything that was given before it is stable, and so is the state before that.
// Ownership: borrows the journal, which outlives it.
// Failure: what the log has no room for waits here, and what waits for it, too: the others count this member as one that is slow.
class ReplicaLog {
 public:
  ReplicaLog(Journal& journal, GroupId group) : journal_(journal), group_(group) {}

  // The stream begins: before anything of it.
  void open(const StreamConfig& config);
  // The state that the stream begins with is not in the log: until a checkpoint has it, nothing counts as stable.
  void await_state();
  bool awaits_state() const { return awaits_state_; }
  // The stream was in the log already, with its accepted records at these places.
  void recover(const StreamConfig& config, std::deque<std::pair<Lsn, Instance>> places);
  // Takes out of `messages` what must wait.
  void keep(Persist persist, std::vector<Outgoing>& messages);

  struct Stable {
    std::uint64_t mark = 0;  // 0: nothing new
    std::vector<Outgoing> messages;
  };
  Stable on_durable(Lsn up_to);
  // What had no room may have it now.
  void on_room() { append_waiting(); }
  // Why records wait; nullopt if none do.
  const std::optional<Error>& trouble() const { return trouble_; }

  // ---- checkpoints of the present epoch ----

  const StreamId& stream() const { return facts_.stream; }
  const StreamFacts& facts() const { return facts_; }
  Journal& journal() { return journal_; }
  std::uint64_t bytes_since_checkpoint() const { return bytes_; }
  // Everything appended until now and the entries up to `at` are in the checkpoint that begins now.
  void checkpoint_begins() {
    released_at_ = journal_.log().appended_up_to() + 1;
    bytes_ = 0;
  }
  // It is stable. Entries after `keep_after` stay in the log.
  void checkpoint_made(const CheckpointRecord& record, Instance keep_after);
  // Nobody needs the end of the epoch before any more.
  void forget_former(std::uint32_t epoch);

 private:
  struct Item {
    std::uint64_t number = 0;
    std::uint64_t mark = 0;  // of the persist that ends here; else 0
    LogRecord record;
  };
  struct Placed {
    std::uint64_t number = 0;
    std::uint64_t mark = 0;
    std::uint32_t epoch = 0;
    Lsn lsn = 0;
  };

  void put(LogBody body, std::uint64_t mark = 0);
  void append_waiting();

  Journal& journal_;
  const GroupId group_;
  StreamFacts facts_;
  std::uint64_t numbers_ = 0;
  std::deque<Item> waiting_;
  std::deque<Placed> placed_;  // appended and not stable
  std::deque<std::pair<std::uint64_t, Outgoing>> held_;
  std::deque<std::pair<Lsn, Instance>> places_;
  Instance told_decided_ = 0;
  std::uint64_t bytes_ = 0;
  bool awaits_state_ = false;
  Lsn released_at_ = 0;
  std::optional<Error> trouble_;
};

}  // namespace juxmem

// Readers: linearizable reads at any replica.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: reads wait for a place in the log that includes all that was acknowledged before they began: the coordinator knows it
//   by its lease, others ask it (read-index). Ongaro's dissertation, 2014, section 6.4.
// Thread safety: none.
// Invariants: a read gets its place from a question sent after the read began; it is answered once all up to its place
//   was handed out.
// Ownership: keeps the caller's tags until they are answered. Failure: reads wait while nobody answers.
class Readers {
 public:
  explicit Readers(const StreamConfig& config);

  bool full() const { return count_ >= config_.limits.reads_waiting; }
  void add(std::uint64_t tag);

  // The place of all reads so far, known by this node's own lease.
  void place_all(Instance index);
  // Asks the coordinator for the place of the reads that came since the last question; all of them when time for it.
  void ask(TimeNs now, NodeId coordinator, std::vector<Outgoing>& out);
  void on_reply(const wire::ReadIndexReply& reply);
  // Reads whose place is not beyond `handed_out`.
  void take_answered(Instance handed_out, std::vector<AnsweredRead>& out);

  // The epoch is over: takes out the reads that have no place in it.
  std::vector<std::uint64_t> take_unplaced();

  bool has_unplaced() const { return !fresh_.empty() || !questions_.empty(); }
  // When ask() has something to repeat.
  TimeNs next_wakeup() const;

 private:
  struct Question {
    std::uint64_t number = 0;
    std::vector<std::uint64_t> tags;
  };

  const StreamConfig& config_;
  std::uint64_t number_ = 0;  // of the last question
  TimeNs ask_again_at_ = 0;
  std::vector<std::uint64_t> fresh_;  // in no question yet
  std::deque<Question> questions_;    // by number
  std::multimap<Instance, std::uint64_t> placed_;
  std::size_t count_ = 0;
};

}  // namespace juxmem

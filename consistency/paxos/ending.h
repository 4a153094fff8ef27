// Ending: what is left to do for a stream whose Stop is decided.
#pragma once

#include <cstdint>
#include <vector>

#include "consistency/paxos/acceptor.h"
#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: a stream that has ended votes no more and elects nobody. It teaches the members that lag what was decided, up to the Stop:
//   at once if it coordinated, later whoever asks.
// Thread safety: none.
// Invariants: tells decided entries only; changes nothing in the acceptor.
// Ownership: borrows configuration, quorum system and acceptor.
// Failure: a member that needs entries which are not kept any more is sent what is there, so that it sees that it was left behind.
class Ending {
 public:
  Ending(const StreamConfig& config, const QuorumSystem& quorums, const Acceptor& acceptor);

  // This node knew the end first: it tells the others, and again for a while. `have`: how far each member is known to hold the log
  // under this node's own ballot or as decided; nullopt: not known.
  void announce(TimeNs now, const std::vector<std::optional<Instance>>& have, std::vector<Outgoing>& out);
  void tick(TimeNs now, std::vector<Outgoing>& out);
  TimeNs next_wakeup() const;

  // What another member sent that does not know the end, or says that it does.
  void receive(std::size_t from, const wire::StreamMessage& message, std::vector<Outgoing>& out);

  // Every member has said that it has all entries.
  bool everybody_knows() const;

 private:
  void teach(std::size_t to, Instance from_instance, std::vector<Outgoing>& out) const;
  void acknowledge(std::size_t to, std::vector<Outgoing>& out) const;

  const StreamConfig& config_;
  const QuorumSystem& quorums_;
  const Acceptor& acceptor_;
  const std::size_t self_;
  const Instance stop_;
  std::vector<bool> knows_;                    // by member
  std::vector<std::optional<Instance>> have_;  // by member, when this node announced
  TimeNs again_at_;
  TimeNs announce_until_ = 0;
};

}  // namespace juxmem

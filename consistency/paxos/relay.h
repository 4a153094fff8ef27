// Relay: passes a coordinator's entries on inside its site, and answers for the site.
#pragma once

#include <cstdint>
#include <vector>

#include "consistency/paxos/acceptor.h"
#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: the member of a remote site that got an Accept for others beside it hands them copies, gathers their answers and sends
//   them on as one: at once when they are news of a majority of the site, a moment later (Timing::notice_ms) what else there is.
// Why this is safe: a copy says what the coordinator of its ballot proposed, as a late or repeated Accept would. An acceptor may
//   take such a message from anywhere, and does what it would do with the coordinator's own. A row of SiteAccepted repeats what
//   that member itself has answered, under the ballot it answered under; answers are cumulative and stay true however late they come,
//   so a relay can lose them or hold them back, and nothing more. Leases: a row brings back the `sent_at` of the message that the
//   member answered, and the member counts its grant from later than that, as with direct messages.
// Thread safety: none.
// Invariants: a row holds only what its member answered under ballot_; the own row is the own acceptor's, and is sent only when
//   that is durable; members of other sites are neither served nor told of.
// Ownership: borrows configuration and quorum system.
// Failure: what it forgets or loses, the coordinator sends again itself.
class Relay {
 public:
  Relay(const StreamConfig& config, const QuorumSystem& quorums);

  // An Accept that this node's acceptor has taken in, with the members it is to be passed on to.
  void pass_on(const wire::Accept& message, std::vector<Outgoing>& out);
  // A member's answer to something that was passed on.
  void on_accepted(std::size_t from, const wire::Accepted& message);

  // Sends the answers that are due. Nothing is told under another ballot than the own acceptor has promised.
  void send_due(TimeNs now, const Acceptor& acceptor, std::vector<Outgoing>& out);
  TimeNs next_wakeup() const { return tell_at_; }

 private:
  struct Row {
    Instance up_to = 0;
    Instance decided = 0;
    TimeNs sent_at = 0;
    bool is_news = false;
  };

  void take_in(std::size_t member, Instance up_to, Instance decided, TimeNs sent_at);
  void follow(const Ballot& ballot);
  // What a majority of the site has accepted.
  Instance reached() const;

  const StreamConfig& config_;
  const QuorumSystem& quorums_;
  const std::size_t self_;
  const std::uint64_t site_;
  Ballot ballot_;           // that the rows belong to
  TimeNs own_sent_at_ = 0;  // of the newest message that was passed on; 0 = the own answer was told
  std::vector<Row> rows_;   // by member; only those of the own site are used
  Instance told_ = 0;       // reached() when it was last told
  TimeNs tell_at_;          // when news is told at the latest
};

}  // namespace juxmem

// Election: how a replica becomes the coordinator.
#pragma once

#include <cstdint>
#include <vector>

#include "consistency/paxos/acceptor.h"
#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"
#include "juxmem/base/random.h"

namespace juxmem {

// What the winner knows of a member that promised.
struct PromisedMember {
  bool promised = false;
  Instance decided = 0;
  TimeNs granted = 0;         // the lease that came with the promise counts from here; 0 = none
  TimeNs others_granted = 0;  // not later than this, by our clock, it granted a lease to others
};

struct Elected {
  Ballot ballot;
  Instance first = 0;                // instance of entries[0]
  std::vector<wire::Entry> entries;  // to be proposed again: per instance the one of the highest ballot; ballot 0.0 = a hole
  Instance decided = 0;              // highest that a promise told
  TimeNs others_granted = 0;         // no other coordinator's lease counts from later than this, by our clock
  std::vector<PromisedMember> members;
};

// What for: when to campaign, the pre-vote, and phase 1 with its collection of promises. "Paxos Made Simple", section 2.3.
// Thread safety: none.
// Invariants: a campaign's ballot is higher than any this node has seen; it is won only by a quorum of complete promises.
// Ownership: borrows configuration and quorum system. Failure: a campaign without a quorum in time fails; the next one
//   comes after a random time that grows with the failures, so that two campaigns do not keep starving each other.
class Election {
 public:
  enum class Phase : std::uint8_t { kNone, kAsking, kPreparing };

  Election(const StreamConfig& config, const QuorumSystem& quorums);

  Phase phase() const { return phase_; }
  const Ballot& ballot() const { return ballot_; }  // campaigned for
  // No campaign: when to begin one. Otherwise: when it has failed.
  TimeNs deadline() const { return deadline_; }
  // Time of the next repetition of unanswered questions.
  TimeNs resend_at() const { return resend_at_; }

  // A coordinator was heard, or a promise was given to somebody else: no campaign for a while.
  void stand_back(TimeNs now);
  // The campaign led to nothing.
  void fail(TimeNs now);
  // This node coordinates.
  void end();

  // Phase 0.
  void ask(TimeNs now, const Acceptor& acceptor, std::vector<Outgoing>& out);
  // True if a quorum has agreed.
  bool on_pre_vote_reply(std::size_t from, const wire::PreVoteReply& reply);

  // Phase 1. False if this node itself cannot promise.
  bool prepare(TimeNs now, Acceptor& acceptor, const Ballot& released, std::vector<Outgoing>& out);
  // True if a quorum has promised; then elected() is to be taken.
  bool on_promise(TimeNs now, std::size_t from, wire::Promise& promise, std::vector<Outgoing>& out);
  bool has_quorum() const;
  Elected elected(const Acceptor& acceptor);

  // Somebody has promised this ballot: the next campaign goes above it.
  void saw(const Ballot& ballot);

  void resend(TimeNs now, std::vector<Outgoing>& out);

 private:
  struct Answer {
    bool agreed = false;    // pre-vote
    bool complete = false;  // the whole promise is here
    Instance cursor = 0;    // its entries are here up to this instance
    PromisedMember member;
  };

  void begin(TimeNs now, Phase phase);
  void rearm(TimeNs now);
  void send_question(TimeNs now, std::size_t to, std::vector<Outgoing>& out);
  void merge(Instance instance, const wire::Entry& entry);
  TimeNs began(TimeNs now, TimeNs quiet_ns) const;
  std::uint64_t agreed_set() const;
  std::uint64_t complete_set() const;

  const StreamConfig& config_;
  const QuorumSystem& quorums_;
  const std::size_t self_;
  Random random_;
  Phase phase_ = Phase::kNone;
  Ballot ballot_;
  Ballot released_;
  std::uint64_t round_seen_;
  std::uint32_t failures_ = 0;
  TimeNs deadline_ = 0;
  TimeNs resend_at_ = 0;
  Instance base_ = 0;  // decided here when phase 1 began
  Instance known_decided_ = 0;
  std::vector<wire::Entry> merged_;  // from base_ + 1
  std::vector<Answer> answers_;      // by member
};

}  // namespace juxmem

// Replication: the coordinator's side of phase 2.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "consistency/paxos/acceptor.h"
#include "consistency/paxos/election.h"
#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/routes.h"
#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: puts entries into the log, brings every member to it (batches, pipelined, with a window of bytes per member), counts
//   acknowledgements, keeps the lease, and decides what nobody needs any more. Small entries go at once to the quorum that
//   answered first lately; the other members get them a moment later, many together (the "thrifty" way of Moraru et al.,
//   "There is more consensus in Egalitarian parliaments", SOSP 2013). Entries cross to a remote site once, to its relay, which passes
//   them on (relay.h); if some of a site's members need an entry at once, all of the site get it then.
// Thread safety: none.
// Invariants: counts only acknowledgements of its own ballot, each member once; sends entries only from its own log; a live
//   member never loses an entry it lacks.
// Ownership: borrows configuration, quorum system and acceptor (which is this node's own acknowledgement).
// Failure: what is not acknowledged in time is sent again as soon as the member shows a sign of life.
class Replication {
 public:
  Replication(const StreamConfig& config, const QuorumSystem& quorums, Acceptor& acceptor);

  // Starts under a won ballot: proposes again what the promises told, with Noop in the holes and one at the end. A Stop that
  // some member has accepted is proposed again, and nothing after it.
  void begin(TimeNs now, Elected elected);

  // The Noop (or Stop) that ends begin(): once it is decided, so is all that any earlier coordinator decided.
  Instance first_own() const { return first_own_; }
  Instance last() const { return acceptor_.log().last(); }
  bool overloaded() const;
  // The log ends in a Stop.
  bool is_stopping() const;
  Instance append(wire::EntryKind kind, Buffer command, Buffer data);

  void on_accepted(TimeNs now, std::size_t from, const wire::Accepted& message);
  // What a relay tells of its site: each row counts for its own member, and for no other.
  void on_accepted(TimeNs now, std::size_t from, const wire::SiteAccepted& message);

  // Decides what a quorum has acknowledged.
  void advance();
  // What waits for this member goes with the next send_entries().
  void hurry(std::size_t member) { peers_[member].hurried = true; }
  // Sends entries that members lack and have room for.
  void send_entries(TimeNs now, std::vector<Outgoing>& out);
  // Forgets what everybody has, or what only silent members lack and is too much. While a member that was left behind is there again,
  // what comes now is kept for it as for a silent one: it will lack what comes after the snapshot it fetches. `learners_have`: those who
  // are no members have everything up to there, and want the rest; they count like silent members.
  void truncate(TimeNs now, Instance learners_have);
  // Heartbeats, notices of decisions, repetitions.
  void tick(TimeNs now, std::vector<Outgoing>& out);
  TimeNs next_wakeup() const;

  // Reads and grants are safe before this time.
  TimeNs lease_until(TimeNs now) const;
  // The time from which the lease counts: then a quorum still followed this node; 0 = no lease.
  TimeNs lease_since(TimeNs now) const { return std::min(static_cast<TimeNs>(lease_base_), now); }
  // Another member holds everything.
  bool is_caught_up(std::size_t member) const;
  std::vector<MemberStatus> members(TimeNs now) const;
  // The members, this node among them, that have not said that their storage is full.
  std::uint64_t with_room() const;
  // How far each member is known to hold the log; nullopt: not known.
  std::vector<std::optional<Instance>> held() const;

 private:
  enum class Mode : std::uint8_t {
    kProbe,   // its state is not known, or it does not answer in time: heartbeats only
    kStream,  // entries flow
  };
  struct Batch {
    Instance last = 0;
    std::uint64_t bytes = 0;
    TimeNs due = 0;  // went over a relay, which is given up if it is not acknowledged by then; 0 = went directly
  };
  struct Peer {
    Mode mode = Mode::kProbe;
    bool known = false;    // has told its state under this ballot
    Instance acked = 0;    // holds everything up to here, under this ballot or as decided
    Instance decided = 0;  // knows the decisions up to here; a later ballot may need to send again what lies beyond
    Instance next = 1;     // to be sent
    Instance told = 0;     // the `decided` it was told last
    std::deque<Batch> unacked;
    std::uint64_t unacked_bytes = 0;
    TimeNs heard = 0;
    TimeNs progress = 0;     // last time it took something in, or lacked nothing
    TimeNs resend_at = 0;    // of what is in `unacked`
    TimeNs probe_since = 0;  // answers to earlier messages do not end the probe
    TimeNs granted = 0;      // its lease to us counts from here
    bool full = false;       // has said that its storage is
    bool spare = false;      // the quorum can do without it: small entries wait for it
    bool hurried = false;    // though spare, it needs them now
    TimeNs wait_ends = 0;    // of what waits; 0 = nothing does
    Instance wait_last = 0;  // last() when the wait began
    std::uint64_t waiting_bytes = 0;
  };

  bool is_left_behind(const Peer& peer) const;
  bool is_heard(TimeNs now, const Peer& peer) const;
  bool is_live(TimeNs now, const Peer& peer) const;
  // What a member has answered, on whatever way.
  void take_in(TimeNs now, std::size_t member, const wire::Accepted& message);
  // True if the member has taken something in.
  bool acknowledge(TimeNs now, Peer& peer, Instance up_to);
  // Whether a member's entries may wait: the first call begins the wait.
  bool can_wait(TimeNs now, Peer& peer);
  // The members that have acknowledged the newest decision shall do, as few of them as a quorum needs.
  void choose_quorum();
  // Everybody gets everything at once, until the quickest quorum is known.
  void need_everybody();
  void renew_lease();
  void decide(Instance instance);
  // Whether entries can be sent to it now.
  bool is_ready(std::size_t member) const;
  // What the member lacks, directly.
  void send_directly(TimeNs now, std::size_t to, std::vector<Outgoing>& out);
  // What this site's members lack in common, over its relay. Takes those off `due` that got something.
  void send_over_relay(TimeNs now, std::size_t site, std::uint64_t& due, std::vector<Outgoing>& out);
  // One Accept to `to`, which passes it on to those of the set `others`; all of them lack the same.
  void send_batch(TimeNs now, std::size_t to, std::uint64_t others, TimeNs due, std::vector<Outgoing>& out);
  void sent_all(TimeNs now, Peer& peer);
  // Bypasses relays that are late.
  void check_relays(TimeNs now, std::vector<Outgoing>& out);
  void bypass(TimeNs now, std::size_t site, std::vector<Outgoing>& out);
  void send_heartbeat(std::size_t to, TimeNs sent_at, std::vector<Outgoing>& out);
  void probe(TimeNs now, std::size_t to, std::vector<Outgoing>& out);

  const StreamConfig& config_;
  const QuorumSystem& quorums_;
  const std::size_t self_;
  Acceptor& acceptor_;
  const TimeNs lease_ns_;  // shortened by what clocks may differ
  Ballot ballot_;
  Instance first_own_ = 0;
  std::uint64_t undecided_bytes_ = 0;
  std::uint64_t lease_base_ = 0;  // a quorum's grants count from here
  TimeNs beat_at_ = 0;
  TimeNs notice_at_ = 0;     // kNever: nobody waits for a notice
  bool has_chosen_ = false;  // some members are spare, or none can be
  Routes routes_;
  std::vector<Peer> peers_;  // by member; this node's own is not used
  std::vector<std::uint64_t> scratch_;
};

}  // namespace juxmem

// The parts of a Stream and how they work together. Only stream.cc and stream_receive.cc include this.
#pragma once

#include <deque>
#include <limits>
#include <optional>

#include "consistency/paxos/acceptor.h"
#include "consistency/paxos/digest_check.h"
#include "consistency/paxos/election.h"
#include "consistency/paxos/ending.h"
#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/readers.h"
#include "consistency/paxos/relay.h"
#include "consistency/paxos/replication.h"
#include "consistency/paxos/stream.h"
#include "consistency/paxos/writers.h"

namespace juxmem {

// What for: keeps the role (follower, candidate, coordinator) and routes inputs to the part concerned.
// Thread safety: none. Invariants: a coordinator's acceptor has promised the coordinator's own ballot; all that was handed out is
//   decided, in order. Ownership: owns all parts; does not move. Failure: as Stream.
struct Stream::Parts {
  explicit Parts(StreamConfig stream_config);
  Parts(StreamConfig stream_config, HardState recovered);
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  // An answer to one node's messages of this turn; one is enough, acknowledgements are cumulative.
  struct DueAnswer {
    NodeId to = 0;
    Ballot ballot;
    TimeNs sent_at = 0;
  };
  struct Handover {
    std::size_t to = 0;
    TimeNs deadline = 0;
  };

  // Given to be kept, and not known to be stable.
  struct Unstable {
    std::uint64_t mark = 0;
    Ballot promised;
    Instance matched = 0;
    TimeNs since = 0;
  };

  const StreamConfig config;
  const QuorumSystem quorums;
  Acceptor acceptor;
  Election election;
  Replication replication;
  Relay relay;
  Readers readers;
  Writers writers;
  DigestCheck digests;
  std::optional<Ending> ending;  // once the Stop was handed out
  StreamOutput out;

  TimeNs now = 0;
  bool started = false;
  StreamRole role = StreamRole::kFollower;
  NodeId coordinator = 0;
  TimeNs contact = 0;          // a coordinator was heard, or a promise given
  Instance promise_taken = 0;  // how far the last promise's pieces have arrived at the candidate
  TimeNs coordinator_since = 0;
  TimeNs borrowed_before = 0;
  Instance keep_from = 0;  // told by the coordinator
  Instance learners_have = std::numeric_limits<Instance>::max();
  Instance handed_out = 0;
  bool awaits_snapshot = false;  // hands nothing out and does not lead
  Instance applied = 0;
  TimeNs applied_moved = 0;            // `applied` grew, or had caught up
  std::vector<DueAnswer> due_answers;  // to the coordinator, and to the relay that passes its entries on
  std::optional<Handover> handover;
  bool is_recovered = false;
  std::uint64_t marks = 0;
  std::deque<Unstable> unstable;
  StorageHealth storage;
  TimeNs leave_at = 0;  // bad storage: the role is not handed on before

  // Time goes on; the first input starts the elections.
  void advance_to(TimeNs time);
  void tick_coordinator();
  void tick_elections();
  TimeNs next_wakeup() const;

  void become(StreamRole new_role, NodeId new_coordinator);
  void step_down();
  void campaign(const Ballot& released);
  void coordinate();
  void follow(const Ballot& ballot);

  bool is_stalled() const;
  bool is_late() const;
  bool may_lead() const { return !is_stalled() && !is_late() && !awaits_snapshot; }
  bool has_lease() const;
  bool serves() const;
  TimeNs lease_lost_at() const;

  void hand_out();
  void end_at(const DecidedEntry& stop);
  void begin_handover(std::size_t to);
  void follow_writers();
  void leave_bad_storage();
  void continue_handover();
  void place_reads();
  void give_to_keep();

  void answer(NodeId to, const Ballot& ballot, TimeNs sent_at);
  void send_answers();
  void send(NodeId to, wire::StreamMessage message, Durable first);
  void refuse(NodeId to, const Ballot& ballot);

  void on(NodeId from, wire::PreVote& message);
  void on(NodeId from, wire::PreVoteReply& message);
  void on(NodeId from, wire::Prepare& message);
  void on(NodeId from, wire::Promise& message);
  void on(NodeId from, wire::Accept& message);
  void on(NodeId from, wire::Accepted& message);
  void on(NodeId from, wire::SiteAccepted& message);
  void on(NodeId from, wire::Heartbeat& message);
  void on(NodeId from, wire::Nack& message);
  void on(NodeId from, wire::Transfer& message);
  void on(NodeId from, wire::ReadIndex& message);
  void on(NodeId from, wire::ReadIndexReply& message);
  void on(NodeId from, wire::Ended& message);
};

}  // namespace juxmem

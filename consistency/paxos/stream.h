// Stream: one replica of a Multi-Paxos log, without any I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stop_sign.h"
#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// Sizes that bound what a stream holds. An entry counts its bytes plus a fixed overhead.
struct StreamLimits {
  std::uint64_t undecided_bytes = 32U << 20;  // proposed and not decided; beyond: kOverloaded
  std::uint64_t kept_bytes = 64U << 20;       // decided entries kept for members that lack them
  std::uint64_t window_bytes = 8U << 20;      // sent to one member and not acknowledged
  std::uint64_t batch_bytes = 1U << 20;       // of one Accept or Promise (at least one entry)
  std::uint32_t batch_entries = 4096;         // of one Accept or Promise
  std::uint32_t reads_waiting = 65536;        // reads not answered yet; beyond: kOverloaded
};

struct StreamConfig {
  StreamId stream;
  NodeId self = 0;                    // must be a member
  std::vector<StreamMember> members;  // at most 64; the same at every member
  Instance base = 0;                  // the log begins after it; the state it is applied to contains everything up to there
  std::uint64_t round_floor = 0;  // the rounds of this epoch's ballots are higher, so that grants keep growing over epochs
  NodeId preferred = 0;           // begins its election at the first tick; 0 = nobody in particular
  Durability durability = Durability::kMemory;  // kDisk: what StreamOutput::persist says is to be kept
  Timing timing;
  StreamLimits limits;
  std::uint64_t seed = 1;  // of the election times
};

// What must be on stable storage before a message may leave, in groups that are kept on disk. Groups in memory send at once.
enum class Durable : std::uint8_t {
  kNothing,  // the message tells nothing of the acceptor's state
  kState,    // the promise and the entries that this stream took in until now
};

struct Outgoing {
  NodeId to = 0;
  wire::StreamMessage message;
  Durable first = Durable::kNothing;
};

struct DecidedEntry {
  Instance instance = 0;
  wire::Entry entry;  // shares its bytes with the log
};

// What this acceptor has promised and accepted since the last output; only in groups that are kept on disk. To be appended to the
// node's log in this order; once it is stable, the stream hears persisted(mark).
struct Persist {
  std::uint64_t mark = 0;  // growing; 0 = nothing to keep
  std::optional<Ballot> promised;
  std::vector<DecidedEntry>
      entries;           // accepted, in the order in which they replaced each other; what lies behind a Stop is void
  Instance decided = 0;  // everything up to here is decided, and was told here or before
};

// What a log gave back of an acceptor after a restart.
struct HardState {
  Ballot promised;
  Instance base = 0;                 // entries[0] is at base + 1; not beyond `applied`
  std::vector<wire::Entry> entries;  // ballot 0.0 = a hole
  Instance decided = 0;              // of these there are no holes up to here
  Instance applied = 0;              // the caller's state; not beyond `decided`
};

// The read may be answered from a state to which all entries up to `instance` were applied. They are in the
// `decided` of this or an earlier output.
struct AnsweredRead {
  std::uint64_t tag = 0;
  Instance instance = 0;
};

enum class StreamRole : std::uint8_t { kFollower, kCandidate, kCoordinator };
const char* to_string(StreamRole role);

struct RoleChange {
  StreamRole role = StreamRole::kFollower;
  Ballot ballot;           // the coordinator's; what it is campaigning for at a candidate
  NodeId coordinator = 0;  // 0 = not known
  Instance first_own = 0;  // at a coordinator: once this is applied, it has seen all that was acknowledged before
};

// A replica's state is not what the coordinator's was at the same place. It must stop serving.
struct DigestMismatch {
  Instance instance = 0;
  std::uint64_t logged = 0;
  std::uint64_t own = 0;
};

// The stream's epoch is over; the Stop is the last in `decided` of this output. The next epoch's stream goes on after it, over the state
// to which it was applied.
struct StreamEnd {
  Instance stop = 0;
  StopSign next;
  std::vector<std::uint64_t> reads;  // tags that get no answer any more: to be asked again in the next epoch
};
// What a member of the next epoch starts it with; `config` is the ended epoch's. Self and seed are the caller's to set.
StreamConfig next_config(const StreamConfig& config, Instance stop, const StopSign& next);

struct StreamOutput {
  std::vector<Outgoing> messages;
  std::vector<DecidedEntry> decided;  // in order, without gaps, each instance once in the stream's life
  std::vector<AnsweredRead> reads;
  std::vector<RoleChange> roles;
  std::optional<DigestMismatch> mismatch;
  std::optional<StreamEnd> end;  // once in the stream's life
  Persist persist;               // before the messages: those of Durable::kState leave once this, too, is stable

  bool empty() const {
    return messages.empty() && decided.empty() && reads.empty() && roles.empty() && !mismatch && !end && persist.mark == 0;
  }
};

// How the storage of this node does, whatever stream keeps it busy.
struct StorageHealth {
  bool is_late = false;  // what waits has been waiting for Timing::disk_late_ms
  bool is_full = false;  // soon there is no room for further entries
  bool operator==(const StorageHealth&) const = default;
};

struct MemberStatus {
  NodeId node = 0;
  bool live = false;         // answered lately, and takes in what it lacks
  bool in_time = false;      // its last answer came soon: its part of the lease holds
  bool full = false;         // its storage is
  bool left_behind = false;  // lacks entries that nobody keeps any more
  bool relays = false;       // passes entries on to the others of its site
  Instance up_to = 0;        // acknowledged
  std::uint64_t lag = 0;     // entries it has not acknowledged
};

struct StreamStatus {
  StreamRole role = StreamRole::kFollower;
  NodeId coordinator = 0;    // 0 = not known
  Ballot ballot;             // highest promised
  TimeNs lease_until = 0;    // coordinator: reads and grants are safe before this; 0 = no lease
  bool serving = false;      // coordinator whose first own entry is decided
  bool left_behind = false;  // this replica lacks entries that the coordinator does not keep any more
  bool awaits_snapshot = false;
  Instance keep_from = 0;     // the coordinator has no entries before this
  TimeNs unstable_since = 0;  // of the oldest persist that is not stable; 0 = all is
  bool ended = false;         // the Stop was handed out
  bool end_is_known = false;  // ended, and every member has said so, too
  Instance decided = 0;
  Instance applied = 0;
  Instance log_first = 0;  // first instance kept
  Instance log_last = 0;
  std::uint64_t log_bytes = 0;
  SiteId writers_site = 0;            // coordinator: most of the last proposals came from there; 0 = none came
  std::uint32_t writers_percent = 0;  // as many of them
  std::vector<MemberStatus> members;  // coordinator only
};

// What for: a log of entries, decided in order by a fixed set of acceptors: Multi-Paxos with a stable coordinator,
//   hierarchical quorums, leases and read-index (DESIGN section 4, PROTOCOLS section 1). Lamport, "Paxos Made
//   Simple", 2001; pre-vote and check-quorum after Ongaro's dissertation, 2014, sections 6.2, 6.4 and 9.6.
// Thread safety: none; one event loop calls it. No clock, randomness or I/O inside: `now` is the node's monotonic
//   clock in nanoseconds and never runs backwards.
// Invariants: S1 to S6 of DESIGN section 4, as far as one replica can see them; the others are checked in stream_invariants.h.
// Ownership: keeps entries by shared Buffers; what is handed out stays valid on its own.
// Failure: messages may be lost, repeated, delayed and reordered; nothing blocks. A broken invariant aborts.
//
// Every input may make output: call take() after the inputs of one turn and carry all of it out, in this order:
// persist, messages (Durable first), decided, reads, roles, end. Proposals made between two take() calls travel in one batch.
class Stream {
 public:
  explicit Stream(StreamConfig config);
  // The same member again, after a restart: what it has promised, accepted and granted binds it.
  Stream(StreamConfig config, HardState recovered);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // Time has passed. To be called when next_wakeup() says so; more often is harmless.
  void tick(TimeNs now);

  // A message of another member. Those of other streams or strangers are ignored.
  void receive(TimeNs now, NodeId from, wire::StreamMessage message);

  // Puts an entry of kind kCommand into the log; its ballot is set here. `writer`: the site it comes from, which the role may follow
  // (Timing::follow_ms); 0 = not known. The instance is where it will be decided if this
  // coordinator stays; what is really decided comes by take(). Errors: kNotCoordinator; kOverloaded (too much undecided, a
  // live member too far behind, or the role is being handed over): try again after decisions; kStopping: the epoch is ending, the
  // entry belongs into the next one.
  Result<Instance> propose(TimeNs now, wire::Entry entry, SiteId writer = 0);

  // Ends this epoch: nothing is proposed after the Stop, and once it is decided take() tells the end. `members`: of the next
  // epoch, the preferred coordinator first. A coordinator that takes over finishes the change if it finds the Stop accepted; if not,
  // the change is undone, and somebody may propose it again. Errors: kNotCoordinator, kOverloaded, kStopping as above; kInvalid: members
  // that no stream can have.
  Result<Instance> propose_stop(TimeNs now, std::vector<StreamMember> members);

  // Asks for a linearizable read; take() answers it under `tag`, which is the caller's. Waits while no coordinator can
  // answer: the caller has its own time limit. Errors: kOverloaded; kStopping: the stream has ended.
  Status request_read(TimeNs now, std::uint64_t tag);

  // Hands the coordinator's role to a member: no further proposals until it has caught up (limit: Timing::transfer_ms, then the
  // role stays here), then this node gives up role and lease. Errors: kNotCoordinator, kInvalid (not another member).
  Status transfer(TimeNs now, NodeId to);

  // This coordinator lends somebody something for a time, an agent its session: from when that time is to count. Then a quorum
  // followed this node, so that the next coordinator knows the latest such time (borrowed_before) from a quorum's promises, however long
  // its election took. To be asked also when a lease is given that counts from earlier.
  TimeNs lend(TimeNs now);
  // While this node coordinates: nothing that former coordinators lent counts from later than this, by this node's clock.
  TimeNs borrowed_before() const;

  // The member is about to need the entries decided so far: they do not wait (Timing::thrift_ms). Nothing at others than coordinators.
  void hurry(NodeId member);

  // Nodes that are no members follow this log, and have it up to `have` (the highest number: nobody does). While this node coordinates,
  // what comes after is kept for them like for silent members: within StreamLimits::kept_bytes.
  void keep_for_learners(Instance have);

  // Evidence from elsewhere (a grant) that everything up to `instance` was decided when `ballot` coordinated.
  void learn_decided(TimeNs now, const Ballot& ballot, Instance instance);

  // The caller has applied all that was handed out up to `instance`.
  void applied(TimeNs now, Instance instance);

  // What take() gave to keep under this mark and before is on stable storage: it counts as this member's vote. Until then the coordinator
  // waits for others; one whose storage does not move for Timing::stall_ms gives its role up.
  void persisted(TimeNs now, std::uint64_t mark);

  // The node's storage does so from now on. A coordinator whose storage is late or full hands its role to a member that answers in time
  // and has room; one whose storage is late does not campaign.
  void storage(TimeNs now, StorageHealth health);
  // At the coordinator: the members that have room for further entries are no quorum.
  bool lacks_room() const;

  // ---- a member that was left behind ----

  // The caller's state is being replaced: from now on nothing is handed out, and this member leads nothing. It goes on voting: what
  // it has promised and accepted is not touched.
  void await_snapshot(TimeNs now);
  // The caller's state is now the one after `at`, and entries are handed out from there. Error: kStale if it is older than what was
  // handed out, or if entries behind it are decided and not kept here: a newer snapshot is needed.
  Status install_snapshot(TimeNs now, Instance at);

  // The digest of the state right after applying `instance`; due at every multiple of Timing::digest_every.
  void report_digest(TimeNs now, Instance instance, std::uint64_t digest);

  StreamOutput take();

  // When tick() is to be called at the latest.
  TimeNs next_wakeup(TimeNs now) const;

  NodeId coordinator() const;  // as far as known; 0 = nobody
  bool is_coordinator() const;
  // It lacks entries that the coordinator does not keep any more.
  bool is_left_behind() const;
  // What it has promised and accepted counts once it is stable.
  bool is_kept_on_disk() const;
  // The Stop was handed out: this object answers members that lag, and does nothing else.
  bool has_ended() const;
  // Coordinates, its first own entry is decided, and its lease holds at `now`.
  bool serves(TimeNs now) const;
  Ballot ballot() const;  // highest promised
  Instance decided() const;
  StreamStatus status(TimeNs now) const;

  // For observers: what this acceptor holds at `instance`; nullptr if nothing (any more).
  const wire::Entry* entry_at(Instance instance) const;
  Instance last() const;  // last instance held

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace juxmem

// A replica: one provider's part in one group.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consistency/coherence/directory.h"
#include "consistency/paxos/stream.h"
#include "consistency/sessions/session_leases.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/agent_host.h"
#include "juxmem/provider/checkpointer.h"
#include "juxmem/provider/group_recovery.h"
#include "juxmem/provider/replica_log.h"
#include "juxmem/provider/replica_proposals.h"
#include "juxmem/provider/replica_waits.h"
#include "juxmem/provider/snapshot_fetch.h"
#include "juxmem/provider/snapshot_server.h"
#include "juxmem/provider/state_machine.h"
#include "juxmem/wire/message.h"

namespace juxmem {

class BlockMachine;
class CatalogMachine;

struct ReplicaStats {
  std::uint64_t proposed = 0;          // commands put into the log by this replica as coordinator
  std::uint64_t repeated = 0;          // answered or waited for without a new entry
  std::uint64_t refused = 0;           // requests that made no sense
  std::uint64_t redirected = 0;        // not the coordinator
  std::uint64_t sessions_expired = 0;  // whose expiry this replica proposed
  std::uint64_t snapshots_installed = 0;
  std::uint64_t changes_installed = 0;  // of them: those that brought only what had changed
  std::uint64_t snapshots_refused = 0;  // whose pieces did not make a state
};

// What a replica needs of the provider it lives in.
// Thread safety: the provider's event loop only. Ownership: outlives the replica.
class ReplicaHost {
 public:
  virtual ~ReplicaHost() = default;
  virtual NodeId self() const = 0;
  virtual TimeNs now() const = 0;
  virtual void send(NodeId to, wire::Message message) = 0;
  // 0 = not known.
  virtual SiteId site_of(NodeId /*node*/) const { return 0; }
  // Entries were applied, or another coordinator is followed. Must not call the replica.
  virtual void on_replica_changed(GroupId group) = 0;
  // Something people should know.
  virtual void on_replica_trouble(GroupId group, const std::string& what) = 0;
};

// Makes an empty state of the group's kind.
using MachineMaker = std::function<std::unique_ptr<StateMachine>()>;

// One group's log, state and, while it coordinates, directory and sessions.
// Thread safety: none; the provider's event loop.
// Invariants: R1 a request is put into the log at most once per time of coordinatorship. R2 ownership is granted, sessions are
//   renewed and facts are told only while the coordinator's lease holds and an entry of its own ballot has been applied. R3 an
//   answer never precedes the entries it depends on. R4 a replica that was left behind answers nothing from its state until it has
//   another member's. R5 it votes in one epoch at a time, and not before it has the state that
//   the epoch began with, on disk where the group is kept there; in epochs that have ended it only teaches.
// Ownership: owns stream, state machine and directory; borrows the host, which outlives it.
// Failure: what it cannot serve is answered by Redirect or an error's code; requests that make no sense are dropped and counted. When its
//   state is not that of the others, it takes no further part.
class Replica : public LocalReplica {
 public:
  Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine);
  // With the state that the epoch begins with: everything up to config.base is applied to it. With a log it takes part once the state is
  // in a checkpoint: what a member of an epoch has promised must include what was decided before.
  Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine, std::unique_ptr<StateMachine> state,
          std::unique_ptr<ReplicaLog> log = {});
  // `log`: where the group is kept on disk; its stream is opened there. In a later epoch than the first it lacks the state, gets it from
  // another member, and takes part only then.
  Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine, std::unique_ptr<ReplicaLog> log);
  // The same member again, after a restart. `config`: what the group has decided is taken from `restored`. `last`: its checkpoint.
  Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine, std::unique_ptr<ReplicaLog> log,
          RestoredGroup restored, std::optional<CheckpointId> last);
  ~Replica() override;
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  void on_stream(NodeId from, wire::StreamMessage message);
  // Propose, Outcome, RenewSession, RequestOwnership, Yield, HoldingsReply, ReadPages, ReadBlock, WatchBlock, ReadNames,
  // ReadCatalogVersion, ReadSnapshot, SnapshotReply, ReadLog.
  void on_request(NodeId from, wire::GroupMessage message);
  // The group that serves a message of this kind; nullopt for all other kinds.
  static std::optional<GroupId> group_served_by(const wire::GroupMessage& message);

  // Runs what time has come for.
  void tick();
  // Carries out what the stream and the directory have decided; to be called after every batch of messages.
  void advance();
  // When tick() is to be called at the latest.
  TimeNs next_tick() const;

  // Puts a command of this provider itself, which is idempotent, into the log; `done` hears its reply unless the role
  // is lost before. False if this replica does not coordinate or has no room.
  bool propose_own(const wire::Command& command, std::function<void(const wire::Reply&)> done = {});
  // The node's log is stable up to here; it has room again.
  void on_log_durable(Lsn up_to);
  void on_log_room();
  // The node's disk does so from now on.
  void on_storage(StorageHealth health);
  bool is_kept_on_disk() const { return log_ != nullptr; }
  // A restart would find the state that the epoch began with.
  bool is_state_stable() const { return !lacks_state() && (!log_ || !log_->awaits_state()); }
  std::optional<CheckpointId> last_checkpoint() const { return checkpointer_ ? checkpointer_->last() : std::nullopt; }
  // Everybody can learn of this epoch from the catalog.
  void forget_former_end();

  // Hands the coordinator's role to the member that is closest behind, if it holds it.
  void hand_over();

  // Ends the epoch; these are the members of the next one. This node comes first among them if it stays, so that it leads on without
  // an election. Errors: kNotCoordinator (or not yet leading), those of Stream::propose_stop().
  Status change_members(std::vector<StreamMember> members);
  // Whether this node follows the log and lacks only a moment of it.
  bool learner_is_close(NodeId node) const;
  // Everybody can know by other means that this epoch has begun: who has not seen the end of the one before need not be taught it.
  void forget_former_epoch() { former_may_go_ = true; }
  // All that this epoch has decided is here, and no end of it was accepted: what that member may have voted and forgotten does no harm.
  bool knows_all_without(NodeId member) const;
  std::uint32_t epoch() const { return config_.stream.epoch; }
  const std::vector<StreamMember>& members() const { return config_.members; }  // of this epoch
  // The group goes on without this replica, from the epoch `next_epoch()`: all it still does is teach former members that lag.
  bool is_retired() const { return retired_to_.has_value(); }
  std::uint32_t next_epoch() const { return retired_to_ ? retired_to_->next_epoch : epoch(); }

  NodeId coordinator() const override { return stream_.coordinator(); }
  Instance applied() const override { return machine_->applied(); }
  void learn_decided(const Ballot& ballot, Instance instance) override;
  wire::PagesReply read_pages(const wire::ReadPages& request) override;
  std::uint64_t quota_bytes() const override;

  GroupId group() const { return config_.stream.group; }
  // Coordinates, has applied an entry of its own ballot, and its lease holds.
  bool leads() const;
  bool is_broken() const { return is_broken_; }
  // Was left behind, and gets the state from another member.
  bool is_catching_up() const { return fetch_.is_active(); }
  // The place of the last snapshot that became the state here; nullopt: none did.
  std::optional<Instance> installed_at() const { return installed_at_; }
  // The group has no other member.
  bool is_alone() const { return config_.members.size() == 1; }
  wire::GroupStatus status() const;
  const ReplicaStats& stats() const { return stats_; }

  StreamStatus stream_status() const { return stream_.status(host_.now()); }

  // For observers.
  const Stream& stream() const { return stream_; }
  Instance base() const { return config_.base; }
  // Of the epoch before, until every member of it knows its end and new ones need not learn it; else nullptr.
  const Stream* former_stream() const { return former_ ? &*former_ : nullptr; }
  const StateMachine& machine() const { return *machine_; }
  const BlockMachine* blocks() const { return blocks_; }      // nullptr at the root
  const CatalogMachine* catalog() const { return catalog_; }  // nullptr elsewhere
  const Directory* directory() const { return directory_ ? &*directory_ : nullptr; }

 private:
  using Deferred = std::pair<NodeId, wire::GroupMessage>;

  // Requests, one function per kind.
  void serve(NodeId from, wire::Propose& request);
  void serve(NodeId from, const wire::Outcome& request);
  void serve(NodeId from, const wire::RenewSession& request);
  void serve(NodeId from, const wire::RequestOwnership& request);
  void serve(NodeId from, const wire::Yield& request);
  void serve(NodeId from, const wire::HoldingsReply& request);
  void serve(NodeId from, const wire::ReadPages& request);
  void serve(NodeId from, const wire::ReadBlock& request);
  void serve(NodeId from, const wire::WatchBlock& request);
  void serve(NodeId from, const wire::ReadNames& request);
  void serve(NodeId from, const wire::ReadSnapshot& request);
  void serve(NodeId from, wire::SnapshotReply& reply);
  void serve(NodeId from, const wire::ReadLog& request);
  void serve(NodeId from, const wire::ReadCatalogVersion& request);

  bool may_serve_soon() const;
  bool lead_or_redirect(NodeId to, std::uint64_t tag);
  void redirect(NodeId to, std::uint64_t tag);
  void answer(NodeId to, std::uint64_t tag, Instance instance, wire::Reply reply, const Ballot& ballot = {});
  bool answer_without_entry(NodeId from, std::uint64_t tag, const OpId& op);
  bool answer_outcome(NodeId from, const wire::Outcome& request);
  bool is_session_of(NodeId from, SessionId session) const;

  // The coordinator's log.
  SiteId site_of(NodeId agent) const;
  void put(Proposal proposal);
  void put_waiting();
  void expire(SessionId session);

  // Carrying out.
  bool carry_out_stream();
  bool carry_out_directory();
  void carry_out(DirectoryMessage message);
  void apply(const DecidedEntry& decided);
  void tell_applied(const Applied& applied);
  void tell_waiting(const Applied& applied);
  void on_role(const RoleChange& change);
  void lead_if_caught_up();
  void stop_leading();
  void serve_deferred();
  void break_off(const DigestMismatch& mismatch);

  // A member that was left behind, or began with nothing (replica_snapshots.cc).
  bool lacks_state() const { return config_.base == 0 && config_.stream.epoch > 1 && !installed_at_ && !was_restored_; }
  void use(std::unique_ptr<StateMachine> machine);
  void look_if_left_behind();
  bool begin_state(const SnapshotFetch::Piece& first);
  void take_in(const SnapshotFetch::Piece& piece);
  void refuse_snapshot(const Error& why);
  void install(const SnapshotFetch::Piece& last);

  // What is kept on disk (replica_disk.cc).
  void begin_log(std::unique_ptr<ReplicaLog> log);
  void reopen_log();
  void consider_checkpoint();
  bool lacks_room_for(const wire::Command& command) const;
  void refuse_for_lack_of_room(NodeId from, std::uint64_t tag);

  // Epochs (replica_epochs.cc).
  void enter_next_epoch(const StreamEnd& end);
  bool carry_out_former();
  void meet_new_members();
  NodeId known_coordinator() const;

  // Nodes that are to be members of the next epoch (replica_learners.cc).
  struct FollowingLearner {
    Instance after = 0;
    bool has_state = false;  // up to there
    TimeNs heard = 0;
  };
  const Stream* stream_of(std::uint32_t of_epoch) const;
  void keep_for_learners();

  ReplicaHost& host_;
  StreamConfig config_;
  std::unique_ptr<ReplicaLog> log_;  // nullptr: kept in memory only
  StorageHealth storage_;
  Stream stream_;
  const MachineMaker make_machine_;
  std::optional<Stream> former_;  // of the epoch before: teaches
  bool former_may_go_ = false;    // once its members know its end
  std::map<NodeId, FollowingLearner> learners_;
  NodeId leads_next_ = 0;                                      // first in the epoch that begins; 0: it has begun
  std::optional<StopSign> retired_to_;                         // the epoch after stream_'s, of which this node is no member
  std::vector<std::pair<NodeId, wire::StreamMessage>> early_;  // of the next epoch, which this replica has not entered yet
  std::unique_ptr<StateMachine> machine_;
  std::unique_ptr<StateMachine> fresh_;  // being made of another member's snapshot
  std::optional<Checkpointer> checkpointer_;
  std::set<std::uint32_t> former_epochs_;  // whose ends are still in the log
  BlockMachine* blocks_ = nullptr;         // the machine, as what it is
  CatalogMachine* catalog_ = nullptr;

  // While it coordinates.
  bool coordinates_ = false;
  Instance first_own_ = 0;      // once applied, it leads
  bool has_caught_up_ = false;  // has applied first_own_ in this time of coordinatorship
  Proposals proposals_;
  SessionLeases leases_;
  std::optional<Directory> directory_;  // from has_caught_up_ on; not at the root
  std::map<SessionId, NodeId> agents_;  // of live sessions, from has_caught_up_ on
  Waits<wire::WatchBlock> watches_;     // subject: the block
  Waits<wire::Outcome> outcomes_;       // subject: the session

  std::vector<Deferred> deferred_;     // came shortly before this replica could serve them
  Waits<wire::ReadPages> page_waits_;  // subject: the instance
  SnapshotServer snapshots_;
  SnapshotFetch fetch_;
  std::optional<Instance> installed_at_;
  NodeId told_coordinator_ = 0;
  bool was_restored_ = false;  // goes on from a data folder, with the state
  bool is_broken_ = false;
  ReplicaStats stats_;
};

}  // namespace juxmem

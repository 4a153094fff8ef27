// The inside of a provider: its parts, and the event loop's calls spread over them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "groups/catalog_view.h"
#include "groups/membership/bootstrap.h"
#include "groups/membership/former_grid.h"
#include "juxmem/provider/agent.h"
#include "juxmem/provider/contact_file.h"
#include "juxmem/provider/group_moves.h"
#include "juxmem/provider/journal.h"
#include "juxmem/provider/learner.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/provider/provider.h"
#include "juxmem/provider/provider_membership.h"
#include "juxmem/provider/replica.h"
#include "juxmem/provider/root_duties.h"
#include "juxmem/provider/status_duties.h"
#include "juxmem/storage/page_arena.h"

namespace juxmem {

// What for: owns the parts of a provider and passes what happens from one to the other.
// Thread safety: none; the provider's event loop.
// Invariants: P1 parts never call each other, they only send: to others, or to themselves by way of the outbox. P2 replicas are
//   made for groups whose catalog row names this life in its present epoch, or of a learner that has seen the Stop that names it, and go only
//   when that epoch is over, so nobody votes twice in one epoch with different memories.
// Ownership: owns everything; borrows the environment.
// Failure: see Provider.
class ProviderCore final : public AgentHost, public ReplicaHost, private JournalListener {
 public:
  ProviderCore(Env& env, ProviderOptions options);
  ~ProviderCore() override;

  void start();
  void stop();
  bool stopped() const;
  bool ready() const { return agent_ != nullptr && !failure_; }
  std::string waiting_for() const;
  const std::optional<Error>& failure() const { return failure_; }

  void on_packet(PeerId from, wire::Packet packet);
  void on_timer();
  void end_turn();

  const CatalogView& catalog() const override { return catalog_; }
  std::vector<GroupId> groups() const;
  const Replica* find_replica(GroupId group) const;
  const Learner* find_learner(GroupId group) const;
  const Agent* agent() const { return agent_.get(); }
  ProviderStats stats() const;

  // AgentHost and ReplicaHost.
  NodeId self() const override { return self_; }
  SiteId site() const override;
  SiteId site_of(NodeId node) const override { return catalog_.site_of(node); }
  std::uint64_t incarnation() const override { return options_.incarnation; }
  TimeNs now() const override { return env_.clock().now(); }
  std::uint64_t random() override { return env_.random(); }
  std::vector<NodeId> managers() const override;
  void send(NodeId to, wire::Message message) override { outbox_.to_node(to, std::move(message)); }
  void reply(PeerId to, wire::Message message) override { outbox_.to_peer(to, std::move(message)); }
  std::string user_of(PeerId peer) const override { return env_.network().user_of(peer); }
  LocalReplica* replica(GroupId group) override;
  void on_replica_changed(GroupId group) override { changed_.insert(group); }
  void on_replica_trouble(GroupId group, const std::string& what) override;

 private:
  // Who sent a message: a node in one of its lives (0: none), over a connection (0: this provider itself).
  struct Sender {
    PeerId peer = 0;
    NodeId node = 0;
    std::uint64_t incarnation = 0;
  };
  struct Hosted {
    std::unique_ptr<Replica> replica;
    TimeNs tick_at = 0;
  };

  bool is_meant_for_us(const wire::Packet& packet) const;
  bool is_who_it_says(const wire::Packet& packet) const;

  void receive(const Sender& from, wire::Message message);
  void receive_stream(const Sender& from, wire::StreamMessage message);
  void receive_group(const Sender& from, wire::GroupMessage message);
  void receive_client(const Sender& from, wire::ClientMessage message);
  bool receive_as_learner(const Sender& from, wire::GroupMessage& message);
  // Messages that concern the provider itself; false for all others.
  bool receive_own(const Sender& from, const wire::GroupMessage& message);
  void on_redirect(const Sender& from, const wire::Redirect& redirect);
  void on_hello(const Sender& from, const wire::ManagerHello& hello);
  void on_snapshot(wire::CatalogSnapshot snapshot);
  void on_join(const Sender& from, const wire::Join& request);
  void on_watch(const Sender& from, const wire::WatchCatalog& request);
  wire::ManagerList manager_list() const;
  void on_status_request(const Sender& from, const wire::StatusRequest& request);
  void refuse() { ++stats_.refused; }

  // The data folder (provider_disk.cc).
  void on_journal_known() override;
  void on_journal_open() override;
  void on_journal_durable(Lsn up_to) override;
  void on_journal_room() override;
  void on_journal_dead(const Error& error) override;
  std::unique_ptr<StateMachine> empty_state(GroupId group, const RecoveredGroup& found);
  void recover_groups();
  void recovered(GroupId group, Result<RestoredGroup> result);
  void all_recovered();
  bool begin_journal();
  void joined_with_journal();
  void go_on_as_manager();
  void remember_contacts();
  std::uint64_t grid_begun() const;
  std::uint64_t first_life_of(NodeId node) const;
  void watch_disk();
  TimeNs next_look_at_disk() const;
  bool is_disk_ready() const { return journal_ && journal_->is_open() && recovering_.empty(); }
  bool can_keep(const wire::CatalogGroup& row) const { return row.durability != Durability::kDisk || is_disk_ready(); }
  bool is_vacant_here(const wire::CatalogGroup& row, std::uint32_t epoch) const;
  void make_restored_replicas();
  // Managers that were started again speak before the catalog knows their new lives.
  bool is_later_life(const wire::CatalogProvider& row, std::uint64_t incarnation) const;
  void note_life(NodeId node, std::uint64_t incarnation);
  bool is_root_member(NodeId node) const;
  // A seat that its holder has forgotten.
  std::optional<wire::ManagerList> seat_of(const wire::Join& request) const;
  void take_forgotten_seat(const Sender& from, const wire::ManagerList& list);
  std::uint64_t present_life_of(const wire::CatalogProvider& row) const;

  // The way into the grid.
  void enter();
  bool is_meeting() const;
  void begin_meeting();
  void meet(TimeNs now);
  TimeNs next_meeting() const;
  void ask_for_grid(PeerId peer);
  void on_former_grid(std::uint64_t grid, const std::string& provider);
  void on_list_while_meeting(const Sender& from, const wire::ManagerList& list);
  void take_part_as_manager();
  void come_back_as_provider();
  void on_joined(const wire::Joined& joined);
  void become(NodeId node);
  std::vector<NodeId> first_managers() const;
  void begin_root_duties();
  void end_root_duties();
  void fail_with(Error error);

  // The catalog and what follows from it.
  void look_at_root();
  void on_catalog();
  void update_routes();
  void make_replicas();
  void take_seat_again();
  void make_replica(const wire::CatalogGroup& row);
  StreamConfig stream_config(StreamId stream) const;
  void begin_replica(StreamConfig config, MachineMaker make_machine, Durability durability,
                     std::unique_ptr<StateMachine> state = {});
  void host(GroupId group, std::unique_ptr<Replica> replica);
  MachineMaker machine_maker(GroupId group);
  StreamMember stream_member(GroupId group, NodeId node) const;
  void drop_replica(GroupId group);
  void move_groups(TimeNs time);
  bool is_in_catalog() const;

  // Groups that this provider is to be a member of (provider_learners.cc).
  void make_learners();
  bool is_wanted_next(const wire::CatalogGroup& row) const;
  void make_learner(const wire::CatalogGroup& row);
  void drop_learners(TimeNs time);
  void learn(TimeNs time);
  void become_member(GroupId group);
  void make_agent();

  Hosted* hosted(GroupId group);
  Hosted* touch(GroupId group);
  void settle();
  void tell_changed();
  void schedule(GroupId group, Hosted& hosted);
  void wake_in_time();
  std::uint64_t used_bytes() const;
  wire::StatusReply own_status() const;
  void say(Notice::Severity severity, std::string text) const;

  Env& env_;
  const ProviderOptions options_;
  const std::vector<std::string> contacts_;  // sorted: of the first managers by number - 1; of any providers at others
  Outbox outbox_;
  Membership membership_;
  StatusDuties status_duties_;
  GroupMoves group_moves_;
  std::optional<Bootstrap> bootstrap_;     // at the first managers
  std::optional<FormerGrid> former_grid_;  // with bootstrap_
  std::set<PeerId> asked_;                 // which grid they belong to, while managers meet
  std::optional<RootDuties> root_duties_;  // at managers, as long as they are
  std::optional<PageArena> arena_;
  std::optional<Journal> journal_;  // with a data folder
  std::optional<ContactFile> contact_file_;
  struct Restored {
    RestoredGroup group;
    std::optional<CheckpointId> checkpoint;
  };
  std::map<GroupId, std::unique_ptr<GroupRecovery>> recovering_;
  std::vector<std::unique_ptr<GroupRecovery>> finished_;  // perhaps inside their own completion
  std::map<GroupId, Restored> restored_;
  std::set<GroupId> untrusted_;
  StorageHealth storage_;
  TimeNs look_for_room_at_ = 0;  // while there is none
  Lsn durable_ = 0;
  TimeNs durable_moved_at_ = 0;  // or nothing waited
  std::uint64_t store_ = 0;
  std::uint64_t grid_ = 0;                 // the grid's own number; 0: not known yet
  std::map<NodeId, std::uint64_t> lives_;  // of managers with data folders, as heard
  CatalogView catalog_;
  std::map<GroupId, Hosted> replicas_;
  std::map<GroupId, Learner> learners_;
  std::set<std::pair<TimeNs, GroupId>> replica_ticks_;
  std::set<GroupId> touched_;  // to be advanced before the turn ends
  std::set<GroupId> changed_;  // to be told to the agent
  std::unique_ptr<Agent> agent_;
  NodeId self_ = 0;
  TimeNs started_at_ = 0;
  TimeNs meet_at_ = 0;
  TimeNs agent_tick_at_ = 0;
  bool has_started_ = false;
  bool is_stopping_ = false;
  TimeNs stop_at_ = 0;
  std::uint64_t routes_version_ = 0;
  std::set<NodeId> routed_;
  std::optional<Error> failure_;
  ProviderStats stats_;
};

}  // namespace juxmem

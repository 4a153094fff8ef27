// AgentWorld: an agent whose groups, network and clock are stand-ins in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/provider/agent.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/wire/codec.h"

namespace juxmem {

// What for: a group without replication: its state machine executes at once at whichever node coordinates it. Ownership is
//   granted at once unless `grants` is off.
// Thread safety: none. Ownership: borrows the sender. Failure: messages to nodes that are down are lost.
class StandInGroup : public LocalReplica {
 public:
  using Send = std::function<void(NodeId from, wire::GroupMessage)>;

  StandInGroup(GroupId group, std::unique_ptr<StateMachine> machine, NodeId coordinator, Send send)
      : leader(coordinator), group_(group), machine_(std::move(machine)), send_(std::move(send)) {}

  void receive(NodeId at, NodeId from, wire::GroupMessage message);
  // Puts a command into the log without an agent.
  wire::Reply execute(const wire::Command& command, const Buffer& data = {});
  void expire(SessionId session);

  BlockMachine& blocks() { return static_cast<BlockMachine&>(*machine_); }
  CatalogMachine& catalog() { return static_cast<CatalogMachine&>(*machine_); }
  const SessionTable& sessions() const { return machine_->sessions(); }
  Grant last_grant() const { return {.ballot = ballot, .counter = grant_counter_}; }

  // As the replica beside the agent.
  NodeId coordinator() const override { return leader; }
  std::uint64_t quota_bytes() const override { return static_cast<const BlockMachine&>(*machine_).quota_bytes(); }
  Instance applied() const override { return machine_->applied(); }
  void learn_decided(const Ballot&, Instance) override {}
  wire::PagesReply read_pages(const wire::ReadPages& request) override { return blocks().read_pages(request, 1U << 20); }

  NodeId leader;                // others redirect to it
  bool silent = false;          // receives nothing
  int answers_lost = 0;         // so many Executed from now on get lost
  bool grants = true;           // off: ownership requests wait
  bool renews = true;           // off: leases are not renewed
  std::uint64_t proposals = 0;  // received
  Ballot ballot{.round = 1, .node = 1};
  std::vector<wire::RequestOwnership> requests;
  std::vector<wire::Yield> yields;

 private:
  void serve(NodeId from, wire::Propose& m);
  void serve(NodeId from, wire::Outcome& m);
  void serve(NodeId from, wire::RenewSession& m);
  void serve(NodeId from, wire::RequestOwnership& m);
  void serve(NodeId from, wire::Yield& m);
  void serve(NodeId from, wire::ReadPages& m);
  void serve(NodeId from, wire::ReadBlock& m);
  void serve(NodeId from, wire::WatchBlock& m);
  void serve(NodeId from, wire::ReadNames& m);
  void serve(NodeId from, wire::ReadCatalogVersion& m);
  template <typename T>
  void serve(NodeId, T&) {}

  GroupId group_;
  std::unique_ptr<StateMachine> machine_;
  Send send_;
  std::uint64_t grant_counter_ = 0;
  std::vector<wire::WatchBlock> watches_;
};

class AgentWorld : public AgentHost {
 public:
  static constexpr NodeId kSelf = 2;
  static constexpr std::uint64_t kClient = 77;

  // Providers 1 (manager) to `providers`, all on site "a", each with so much memory. The agent lives in provider 2.
  explicit AgentWorld(std::uint32_t providers = 3, std::uint64_t capacity_bytes = 1ULL << 30);
  // The same with a seat for each; the agent's is on site "a".
  struct Seat {
    std::string site = "a";
    std::uint64_t capacity_bytes = 1ULL << 30;
  };
  explicit AgentWorld(const std::vector<Seat>& seats);
  ~AgentWorld() override;

  // ---- clients ----
  void hello(std::uint64_t client = kClient);
  std::uint64_t ask(wire::ClientRequestBody body, std::uint32_t limit_ms = 5000, std::uint64_t client = kClient);
  void ask_as(std::uint64_t number, wire::ClientRequestBody body, std::uint32_t limit_ms = 5000,
              std::uint64_t client = kClient);
  void beat(std::uint64_t client = kClient);
  // Asks and passes time until the answer has come.
  wire::ClientAnswer call(wire::ClientRequestBody body, std::uint32_t limit_ms = 5000, std::uint64_t client = kClient);
  // How often the request was answered; and its last answer.
  std::size_t answered(std::uint64_t number, std::uint64_t client = kClient) const;
  const wire::ClientAnswer& answer(std::uint64_t number, std::uint64_t client = kClient) const;
  BlockId malloc(std::uint64_t size_bytes, std::uint64_t client = kClient);
  wire::ClientAnswer acquire(BlockId block, Mode mode = Mode::kExclusive, std::uint64_t client = kClient);
  wire::ClientAnswer release(const wire::ClientAnswer& section, BlockId block, std::string text = {},
                             std::uint64_t client = kClient);
  static wire::ReleaseRequest changes(std::uint64_t section, BlockId block, std::uint64_t offset, const std::string& text);
  std::string content(BlockId block, std::uint64_t offset, std::uint64_t size_bytes);

  // ---- the world ----
  // Delivers everything on its way.
  void run();
  // Lets time pass in small steps; clients in `beating` beat.
  void pass(std::int64_t ms);
  StandInGroup& group(GroupId group) { return *groups_.at(group); }
  StandInGroup& root() { return *groups_.at(kRootGroup); }
  void update_catalog();
  // The agent dies and another life of it begins.
  void restart_agent();

  // ---- AgentHost ----
  NodeId self() const override { return kSelf; }
  SiteId site() const override { return site_id_of("a"); }
  std::uint64_t incarnation() const override { return life; }
  TimeNs now() const override { return now_; }
  std::uint64_t random() override { return ++random_; }
  const CatalogView& catalog() const override { return view_; }
  std::vector<NodeId> managers() const override { return {1}; }
  void send(NodeId to, wire::Message message) override;
  void reply(PeerId to, wire::Message message) override;
  std::string user_of(PeerId peer) const override { return users.contains(peer) ? users.at(peer) : std::string(); }
  LocalReplica* replica(GroupId group) override;

  Timing timing;
  AgentLimits limits;
  std::map<PeerId, std::string> users;  // a client's connection has the client's number
  std::unique_ptr<Agent> agent;
  std::vector<std::uint64_t> beating{kClient};
  std::vector<wire::ClientWelcome> welcomes;
  std::vector<wire::AgentBeat> agent_beats;
  std::vector<wire::OperationNumber> operations_told;
  std::uint64_t sent = 0;                   // messages of the agent to nodes
  std::map<NodeId, std::uint64_t> sent_to;  // by node
  std::uint64_t life = 22;
  bool catalog_late = false;  // the agent does not hear of changes
  bool has_replicas = false;  // of the groups that the agent's provider coordinates

 private:
  struct InFlight {
    bool to_agent = false;
    NodeId from = 0;
    NodeId to = 0;
    wire::GroupMessage message;
  };

  PageArena arena_;
  CatalogView view_;
  TimeNs now_ = 1'000'000'000;
  std::uint64_t random_ = 4711;
  std::map<GroupId, std::unique_ptr<StandInGroup>> groups_;
  std::deque<InFlight> in_flight_;
  std::map<std::uint64_t, std::uint64_t> next_request_;
  std::map<std::uint64_t, std::map<std::uint64_t, std::vector<wire::ClientAnswer>>> answers_;
};

}  // namespace juxmem

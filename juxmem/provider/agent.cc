#include "juxmem/provider/agent.h"

#include <algorithm>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "consistency/coherence/holdings.h"
#include "juxmem/provider/agent_catalog.h"
#include "juxmem/provider/agent_context.h"
#include "juxmem/provider/agent_names.h"
#include "juxmem/provider/agent_sections.h"
#include "juxmem/provider/allocation.h"
#include "juxmem/provider/page_reads.h"
#include "juxmem/provider/quota_settler.h"
#include "juxmem/provider/watchers.h"

namespace juxmem {
namespace {

template <typename T>
constexpr bool kFromClient = std::is_same_v<T, wire::ClientHello> || std::is_same_v<T, wire::ClientBeat> ||
                             std::is_same_v<T, wire::ClientGoodbye> || std::is_same_v<T, wire::ClientRequest>;

template <typename T>
constexpr bool kFromGroup =
    std::is_same_v<T, wire::Executed> || std::is_same_v<T, wire::Redirect> || std::is_same_v<T, wire::SessionRenewed> ||
    std::is_same_v<T, wire::Granted> || std::is_same_v<T, wire::Recall> || std::is_same_v<T, wire::Reregister> ||
    std::is_same_v<T, wire::PagesReply> || std::is_same_v<T, wire::BlockFacts> || std::is_same_v<T, wire::BlockChanged> ||
    std::is_same_v<T, wire::NamesReply> || std::is_same_v<T, wire::CatalogVersion>;

// A request's block, 0 if it names none that must exist.
BlockId block_of(const wire::ClientRequestBody& body) {
  return std::visit(
      [](const auto& request) -> BlockId {
        if constexpr (requires { request.block; })
          return request.block;
        else
          return 0;
      },
      body);
}

}  // namespace

// The composition of an agent, and the dispatch of what it receives.
// Thread safety: none. Ownership: owns all parts; they borrow each other as their constructors say.
// Failure: see the parts.
class AgentState : public LinkBook, public GroupLinkEvents, public ClientEvents {
 public:
  AgentState(AgentHost& host, const Timing& timing, const AgentLimits& limits)
      : host_(host),
        timing_(timing),
        clients_(host, timing_, limits, *this),
        context_{host, timing_, timers_, *this, clients_},
        holdings_(timing_),
        pages_(context_),
        watchers_(context_),
        sections_(context_, holdings_, pages_, watchers_),
        names_(context_),
        limits_(limits),
        allocation_(context_, limits),
        quota_settler_(context_) {
    sections_.set_on_freed([this](BlockId block) { allocation_.freed(block); });
    check_clients();
  }

  // ---- LinkBook, GroupLinkEvents ----------------------------------------------------------------------------------

  GroupLink& link(GroupId group) override {
    std::unique_ptr<GroupLink>& link = links_[group];
    if (!link) link = std::make_unique<GroupLink>(host_, timing_, timers_, *this, group);
    return *link;
  }
  void on_session_opened(GroupLink& link) override { sections_.session_opened(link); }
  void on_session_lost(GroupLink& link, SessionId) override { sections_.session_lost(link); }
  void on_session_renewed(GroupLink& link) override { sections_.session_renewed(link); }
  void on_coordinator(GroupLink& link) override {
    sections_.coordinator_changed(link);
    watchers_.coordinator_changed(link.group());
  }

  // ---- ClientEvents -----------------------------------------------------------------------------------------------

  void on_request(const RequestCall& call, wire::ClientRequestBody body) override {
    if (stopping_) return clients_.refuse(call.key, Code::kTryAgain, "this provider is stopping");
    const BlockId block = block_of(body);
    const bool names_block = block != 0 || !may_lack_block(body);
    if (names_block && (group_of(block) == kRootGroup || slot_of(block) == 0)) {
      return clients_.refuse(call.key, Code::kNotFound, "block " + block_name(block));
    }
    if (is_section(body) && sections_.open_of(call.key.client) >= limits_.client_sections_max) {
      return clients_.refuse(call.key, Code::kLimit,
                             "this client has " + std::to_string(limits_.client_sections_max) +
                                 " sections held or waited for, as many as one may; release some");
    }
    if (names_block && !knows_group(host_, group_of(block))) return park(call, std::move(body));
    if (names_block && is_lost(group_of(block))) return clients_.refuse(call.key, Code::kLost, "block " + block_name(block));
    execute(call, body);
  }
  void on_confirmed(const RequestKey& key) override { sections_.confirmed(key); }
  void on_client_gone(std::uint64_t client) override {
    std::erase_if(parked_, [&](Parked& one) {
      if (one.call.key.client != client) return false;
      timers_.cancel(one.timer);
      return true;
    });
    sections_.client_gone(client);
    watchers_.client_gone(client);
    allocation_.client_gone(client);
  }

  // ---- messages -----------------------------------------------------------------------------------------------------

  void on_client(PeerId from, wire::ClientMessage message) {
    if (auto* request = std::get_if<wire::ClientRequest>(&message)) return clients_.on_request(from, std::move(*request));
    if (const auto* beat = std::get_if<wire::ClientBeat>(&message)) {
      clients_.on_beat(from, *beat);
      return sections_.reconcile(beat->client, beat->last, beat->open, beat->held);
    }
    if (const auto* hello = std::get_if<wire::ClientHello>(&message)) return clients_.on_hello(from, *hello);
    if (const auto* goodbye = std::get_if<wire::ClientGoodbye>(&message)) return clients_.on_goodbye(*goodbye);
  }

  void on_group(NodeId from, wire::GroupMessage message) {
    std::visit(
        [&](auto& m) {
          if constexpr (kFromGroup<std::decay_t<decltype(m)>>) receive(from, m);
        },
        message);
  }

  void on_applied(GroupId group) {
    pages_.on_applied(group);
    if (LocalReplica* replica = host_.replica(group); replica != nullptr && links_.contains(group)) {
      link(group).on_local_coordinator(replica->coordinator());
    }
  }

  void on_catalog() {
    std::vector<Parked> parked;
    std::swap(parked, parked_);
    for (Parked& one : parked) look_again(std::move(one));
    for (auto& [group, link] : links_) link->on_news();
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  void tick() {
    timers_.run(host_.now());
    sections_.tick();
  }
  TimeNs next_tick() const { return std::min(timers_.next(), holdings_.next_tick()); }

  void stop() {
    stopping_ = true;
    clients_.forget_all();
  }
  bool done() const {
    return sections_.open() == 0 &&
           std::ranges::all_of(links_, [](const auto& link) { return link.second->pending() == 0; });
  }

  AgentStats stats() const {
    const SectionStats& sections = sections_.stats();
    return AgentStats{.clients = clients_.size(),
                      .clients_expired = clients_.counts().expired,
                      .sections_open = sections_.open(),
                      .sections_granted = sections.granted,
                      .sections_lost = sections.lost,
                      .publishes = sections.publishes,
                      .bytes_published = sections.bytes_published,
                      .requests_repeated = clients_.counts().repeated,
                      .requests_refused = clients_.counts().refused};
  }
  const Holdings& holdings() const { return holdings_; }

 private:
  // A request for a block of a group that the catalog does not have (yet).
  struct Parked {
    RequestCall call;
    wire::ClientRequestBody body;
    AgentTimers::Id timer;
    std::uint64_t until = kUnknownVersion;  // a catalog as new as this has the group, or there is none
  };
  static constexpr std::uint64_t kUnknownVersion = ~0ULL;

  // Requests without a block, or where 0 means something.
  static bool may_lack_block(const wire::ClientRequestBody& body) {
    return std::holds_alternative<wire::MallocRequest>(body) || std::holds_alternative<wire::NameRequest>(body) ||
           std::holds_alternative<wire::LookupRequest>(body) || std::holds_alternative<wire::CancelRequest>(body) ||
           std::holds_alternative<wire::SectionPagesRequest>(body);
  }

  bool is_lost(GroupId group) const {
    const wire::CatalogGroup* row = host_.catalog().group(group);
    return row != nullptr && row->lost;
  }

  static bool is_section(const wire::ClientRequestBody& body) {
    return std::holds_alternative<wire::AcquireRequest>(body) || std::holds_alternative<wire::ReadRequest>(body) ||
           std::holds_alternative<wire::WriteRequest>(body) || std::holds_alternative<wire::FreeRequest>(body);
  }

  // Another process may have made the group a moment ago: the root knows whether it exists, and the catalog follows.
  void park(const RequestCall& call, wire::ClientRequestBody body) {
    const RequestKey key = call.key;
    Parked parked{.call = call, .body = std::move(body), .timer = {}};
    parked.timer = timers_.at(
        call.limit, [this, key] { unpark(key, Code::kTryAgain, "the catalog does not have the block's group yet"); });
    parked_.push_back(std::move(parked));
    link(kRootGroup).ask(wire::ReadCatalogVersion{}, call.limit, [this, key](Result<wire::GroupMessage> answer) {
      if (!answer || !std::holds_alternative<wire::CatalogVersion>(*answer)) return;  // its limit is the caller's
      const auto it = std::ranges::find_if(parked_, [&](const Parked& one) { return one.call.key == key; });
      if (it == parked_.end()) return;
      Parked one = std::move(*it);
      parked_.erase(it);
      one.until = std::get<wire::CatalogVersion>(*answer).version;
      look_again(std::move(one));
    });
  }

  // The catalog, or what is known about it, is newer.
  void look_again(Parked one) {
    const GroupId group = group_of(block_of(one.body));
    const bool is_known = knows_group(host_, group);
    if (!is_known && host_.catalog().version() < one.until) return parked_.push_back(std::move(one));
    timers_.cancel(one.timer);
    if (is_known) return on_request(one.call, std::move(one.body));
    clients_.refuse(one.call.key, Code::kNotFound, "block " + block_name(block_of(one.body)) + ": its group does not exist");
  }

  void unpark(const RequestKey& key, Code code, const char* why) {
    const auto it = std::ranges::find_if(parked_, [&](const Parked& one) { return one.call.key == key; });
    if (it == parked_.end()) return;
    timers_.cancel(it->timer);
    parked_.erase(it);
    clients_.refuse(key, code, why);
  }

  void execute(const RequestCall& call, wire::ClientRequestBody& body) {
    std::visit([&](auto& request) { run(call, request); }, body);
  }
  void run(const RequestCall& call, wire::MallocRequest& request) { allocation_.allocate(call, std::move(request)); }
  void run(const RequestCall& call, wire::FreeRequest& request) { sections_.free(call, request); }
  void run(const RequestCall& call, wire::StatRequest& request) { names_.stat(call, request); }
  void run(const RequestCall& call, wire::AcquireRequest& request) { sections_.acquire(call, request); }
  void run(const RequestCall& call, wire::SectionPagesRequest& request) { sections_.pages(call, request); }
  void run(const RequestCall& call, wire::ReleaseRequest& request) { sections_.release(call, std::move(request)); }
  void run(const RequestCall& call, wire::ReadRequest& request) { sections_.read(call, request); }
  void run(const RequestCall& call, wire::WriteRequest& request) { sections_.write(call, std::move(request)); }
  void run(const RequestCall& call, wire::OutcomeRequest& request) { sections_.outcome(call, request); }
  void run(const RequestCall& call, wire::WaitRequest& request) { watchers_.wait(call, request); }
  void run(const RequestCall& call, wire::NameRequest& request) { names_.name(call, request); }
  void run(const RequestCall& call, wire::LookupRequest& request) { names_.lookup(call, request); }
  void run(const RequestCall& call, wire::CancelRequest& request) {
    const RequestKey cancelled{.client = call.key.client, .request = request.cancelled};
    unpark(cancelled, Code::kTimedOut, "the caller no longer waits");
    if (!sections_.cancel(cancelled)) watchers_.cancel(cancelled);
    clients_.cancelled(cancelled);
    clients_.answer(call.key, {}, Keep::kAnswer);
  }

  void receive(NodeId from, wire::Executed& m) {
    with_link(m.group, [&](GroupLink& l) { l.on_executed(from, std::move(m)); });
  }
  void receive(NodeId from, wire::Redirect& m) {
    with_link(m.group, [&](GroupLink& l) { l.on_redirect(from, m); });
  }
  void receive(NodeId from, wire::SessionRenewed& m) {
    with_link(m.group, [&](GroupLink& l) { l.on_renewed(from, m); });
  }
  void receive(NodeId from, wire::BlockFacts& m) {
    with_link(group_of(m.block), [&](GroupLink& l) { l.on_answer(from, m.tag, std::move(m)); });
  }
  void receive(NodeId from, wire::NamesReply& m) {
    with_link(kRootGroup, [&](GroupLink& l) { l.on_answer(from, m.tag, std::move(m)); });
  }
  void receive(NodeId from, wire::CatalogVersion& m) {
    with_link(kRootGroup, [&](GroupLink& l) { l.on_answer(from, m.tag, m); });
  }
  void receive(NodeId from, wire::Granted& m) {
    with_link(group_of(m.block), [&](GroupLink& l) {
      if (l.session() == m.session) l.heard_coordinator(from);
      sections_.on_granted(m);
    });
  }
  void receive(NodeId from, wire::Recall& m) {
    with_link(group_of(m.block), [&](GroupLink& l) {
      if (l.session() == m.session) l.heard_coordinator(from);
      sections_.on_recall(m);
    });
  }
  void receive(NodeId from, wire::Reregister& m) {
    with_link(m.group, [&](GroupLink& l) {
      if (l.session() == m.session) l.heard_coordinator(from);
      sections_.on_reregister(m);
    });
  }
  void receive(NodeId from, wire::PagesReply& m) { pages_.on_pages(from, std::move(m)); }
  void receive(NodeId, wire::BlockChanged& m) { watchers_.on_changed(m); }

  // Messages of groups this agent never spoke to are none of its business.
  template <typename Use>
  void with_link(GroupId group, Use use) {
    if (const auto it = links_.find(group); it != links_.end()) use(*it->second);
  }

  void check_clients() {
    clients_.expire_silent();
    timers_.at(after_ms(host_.now(), std::max<std::int64_t>(timing_.client_lease_ms / 8, 1)), [this] { check_clients(); });
  }

  AgentHost& host_;
  const Timing timing_;
  AgentTimers timers_;
  AgentClients clients_;
  AgentContext context_;
  std::map<GroupId, std::unique_ptr<GroupLink>> links_;
  Holdings holdings_;
  PageReads pages_;
  Watchers watchers_;
  AgentSections sections_;
  AgentNames names_;
  const AgentLimits limits_;
  Allocation allocation_;
  QuotaSettler quota_settler_;
  std::vector<Parked> parked_;
  bool stopping_ = false;
};

Agent::Agent(AgentHost& host, const Timing& timing, const AgentLimits& limits)
    : state_(std::make_unique<AgentState>(host, timing, limits)) {}
Agent::~Agent() = default;

bool Agent::is_for_agent_from_client(const wire::Message& message) {
  const auto* family = std::get_if<wire::ClientMessage>(&message);
  return family != nullptr && std::visit([](const auto& m) { return kFromClient<std::decay_t<decltype(m)>>; }, *family);
}

bool Agent::is_for_agent_from_group(const wire::Message& message) {
  const auto* family = std::get_if<wire::GroupMessage>(&message);
  return family != nullptr && std::visit([](const auto& m) { return kFromGroup<std::decay_t<decltype(m)>>; }, *family);
}

void Agent::on_client(PeerId from, wire::Message message) {
  if (auto* family = std::get_if<wire::ClientMessage>(&message)) state_->on_client(from, std::move(*family));
}
void Agent::on_group(NodeId from, wire::Message message) {
  if (auto* family = std::get_if<wire::GroupMessage>(&message)) state_->on_group(from, std::move(*family));
}
void Agent::on_applied(GroupId group) { state_->on_applied(group); }
void Agent::on_catalog() { state_->on_catalog(); }
void Agent::tick() { state_->tick(); }
TimeNs Agent::next_tick() const { return state_->next_tick(); }
void Agent::stop() { state_->stop(); }
bool Agent::done() const { return state_->done(); }
AgentStats Agent::stats() const { return state_->stats(); }
const Holdings& Agent::holdings() const { return state_->holdings(); }

}  // namespace juxmem

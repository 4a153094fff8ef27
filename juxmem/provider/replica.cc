// A replica's life: what the stream decides, and how it comes to lead and ceases to. Requests: replica_requests.cc.
#include "juxmem/provider/replica.h"

#include <algorithm>
#include <limits>

#include "juxmem/base/check.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/wire/codec.h"

namespace juxmem {
namespace {

constexpr std::size_t kWatchesMax = 65536;
constexpr std::size_t kOutcomesMax = 4096;
constexpr std::size_t kPageWaitsMax = 4096;

// The other members: those of the own site, then the others; each member begins with the one after itself, so that not all ask the same.
std::vector<NodeId> nearest_first(const StreamConfig& config) {
  SiteId own_site = 0;
  for (const StreamMember& member : config.members) {
    if (member.node == config.self) own_site = member.site;
  }
  std::vector<StreamMember> others;
  for (const StreamMember& member : config.members) {
    if (member.node > config.self) others.push_back(member);
  }
  for (const StreamMember& member : config.members) {
    if (member.node < config.self) others.push_back(member);
  }
  std::ranges::stable_partition(others, [&](const StreamMember& member) { return member.site == own_site; });
  std::vector<NodeId> nodes;
  for (const StreamMember& member : others) nodes.push_back(member.node);
  return nodes;
}

}  // namespace

Replica::Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine)
    : host_(host),
      config_(config),
      stream_(config),
      make_machine_(std::move(make_machine)),
      leases_(config_.timing),
      watches_(kWatchesMax),
      outcomes_(kOutcomesMax),
      page_waits_(kPageWaitsMax),
      snapshots_([this](NodeId to, wire::SnapshotReply reply) { host_.send(to, wire::GroupMessage(std::move(reply))); }),
      fetch_(config.stream.group, nearest_first(config), config.timing, [this](NodeId to, wire::ReadSnapshot request) {
        request.epoch = epoch();
        host_.send(to, wire::GroupMessage(request));
      }) {
  use(make_machine_());
}

Replica::Replica(ReplicaHost& host, const StreamConfig& config, MachineMaker make_machine,
                 std::unique_ptr<StateMachine> state, std::unique_ptr<ReplicaLog> log)
    : Replica(host, config, std::move(make_machine)) {
  JUXMEM_CHECK(state->applied() == config.base);
  use(std::move(state));
  if (!log) return;
  begin_log(std::move(log));
  log_->await_state();
  checkpointer_->want();
}

Replica::~Replica() = default;

void Replica::meet_new_members() {
  snapshots_.clear(*machine_);  // whoever reads one is of the former epoch
  fetch_.use_servers(nearest_first(config_));
}

void Replica::learn_decided(const Ballot& ballot, Instance instance) {
  if (is_broken_) return;
  stream_.learn_decided(host_.now(), ballot, instance);
  advance();
}

std::uint64_t Replica::quota_bytes() const { return blocks_ == nullptr ? 0 : blocks_->quota_bytes(); }

bool Replica::leads() const { return has_caught_up_ && !is_broken_ && stream_.serves(host_.now()); }

void Replica::tick() {
  const TimeNs now = host_.now();
  if (is_broken_) return;
  stream_.tick(now);
  if (former_) former_->tick(now);
  if (has_caught_up_) {
    for (SessionId session : leases_.overdue(now)) expire(session);
    if (directory_) directory_->tick(now);
    put_waiting();
  }
  snapshots_.tick(now, *machine_);
  fetch_.tick(now);
  keep_for_learners();
  watches_.take_overdue(now);
  outcomes_.take_overdue(now);
  for (const auto& [key, request] : page_waits_.take_overdue(now)) {
    wire::PagesReply reply;
    reply.block = request.block;
    reply.tag = request.tag;
    reply.code = Code::kTryAgain;
    host_.send(key.node, wire::GroupMessage(std::move(reply)));
  }
}

TimeNs Replica::next_tick() const {
  if (is_broken_) return std::numeric_limits<TimeNs>::max();
  TimeNs next =
      std::min({stream_.next_wakeup(host_.now()), page_waits_.next_deadline(), snapshots_.next_tick(), fetch_.next_tick()});
  if (former_) next = std::min(next, former_->next_wakeup(host_.now()));
  if (!has_caught_up_) return next;
  if (directory_) next = std::min(next, directory_->next_tick());
  if (auto deadline = leases_.next_deadline()) next = std::min(next, *deadline);
  return std::min({next, watches_.next_deadline(), outcomes_.next_deadline()});
}

void Replica::advance() {
  while (!is_broken_ && (carry_out_former() || carry_out_stream() || carry_out_directory())) {
  }
  if (is_broken_) return;
  look_if_left_behind();
  consider_checkpoint();
}

bool Replica::carry_out_stream() {
  StreamOutput output = stream_.take();
  if (output.empty()) return false;
  if (log_) log_->keep(std::move(output.persist), output.messages);
  if (lacks_state()) std::erase_if(output.messages, [](const Outgoing& out) { return out.first == Durable::kState; });
  for (Outgoing& outgoing : output.messages) host_.send(outgoing.to, wire::Message(std::move(outgoing.message)));
  for (const DecidedEntry& decided : output.decided) apply(decided);
  if (output.end) leads_next_ = output.end->next.members.front().node;
  for (const RoleChange& change : output.roles) on_role(change);
  if (output.mismatch) {
    break_off(*output.mismatch);
    return false;
  }
  lead_if_caught_up();
  if (!output.decided.empty() || !output.roles.empty()) {
    host_.on_replica_changed(group());
    put_waiting();
  }
  if (output.end) enter_next_epoch(*output.end);
  return true;
}

void Replica::apply(const DecidedEntry& decided) {
  const Instance instance = decided.instance;
  std::optional<Proposal> own;
  if (coordinates_) own = proposals_.applied(instance, decided.entry.ballot);
  const Applied applied =
      own ? machine_->apply(instance, own->command, own->data) : machine_->apply(instance, decided.entry);
  const TimeNs now = host_.now();
  stream_.applied(now, instance);
  if (instance % config_.timing.digest_every == 0) stream_.report_digest(now, instance, machine_->digest());
  tell_applied(applied);
  if (!own) return;
  if (own->from != 0) {
    answer(own->from, own->tag, instance, applied.reply, decided.entry.ballot);
  } else if (own->done) {
    own->done(applied.reply);
  }
}

// What the entry means for the coordinator's soft state, and for those who wait.
void Replica::tell_applied(const Applied& applied) {
  const TimeNs now = host_.now();
  if (coordinates_ && applied.opened != 0) stream_.lend(now);  // its agent counts a first lease from its question
  if (has_caught_up_) {
    if (applied.opened != 0) {
      leases_.opened(now, applied.opened);
      for (const LiveSession& live : machine_->sessions().live()) agents_[live.session] = live.node;
      if (directory_) directory_->session_opened(applied.opened);
    }
    if (applied.expired != 0) {
      leases_.expired(applied.expired);
      agents_.erase(applied.expired);
      if (directory_) directory_->session_expired(now, applied.expired);
    }
    if (applied.freed != 0 && directory_) directory_->block_freed(now, applied.freed);
  }
  tell_waiting(applied);
}

void Replica::tell_waiting(const Applied& applied) {
  if (!page_waits_.empty()) {
    for (auto& [key, request] : page_waits_.take_up_to(applied.instance)) {
      host_.send(key.node, wire::GroupMessage(read_pages(request)));
    }
  }
  if (applied.changed != 0 || applied.freed != 0) {
    const BlockId block = applied.changed != 0 ? applied.changed : applied.freed;
    for (auto& [key, request] : watches_.take(block)) serve(key.node, request);
  }
  const SessionId concerned = applied.expired != 0 ? applied.expired : applied.op.session;
  if (concerned != 0 && !outcomes_.empty()) {
    for (auto& [key, request] : outcomes_.take(concerned)) serve(key.node, request);
  }
}

void Replica::on_role(const RoleChange& change) {
  if (coordinates_) stop_leading();
  if (change.role == StreamRole::kCoordinator) {
    coordinates_ = true;
    first_own_ = change.first_own;
  }
  if (change.coordinator != 0) leads_next_ = 0;
  if (told_coordinator_ != change.coordinator) {
    told_coordinator_ = change.coordinator;
    host_.on_replica_changed(group());
  }
  if (!may_serve_soon()) serve_deferred();
}

// PROTOCOLS section 3, rule 6: the directory begins once an entry of the own ballot has been applied, because only then the
// state contains everything that was acknowledged before.
void Replica::lead_if_caught_up() {
  if (!coordinates_ || has_caught_up_ || machine_->applied() < first_own_) return;
  has_caught_up_ = true;
  const TimeNs now = host_.now();
  std::vector<SessionId> live;
  for (const LiveSession& session : machine_->sessions().live()) {
    live.push_back(session.session);
    agents_[session.session] = session.node;
  }
  leases_.start(now, live);
  if (blocks_ != nullptr) {
    directory_.emplace(group(), config_.timing);
    directory_->begin_recovery(now, stream_.ballot(), live, stream_.borrowed_before());
  }
  serve_deferred();
}

void Replica::stop_leading() {
  coordinates_ = false;
  has_caught_up_ = false;
  first_own_ = 0;
  directory_.reset();
  leases_.clear();
  agents_.clear();
  for (const auto& [key, request] : outcomes_.take_all()) redirect(key.node, request.tag);
  watches_.take_all();
  for (const Proposal& proposal : proposals_.take_all()) {
    if (proposal.from != 0) redirect(proposal.from, proposal.tag);
  }
}

bool Replica::carry_out_directory() {
  if (!directory_) return false;
  DirectoryOutput output = directory_->take_output();
  for (DirectoryMessage& message : output.messages) carry_out(std::move(message));
  for (SessionId session : output.expire) expire(session);
  return !output.messages.empty() || !output.expire.empty();
}

void Replica::carry_out(DirectoryMessage message) {
  const SessionId session = std::visit([](const auto& kind) { return kind.session; }, message);
  const auto agent = agents_.find(session);
  if (agent == agents_.end()) return;
  if (auto* granted = std::get_if<wire::Granted>(&message); granted != nullptr && granted->code == Code::kOk) {
    // Not said now, it is asked for again.
    if (!leads()) return;
    const auto block = blocks_->find(granted->block);
    if (!block) return;
    granted->version = block->version;
    granted->size_bytes = block->size_bytes;
    // Its content is needed next, there if that is a replica.
    stream_.hurry(agent->second);
  }
  std::visit([&](auto& kind) { host_.send(agent->second, wire::GroupMessage(std::move(kind))); }, message);
}

void Replica::break_off(const DigestMismatch& mismatch) {
  is_broken_ = true;
  if (coordinates_) stop_leading();
  host_.on_replica_trouble(group(), "the state at instance " + std::to_string(mismatch.instance) +
                                        " differs from the coordinator's; this replica takes no further part");
  host_.on_replica_changed(group());
}

void Replica::hand_over() {
  const TimeNs now = host_.now();
  if (!stream_.is_coordinator()) return;
  const MemberStatus* best = nullptr;
  const StreamStatus status = stream_.status(now);
  for (const MemberStatus& member : status.members) {
    if (member.node == host_.self() || !member.live) continue;
    if (best == nullptr || member.up_to > best->up_to) best = &member;
  }
  // Refused only where there is nothing to hand over.
  if (best != nullptr) (void)stream_.transfer(now, best->node);
}

wire::GroupStatus Replica::status() const {
  const StreamStatus stream = stream_.status(host_.now());
  wire::GroupStatus status;
  status.group = group();
  status.epoch = config_.stream.epoch;
  status.reporter = host_.self();
  status.coordinator = stream.coordinator;
  status.ballot = stream.ballot;
  status.decided = stream.decided;
  status.sessions = machine_->sessions().live_count();
  if (blocks_ != nullptr) {
    status.blocks = blocks_->block_count();
    status.used_bytes = blocks_->used_bytes();
    status.quota_bytes = blocks_->quota_bytes();
  }
  if (is_catching_up()) status.catching_up.push_back({.node = host_.self(), .percent = fetch_.percent()});
  if (!coordinates_) return status;
  status.writers_site = stream.writers_site;
  status.writers_percent = stream.writers_percent;
  for (const MemberStatus& member : stream.members) {
    const bool is_self = member.node == host_.self();
    status.members.push_back({.node = member.node,
                              .applied = is_self ? machine_->applied() : member.up_to,
                              .heard = is_self || member.live,
                              .relays = member.relays});
  }
  return status;
}

}  // namespace juxmem

// A provider's life: start, time, turns, end. What arrives: provider_receive.cc; the catalog: provider_catalog.cc.
#include "juxmem/provider/provider_core.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "juxmem/base/check.h"

#ifndef JUXMEM_VERSION_STRING
#define JUXMEM_VERSION_STRING "0.1.0"
#endif

namespace juxmem {
namespace {

wire::JoinProvider description_of(const ProviderOptions& options) {
  wire::JoinProvider what;
  what.name = options.name;
  what.site = options.site;
  what.address = options.address;
  what.incarnation = options.incarnation;
  what.capacity_bytes = options.capacity_bytes;
  return what;
}

std::vector<std::string> sorted_without_duplicates(std::vector<std::string> addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

ProviderCore::ProviderCore(Env& env, ProviderOptions options)
    : env_(env),
      options_(std::move(options)),
      contacts_(sorted_without_duplicates(options_.managers)),
      outbox_(env.network()),
      membership_(outbox_, options_.timing, contacts_, description_of(options_)),
      status_duties_(outbox_),
      group_moves_(outbox_, options_.timing) {}

ProviderCore::~ProviderCore() = default;

void ProviderCore::start() {
  JUXMEM_CHECK(!has_started_);
  has_started_ = true;
  started_at_ = now();
  if (auto ok = options_.check(); !ok) {
    fail_with(ok.error());
    return;
  }
  auto arena = PageArena::create(options_.capacity_bytes);
  if (!arena) {
    fail_with(arena.error());
    return;
  }
  arena_.emplace(std::move(*arena));
  outbox_.set_self(0, options_.incarnation);
  update_routes();
  if (Disk* disk = env_.disk()) {
    JournalListener& listener = *this;
    journal_.emplace(*disk, env_.clock(), listener, options_.log_segment_bytes);
    journal_->open(options_.manager);
    contact_file_.emplace(*disk);
    contact_file_->read([this](const std::vector<std::string>& addresses) { membership_.add_contacts(addresses); });
  } else {
    enter();
  }
  on_timer();
}

void ProviderCore::stop() {
  if (is_stopping_) return;
  is_stopping_ = true;
  stop_at_ = now() + ms_to_ns(2 * options_.timing.transfer_ms);
  if (agent_) agent_->stop();
  for (auto& [group, hosted] : replicas_) {
    hosted.replica->hand_over();
    touched_.insert(group);
  }
}

bool ProviderCore::stopped() const {
  if (!is_stopping_) return false;
  if (failure_ || agent_ == nullptr) return true;
  if (!agent_->done()) return false;
  const bool all_handed_over = std::all_of(replicas_.begin(), replicas_.end(), [](const auto& row) {
    const Replica& replica = *row.second.replica;
    return !replica.stream().is_coordinator() || replica.is_alone();
  });
  return all_handed_over || now() >= stop_at_;
}

void ProviderCore::fail_with(Error error) {
  if (failure_) return;
  say(Notice::Severity::kError, to_string(error));
  failure_ = std::move(error);
}

void ProviderCore::say(Notice::Severity severity, std::string text) const {
  if (options_.tell) options_.tell(Notice{severity, std::move(text)});
}

std::string ProviderCore::waiting_for() const {
  if (journal_ && (!journal_->is_known() || !recovering_.empty())) return "the data folder is being read";
  if (is_meeting()) {
    if (!bootstrap_->problem().empty()) return bootstrap_->problem();
    if (std::string problem = former_grid_->problem(now()); !problem.empty()) return problem;
    if (bootstrap_->listens()) return "the managers listen whether there is a grid already";
    return fmt::format("all {} managers must be up once before the grid begins", contacts_.size());
  }
  if (!membership_.refusal().empty()) return "the managers refuse this provider: " + membership_.refusal();
  if (!membership_.joined()) return fmt::format("no answer yet from {}", fmt::join(contacts_, ", "));
  if (agent_ == nullptr) return "the catalog has not arrived yet";
  return {};
}

std::vector<NodeId> ProviderCore::first_managers() const {
  std::vector<NodeId> nodes;
  if (options_.manager) nodes.resize(contacts_.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i] = static_cast<NodeId>(i + 1);
  return nodes;
}

// Where the root has moved on from here, those it was to move to, too, are managers for all this provider knows.
std::vector<NodeId> ProviderCore::managers() const {
  if (catalog_.version() == 0) return first_managers();
  std::vector<NodeId> nodes = catalog_.root().members;
  const Replica* root = find_replica(kRootGroup);
  if (root != nullptr && root->is_retired())
    nodes.insert(nodes.end(), catalog_.root().held.begin(), catalog_.root().held.end());
  return nodes;
}

SiteId ProviderCore::site() const { return site_id_of(options_.site); }

// ---- time -----------------------------------------------------------------------------------------------------------------

void ProviderCore::on_timer() {
  if (failure_ || !has_started_) return;
  const TimeNs time = now();
  while (!replica_ticks_.empty() && replica_ticks_.begin()->first <= time) {
    const GroupId group = replica_ticks_.begin()->second;
    replica_ticks_.erase(replica_ticks_.begin());
    Hosted* hosted = touch(group);
    hosted->tick_at = kNever;
    hosted->replica->tick();
  }
  if (agent_ && agent_->next_tick() <= time) agent_->tick();
  if (bootstrap_) meet(time);
  if (root_duties_) root_duties_->tick(time);
  learn(time);
  move_groups(time);
  status_duties_.tick(time);
  membership_.tick(time, used_bytes(), catalog_.version());
}

void ProviderCore::end_turn() {
  if (failure_ || !has_started_) return;
  watch_disk();
  settle();
  finished_.clear();
  outbox_.flush();
  if (journal_) journal_->end_turn();
  wake_in_time();
}

// Messages to this provider itself, and what replicas make of this turn's messages, until nothing is left to do.
void ProviderCore::settle() {
  do {
    wire::Message message;
    while (outbox_.take_local(message)) receive(Sender{0, self_, options_.incarnation}, std::move(message));
    std::set<GroupId> touched;
    touched.swap(touched_);
    for (GroupId group : touched) {
      Hosted& hosted = replicas_.at(group);
      hosted.replica->advance();
      schedule(group, hosted);
    }
    tell_changed();
  } while (!failure_ && (outbox_.has_local() || !touched_.empty() || !changed_.empty()));
}

void ProviderCore::tell_changed() {
  std::set<GroupId> changed;
  changed.swap(changed_);
  for (GroupId group : changed) {
    if (group == kRootGroup && root_duties_) look_at_root();
    if (agent_) agent_->on_applied(group);
  }
}

void ProviderCore::schedule(GroupId group, Hosted& hosted) {
  const TimeNs next = hosted.replica->next_tick();
  if (next == hosted.tick_at) return;
  if (hosted.tick_at != kNever) replica_ticks_.erase({hosted.tick_at, group});
  hosted.tick_at = next;
  if (next != kNever) replica_ticks_.insert({next, group});
}

void ProviderCore::wake_in_time() {
  TimeNs next = std::min(membership_.next_tick(), status_duties_.next_tick());
  if (!replicas_.empty() || !learners_.empty()) next = std::min(next, group_moves_.next_tick());
  for (const auto& [group, learner] : learners_) next = std::min(next, learner.next_tick());
  if (!replica_ticks_.empty()) next = std::min(next, replica_ticks_.begin()->first);
  if (agent_) next = std::min(next, agent_->next_tick());
  if (root_duties_) next = std::min(next, root_duties_->next_tick());
  next = std::min(next, next_meeting());
  next = std::min(next, next_look_at_disk());
  if (next != kNever) env_.wake_at(next);
}

// ---- replicas ----------------------------------------------------------------------------------------------------------------

ProviderCore::Hosted* ProviderCore::hosted(GroupId group) {
  const auto found = replicas_.find(group);
  return found == replicas_.end() ? nullptr : &found->second;
}

ProviderCore::Hosted* ProviderCore::touch(GroupId group) {
  Hosted* found = hosted(group);
  if (found != nullptr) touched_.insert(group);
  return found;
}

LocalReplica* ProviderCore::replica(GroupId group) {
  Hosted* found = touch(group);
  return found == nullptr ? nullptr : found->replica.get();
}

const Replica* ProviderCore::find_replica(GroupId group) const {
  const auto found = replicas_.find(group);
  return found == replicas_.end() ? nullptr : found->second.replica.get();
}

const Learner* ProviderCore::find_learner(GroupId group) const {
  const auto found = learners_.find(group);
  return found == learners_.end() ? nullptr : &found->second;
}

std::vector<GroupId> ProviderCore::groups() const {
  std::vector<GroupId> groups;
  for (const auto& [group, hosted] : replicas_) groups.push_back(group);
  return groups;
}

void ProviderCore::on_replica_trouble(GroupId group, const std::string& what) {
  say(Notice::Severity::kError, fmt::format("group {}: {}", group, what));
}

// ---- figures -----------------------------------------------------------------------------------------------------------------

std::uint64_t ProviderCore::used_bytes() const { return arena_ ? arena_->used_bytes() : 0; }

ProviderStats ProviderCore::stats() const {
  ProviderStats stats = stats_;
  for (const auto& [group, hosted] : replicas_) stats.refused += hosted.replica->stats().refused;
  if (root_duties_) stats.refused += root_duties_->refused();
  return stats;
}

wire::StatusReply ProviderCore::own_status() const {
  wire::StatusReply status;
  status.version = JUXMEM_VERSION_STRING;
  status.answered_by = self_;
  wire::ProviderStatus own;
  own.node = self_;
  own.used_bytes = used_bytes();
  own.clients = agent_ ? agent_->stats().clients : 0;
  if (options_.network_counts) {
    const NetworkCounts counts = options_.network_counts();
    own.garbage_packets = counts.garbage_packets;
    own.dropped_packets = counts.dropped_packets;
  }
  own.uptime = now() - started_at_;
  if (journal_) {
    const LogStatus log = journal_->status();
    own.log_bytes = log.segments * options_.log_segment_bytes;
    if (log.no_room) own.disk = log.no_room->code;
  }
  status.providers.push_back(own);
  for (const auto& [group, hosted] : replicas_) status.groups.push_back(hosted.replica->status());
  for (const auto& [group, learner] : learners_) {
    status.groups.push_back({.group = group,
                             .epoch = learner.stream().epoch,
                             .reporter = self_,
                             .members = {},
                             .catching_up = {{.node = self_, .percent = learner.percent()}}});
  }
  return status;
}

}  // namespace juxmem

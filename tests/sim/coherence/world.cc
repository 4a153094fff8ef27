#include "tests/sim/coherence/world.h"

#include <fmt/core.h>

#include <utility>

namespace juxmem::sim {
namespace {
constexpr TimeNs kMs = 1'000'000;
constexpr TimeNs kFaultPhase = 8000 * kMs;
constexpr TimeNs kHealedPhase = 12'000 * kMs;
}  // namespace

CoherenceWorld::CoherenceWorld(std::uint64_t seed, bool keep_trace) : random_(seed), keep_trace_(keep_trace) {
  timing_.local_passes_max = static_cast<std::uint32_t>(random_.between(1, 4));
  loss_ppm_ = static_cast<std::uint32_t>(random_.below(4)) * 60'000;
  duplicate_ppm_ = static_cast<std::uint32_t>(random_.below(3)) * 100'000;
  late_ppm_ = static_cast<std::uint32_t>(random_.below(3)) * 40'000;
  const std::uint64_t blocks = 1 + random_.below(3);
  for (std::uint64_t slot = 1; slot <= blocks; ++slot) blocks_[make_block_id(kGroup, slot)] = {};
  const std::size_t agents = 2 + random_.below(3);
  agents_.resize(agents);
  lives_.resize(agents);
}

SeedOutcome CoherenceWorld::run() {
  heal_at_ = kFaultPhase;
  start_coordinator();
  for (std::size_t agent = 0; agent < agents_.size(); ++agent) start_agent(agent);
  after(50 * kMs, [this] { faults(); });
  step_all();
  if (violation_.empty()) check_end();
  return {.violation = violation_, .trace = std::move(trace_)};
}

void CoherenceWorld::after(TimeNs delay, Action action) {
  events_.push({.at = now_ + delay, .order = ++event_counter_, .action = std::make_shared<Action>(std::move(action))});
}

void CoherenceWorld::step_all() {
  while (!events_.empty() && violation_.empty()) {
    const Event event = events_.top();
    if (event.at > heal_at_ + kHealedPhase) return;
    events_.pop();
    now_ = event.at;
    (*event.action)();
    check_step();
  }
}

// ---- network and faults ---------------------------------------------------------------------------------------------

TimeNs CoherenceWorld::network_delay() {
  const bool late = now_ < heal_at_ && random_.chance(late_ppm_);
  return random_.between(kMs / 10, late ? 3000 * kMs : 20 * kMs);
}

void CoherenceWorld::to_coordinator(std::size_t agent, const std::function<void(SimCoordinator&)>& deliver) {
  const bool faulty = now_ < heal_at_;
  const int copies = faulty && random_.chance(duplicate_ppm_) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (now_ < agents_[agent]->cut_to_until || (faulty && random_.chance(loss_ppm_))) continue;
    after(network_delay(), [this, deliver] {
      if (coordinator_ == nullptr) return;
      deliver(*coordinator_);
      flush_coordinator();
    });
  }
}

void CoherenceWorld::to_agent(std::size_t agent, const std::function<void(SimAgent&)>& deliver) {
  const bool faulty = now_ < heal_at_;
  const int copies = faulty && random_.chance(duplicate_ppm_) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (now_ < agents_[agent]->cut_from_until || (faulty && random_.chance(loss_ppm_))) continue;
    const std::uint64_t incarnation = lives_[agent];
    after(network_delay(), [this, agent, incarnation, deliver] {
      if (!alive(agent, incarnation)) return;
      const TimeNs pause = agents_[agent]->paused_until - now_;
      const auto handle = [this, agent, incarnation, deliver] {
        if (!alive(agent, incarnation)) return;
        deliver(*agents_[agent]);
        flush_agent(agent);
      };
      if (pause > 0) return after(pause, handle);
      handle();
    });
  }
}

void CoherenceWorld::faults() {
  if (now_ >= heal_at_) {
    for (auto& agent : agents_) agent->cut_to_until = agent->cut_from_until = agent->paused_until = 0;
    if (coordinator_ == nullptr) start_coordinator();
    return;
  }
  SimAgent& victim = *agents_[random_.below(agents_.size())];
  const std::size_t index = random_.below(agents_.size());
  const TimeNs length = random_.between(50, 2500) * kMs;
  switch (random_.below(8)) {
    case 0:
      victim.cut_to_until = now_ + length;
      break;
    case 1:
      victim.cut_from_until = now_ + length;
      break;
    case 2:
      victim.cut_to_until = victim.cut_from_until = now_ + length;
      break;
    case 3:
      victim.paused_until = now_ + length;
      break;
    case 4:
      start_agent(index);
      break;
    case 5:
    case 6:
      depose_coordinator();
      break;
    default:
      break;
  }
  after(random_.between(50, 900) * kMs, [this] { faults(); });
}

// ---- the coordinator ------------------------------------------------------------------------------------------------

void CoherenceWorld::start_coordinator() {
  coordinator_ = std::make_unique<SimCoordinator>(timing_);
  coordinator_->ballot = {.round = ++rounds_, .node = static_cast<NodeId>(1 + random_.below(3))};
  trace(fmt::format("coordinator {}", to_string(coordinator_->ballot)));
  std::vector<SessionId> live;
  for (const auto& [session, agent] : live_) live.push_back(session);
  coordinator_->directory.begin_recovery(now_, coordinator_->ballot, live, deposed_at_);
  coordinator_->leases.start(now_, live);
  flush_coordinator();
  coordinator_tick(rounds_);
  for (std::size_t agent = 0; agent < agents_.size(); ++agent) {
    if (agents_[agent] == nullptr) continue;
    to_agent(agent, [this](SimAgent& told) { told.holdings.coordinator_changed(now_, kGroup); });
  }
}

void CoherenceWorld::depose_coordinator() {
  if (coordinator_ == nullptr) return;
  trace("coordinator deposed");
  deposed_at_ = now_;
  coordinator_.reset();
  after(random_.between(0, 700) * kMs, [this] {
    if (coordinator_ == nullptr) start_coordinator();
  });
}

void CoherenceWorld::coordinator_tick(std::uint64_t round) {
  if (coordinator_ == nullptr || coordinator_->ballot.round != round) return;
  coordinator_->directory.tick(now_);
  for (SessionId session : coordinator_->leases.overdue(now_)) {
    decide([this, session] { expire_session(session); });
  }
  flush_coordinator();
  after(10 * kMs, [this, round] { coordinator_tick(round); });
}

void CoherenceWorld::flush_coordinator() {
  DirectoryOutput output = coordinator_->directory.take_output();
  for (SessionId session : output.expire) {
    decide([this, session] { expire_session(session); });
  }
  for (DirectoryMessage& message : output.messages) {
    if (auto* granted = std::get_if<wire::Granted>(&message); granted != nullptr && granted->code == Code::kOk) {
      granted->version = blocks_[granted->block].version;
      trace(fmt::format("grant {} {} to {} as {}", block_name(granted->block), to_string(granted->mode), granted->session,
                        to_string(granted->grant)));
      check_order(*granted);
    }
    const SessionId session = std::visit([](const auto& one) { return one.session; }, message);
    const std::optional<std::size_t> agent = agent_of(session);
    if (!agent) continue;
    to_agent(*agent, [this, message](SimAgent& receiver) {
      if (const auto* granted = std::get_if<wire::Granted>(&message)) receiver.holdings.on_granted(now_, *granted);
      if (const auto* recall = std::get_if<wire::Recall>(&message)) receiver.holdings.on_recall(now_, *recall);
      if (const auto* asked = std::get_if<wire::Reregister>(&message)) receiver.holdings.on_reregister(now_, *asked);
    });
  }
}

// ---- the log --------------------------------------------------------------------------------------------------------

void CoherenceWorld::decide(const Action& apply) {
  const std::uint64_t round = rounds_;
  after(random_.between(1, 15) * kMs, [this, round, apply] {
    if (coordinator_ == nullptr || coordinator_->ballot.round != round) return;
    apply();
    flush_coordinator();
  });
}

void CoherenceWorld::open_session(std::size_t agent, std::uint64_t incarnation, TimeNs sent_at) {
  SessionId session = 0;
  for (const auto& [number, owner] : live_) {
    if (owner == std::pair(agent, incarnation)) session = number;
  }
  if (session == 0) {
    session = ++log_length_;
    live_[session] = {agent, incarnation};
    trace(fmt::format("session {} for agent {} life {}", session, agent, incarnation));
    coordinator_->directory.session_opened(session);
    coordinator_->leases.opened(now_, session);
  } else if (!coordinator_->directory.may_renew(session) || coordinator_->leases.renew(now_, session) != Renewal::kRenewed) {
    return;
  }
  to_agent(agent, [this, agent, incarnation, session, sent_at](SimAgent& told) {
    if (told.incarnation != incarnation || told.session != 0 || !live_.contains(session)) return;
    told.session = session;
    told.lease.renewed(sent_at, timing_.agent_lease_ms);
    told.holdings.session_opened(now_, kGroup, session, told.lease.until());
    (void)agent;
  });
}

void CoherenceWorld::expire_session(SessionId session) {
  const auto entry = live_.find(session);
  if (entry == live_.end()) return;
  const auto [agent, incarnation] = entry->second;
  ++log_length_;
  trace(fmt::format("session {} expired", session));
  if (alive(agent, incarnation) && agents_[agent]->session == session && agents_[agent]->lease.holds(now_)) {
    return fail(fmt::format("session {} expired while its agent's lease held", session));
  }
  live_.erase(entry);
  coordinator_->directory.session_expired(now_, session);
  coordinator_->leases.expired(session);
}

std::optional<std::size_t> CoherenceWorld::agent_of(SessionId session) const {
  const auto entry = live_.find(session);
  if (entry == live_.end()) return std::nullopt;
  return entry->second.first;
}

}  // namespace juxmem::sim

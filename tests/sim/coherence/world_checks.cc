// What must be true after every event of the coherence world.
#include <fmt/core.h>

#include <algorithm>

#include "tests/sim/coherence/world.h"

namespace juxmem::sim {

void CoherenceWorld::fail(std::string what) {
  if (violation_.empty()) violation_ = fmt::format("{} (at {} ms)", what, now_ / 1'000'000);
  trace("VIOLATION " + what);
}

void CoherenceWorld::trace(const std::string& line) {
  if (keep_trace_) trace_ += fmt::format("{:>9.3f} {}\n", static_cast<double>(now_) / 1e6, line);
}

// C1 among the agents whose sessions live; and nobody is inside without the ownership it needs.
void CoherenceWorld::check_step() {
  for (const auto& [block, state] : blocks_) {
    std::size_t holders = 0;
    std::size_t exclusive = 0;
    for (const auto& agent : agents_) {
      const HeldBlock* held = agent->holdings.find(block);
      if (held == nullptr || agent->session == 0) continue;
      if (live_.contains(agent->session) && held->mode != Mode::kNone) {
        ++holders;
        exclusive += held->mode == Mode::kExclusive ? 1 : 0;
      }
      for (const auto& [token, mode] : held->local.users()) {
        if (mode > held->mode)
          return fail(fmt::format("C1: token {} inside {} without owning it", token, block_name(block)));
      }
      if (held->local.writer_inside() && held->local.users().size() > 1) {
        return fail(fmt::format("C1: a writer of {} is not alone", block_name(block)));
      }
    }
    if (exclusive > 0 && holders > 1) {
      return fail(fmt::format("C1: {} has {} exclusive among {} holders", block_name(block), exclusive, holders));
    }
  }
}

// C3 (local order), C4, and that nobody enters without a lease.
void CoherenceWorld::check_answer(std::size_t agent, const AcquireAnswer& answer) {
  SimAgent& me = *agents_[agent];
  std::deque<Token>& waiting = me.waiting[answer.block];
  if (answer.code != Code::kOk) {
    std::erase(waiting, answer.token);
    return;
  }
  if (waiting.empty() || waiting.front() != answer.token) {
    return fail(fmt::format("C3: token {} of {} entered before its turn", answer.token, block_name(answer.block)));
  }
  waiting.pop_front();
  if (!me.lease.holds(now_)) return fail(fmt::format("token {} entered without a lease", answer.token));
  const Version current = blocks_.at(answer.block).version;
  if (answer.version != current) {
    fail(fmt::format("C4: token {} sees version {} of {}, which has {}", answer.token, answer.version,
                     block_name(answer.block), current));
  }
}

// C2, and rule 5: the publish of a live session is never below the highest grant that has published.
void CoherenceWorld::check_publish(SessionId session, const Section& section) {
  if (section.grant < blocks_.at(section.block).highest) {
    return fail(fmt::format("C2: session {} publishes to {} under an old grant", session, block_name(section.block)));
  }
  const auto [agent, incarnation] = live_.at(session);
  if (!alive(agent, incarnation)) return;
  const HeldBlock* held = agents_[agent]->holdings.find(section.block);
  if (agents_[agent]->session == session && (held == nullptr || held->mode != Mode::kExclusive)) {
    fail(fmt::format("C2: session {} publishes to {} without holding it", session, block_name(section.block)));
  }
}

// Hands a request to the directory and notes its place, which counts from when it entered the queue.
void CoherenceWorld::deliver_request(SimCoordinator& coordinator, const wire::RequestOwnership& request) {
  const auto queued_number = [&]() -> std::uint64_t {
    const auto record = coordinator.directory.records().find(request.block);
    if (record == coordinator.directory.records().end()) return 0;
    for (const DirectoryRequest& waiting : record->second.queue) {
      if (waiting.session == request.session) return waiting.number;
    }
    return 0;
  };
  const std::uint64_t before = queued_number();
  coordinator.directory.on_request(now_, request);
  const std::uint64_t after = queued_number();
  if (after != 0 && after != before) {
    coordinator.arrivals[{request.block, request.session}] = ++coordinator.arrival_counter;
  }
}

// C3 between agents: whoever still waits in the queue came later than the one that is granted.
void CoherenceWorld::check_order(const wire::Granted& granted) {
  const auto record = coordinator_->directory.records().find(granted.block);
  const bool fresh = granted.grant.ballot == coordinator_->ballot &&
                     coordinator_->grants_seen.insert({granted.block, granted.grant}).second;
  if (!fresh || record == coordinator_->directory.records().end()) return;
  const auto arrived = coordinator_->arrivals.find({granted.block, granted.session});
  const bool had_waited = arrived != coordinator_->arrivals.end();
  const std::uint64_t place = had_waited ? arrived->second : ++coordinator_->arrival_counter;
  for (const DirectoryRequest& waiting : record->second.queue) {
    if (waiting.session == granted.session) continue;
    if (coordinator_->arrivals.at({granted.block, waiting.session}) > place) continue;
    return fail(fmt::format("C3: session {} was granted {} before session {}, which came first", granted.session,
                            block_name(granted.block), waiting.session));
  }
  if (had_waited) coordinator_->arrivals.erase(arrived);
}

// Liveness: with the network healed, every user of a live agent was answered and every section ended.
void CoherenceWorld::check_end() {
  for (std::size_t agent = 0; agent < agents_.size(); ++agent) {
    for (const auto& [token, section] : agents_[agent]->sections) {
      return fail(fmt::format("token {} of agent {} on {} was never served", token, agent, block_name(section.block)));
    }
  }
}

}  // namespace juxmem::sim

// The agents of the coherence world, and the users that take blocks through them.
#include <fmt/core.h>

#include "tests/sim/coherence/world.h"

namespace juxmem::sim {
namespace {
constexpr TimeNs kMs = 1'000'000;
constexpr std::uint64_t kWishesMax = 120;
}  // namespace

void CoherenceWorld::start_agent(std::size_t agent) {
  const std::uint64_t incarnation = ++lives_[agent];
  trace(fmt::format("agent {} life {}", agent, incarnation));
  agents_[agent] = std::make_unique<SimAgent>(timing_);
  agents_[agent]->incarnation = incarnation;
  agent_tick(agent, incarnation);
  use_blocks(agent, incarnation);
}

bool CoherenceWorld::alive(std::size_t agent, std::uint64_t incarnation) const { return lives_[agent] == incarnation; }

void CoherenceWorld::agent_tick(std::size_t agent, std::uint64_t incarnation) {
  if (!alive(agent, incarnation)) return;
  SimAgent& me = *agents_[agent];
  after(std::max(10 * kMs, me.paused_until - now_), [this, agent, incarnation] { agent_tick(agent, incarnation); });
  if (me.paused_until > now_) return;
  me.holdings.tick(now_);
  if (now_ >= me.renew_at) {
    me.renew_at = now_ + ms_to_ns(timing_.agent_renew_ms);
    const TimeNs sent_at = now_;
    const SessionId session = me.session;
    to_coordinator(agent, [this, agent, incarnation, sent_at, session](SimCoordinator& coordinator) {
      if (session == 0) return decide([=, this] { open_session(agent, incarnation, sent_at); });
      if (!live_.contains(session)) return to_agent(agent, [=, this](SimAgent&) { session_lost(agent, session); });
      if (!coordinator.directory.may_renew(session)) return;
      if (coordinator.leases.renew(now_, session) != Renewal::kRenewed) return;
      to_agent(agent, [=, this](SimAgent& told) {
        if (told.session != session) return;
        told.lease.renewed(sent_at, timing_.agent_lease_ms);
        told.holdings.lease_renewed(now_, kGroup, session, told.lease.until());
      });
    });
  }
  flush_agent(agent);
}

void CoherenceWorld::session_lost(std::size_t agent, SessionId session) {
  SimAgent& me = *agents_[agent];
  if (me.session != session) return;
  trace(fmt::format("agent {} learns that session {} is gone", agent, session));
  me.session = 0;
  me.lease.lost();
  for (Token token : me.holdings.session_ended(now_, kGroup)) {
    me.sections.erase(token);
    if (!me.holdings.is_lost(token)) return fail("a lost user is not known as lost");
    me.holdings.release(now_, token);
  }
}

void CoherenceWorld::flush_agent(std::size_t agent) {
  HoldingsOutput output = agents_[agent]->holdings.take_output();
  for (const auto& [group, message] : output.messages) {
    to_coordinator(agent, [this, message = message](SimCoordinator& coordinator) {
      if (const auto* request = std::get_if<wire::RequestOwnership>(&message)) {
        deliver_request(coordinator, *request);
      }
      if (const auto* yield = std::get_if<wire::Yield>(&message)) coordinator.directory.on_yield(now_, *yield);
      if (const auto* reply = std::get_if<wire::HoldingsReply>(&message)) {
        coordinator.directory.on_holdings(now_, *reply);
      }
    });
  }
  for (const AcquireAnswer& answer : output.answers) on_answer(agent, answer);
}

// ---- users ----------------------------------------------------------------------------------------------------------

void CoherenceWorld::use_blocks(std::size_t agent, std::uint64_t incarnation) {
  if (!alive(agent, incarnation) || wishes_ >= kWishesMax) return;
  after(random_.between(1, 250) * kMs, [this, agent, incarnation] { use_blocks(agent, incarnation); });
  SimAgent& me = *agents_[agent];
  if (me.paused_until > now_) return;
  ++wishes_;
  const BlockId block = make_block_id(kGroup, 1 + random_.below(blocks_.size()));
  const bool patient = random_.chance(800'000);
  const AcquireWish wish{.block = block,
                         .mode = random_.chance(500'000) ? Mode::kExclusive : Mode::kShared,
                         .token = ++next_token_,
                         .deadline = patient ? now_ + 1'000'000 * kMs : now_ + random_.between(1, 600) * kMs,
                         .try_only = !patient && random_.chance(400'000)};
  trace(fmt::format("agent {} token {} wants {} {}{}", agent, wish.token, block_name(block), to_string(wish.mode),
                    wish.try_only ? " at once" : ""));
  me.waiting[block].push_back(wish.token);
  me.sections[wish.token] = {.block = block, .mode = wish.mode, .grant = {}};
  me.holdings.acquire(now_, wish);
  flush_agent(agent);
}

void CoherenceWorld::on_answer(std::size_t agent, const AcquireAnswer& answer) {
  trace(fmt::format("agent {} token {} {}: {}", agent, answer.token, block_name(answer.block), name_of(answer.code)));
  check_answer(agent, answer);
  SimAgent& me = *agents_[agent];
  if (answer.code != Code::kOk) {
    me.sections.erase(answer.token);
    return;
  }
  me.sections.at(answer.token).grant = answer.grant;
  const std::uint64_t incarnation = me.incarnation;
  after(random_.between(0, 60) * kMs, [this, agent, incarnation, token = answer.token] {
    if (alive(agent, incarnation)) end_section(agent, token);
  });
}

void CoherenceWorld::end_section(std::size_t agent, Token token) {
  SimAgent& me = *agents_[agent];
  const auto found = me.sections.find(token);
  if (found == me.sections.end()) return;
  if (found->second.mode == Mode::kExclusive && random_.chance(700'000)) {
    found->second.publishing = true;
    return publish(agent, me.incarnation, token, me.session);
  }
  me.sections.erase(found);
  me.holdings.release(now_, token);
  flush_agent(agent);
}

// Sends the section's publish again and again until it is answered or the session is gone.
void CoherenceWorld::publish(std::size_t agent, std::uint64_t incarnation, Token token, SessionId session) {
  if (!alive(agent, incarnation) || !agents_[agent]->sections.contains(token)) return;
  const Section section = agents_[agent]->sections.at(token);
  to_coordinator(agent, [this, agent, token, session, section](SimCoordinator&) {
    decide([this, agent, token, session, section] {
      const bool accepted = live_.contains(session);
      Version version = 0;
      if (accepted && published_.contains({session, token})) {
        version = published_.at({session, token});
      } else if (accepted) {
        check_publish(session, section);
        SimBlock& block = blocks_[section.block];
        block.highest = std::max(block.highest, section.grant);
        version = block.version = ++log_length_;
        published_[{session, token}] = version;
        trace(fmt::format("publish of token {} on {}: version {}", token, block_name(section.block), version));
      }
      to_agent(agent, [=, this](SimAgent&) { on_published(agent, token, session, accepted, version); });
    });
  });
  after(150 * kMs, [=, this] { publish(agent, incarnation, token, session); });
}

void CoherenceWorld::on_published(std::size_t agent, Token token, SessionId session, bool accepted, Version version) {
  SimAgent& me = *agents_[agent];
  const auto found = me.sections.find(token);
  if (found == me.sections.end() || me.session != session) return;
  if (!accepted) return session_lost(agent, session);
  me.holdings.published(found->second.block, version, {});
  me.sections.erase(found);
  me.holdings.release(now_, token);
}

}  // namespace juxmem::sim

// The client core and its agent: greeting, signs of life, going to another one.
#include <algorithm>
#include <utility>

#include "juxmem/client/client_core.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {
namespace {

constexpr std::int64_t kFirstGreetingMs = 10;

constexpr const char* kNotAdmitted = "this key is not admitted there, or was revoked";
constexpr const char* kNoCommonKey = "no common key: the grid wants one (set JUXMEM_KEY_FILE), has another one, or has none";

}  // namespace

// From one agent to the next nothing is carried over but the open requests.
void ClientCore::turn_to_agent(TimeNs now) {
  welcomed_ = false;
  refused_ = false;
  greeting_ms_ = kFirstGreetingMs;
  agent_incarnation_ = 0;
  agent_ = agents_.current().empty() ? 0 : env_.network().dial(agents_.current());
  waiting_since_ = 0;
  greet(now);
}

void ClientCore::greet(TimeNs now) {
  if (waiting_since_ == 0) waiting_since_ = now;
  // Quick at first: an agent that has only just been started is ready soon.
  next_beat_ = now + ms_to_ns(greeting_ms_);
  greeting_ms_ = std::min(greeting_ms_ * 2, options_.timing.resend_ms);
  post(wire::ClientHello{.client = options_.client, .program = options_.program}, 0);
}

void ClientCore::on_welcome(const wire::Packet&, wire::ClientWelcome welcome) {
  const TimeNs now = env_.clock().now();
  if (welcome.code != Code::kOk) {
    if (welcomed_) return;  // said before it had joined, and late
    refusal_ = agents_.current() + ": " + to_string(Error{welcome.code, welcome.detail});
    refused_ = true;
    return;
  }
  if (welcomed_ && welcome.incarnation < agent_incarnation_) return;  // of a former life, late: each has a higher number
  agents_.learn(welcome.site, std::move(welcome.providers));
  if (welcomed_ && welcome.incarnation == agent_incarnation_) return;
  if (welcomed_) {  // it has begun another life
    welcomed_ = false;
    lose_agent();
  }
  welcomed_ = true;
  refused_ = false;
  agent_node_ = welcome.agent;
  agent_incarnation_ = welcome.incarnation;
  agent_lease_ns_ = ms_to_ns(welcome.client_lease_ms);
  surely_heard_us_at_ = 0;
  refusal_.clear();
  key_refusals_ = 0;
  next_beat_ = now + ms_to_ns(options_.timing.client_beat_ms);
  for (auto& [number, request] : requests_) {
    if (request.term != term_) send_request(request, now);
  }
  finish_connects({});
}

void ClientCore::finish_connects(Status status) {
  std::vector<std::pair<TimeNs, Completion<void>>> waiting = std::exchange(connects_, {});
  for (auto& [deadline, done] : waiting) done(status);
}

// An agent that does not know us has let our sections go; so has one that has begun another life.
void ClientCore::on_agent_beat(std::uint64_t incarnation, const wire::AgentBeat& beat) {
  const bool is_late = incarnation != 0 && incarnation < agent_incarnation_;
  const bool is_new_life = incarnation > agent_incarnation_;
  if (!welcomed_ || is_late || (beat.known && !is_new_life)) return;
  welcomed_ = false;
  lose_agent();
  greet(env_.clock().now());
}

void ClientCore::beat(TimeNs now) {
  wire::ClientBeat beat;
  beat.client = options_.client;
  beat.confirmed = confirmed();
  beat.last = next_request_ - 1;
  for (const auto& [number, request] : requests_) beat.open.push_back(number);
  for (const auto& [id, section] : sections_) {
    if (section.term == term_) beat.held.push_back(section.agent_section);
  }
  std::sort(beat.held.begin(), beat.held.end());
  unconfirmed_ = 0;
  if (waiting_since_ == 0) waiting_since_ = now;
  next_beat_ = now + ms_to_ns(options_.timing.client_beat_ms);
  post(std::move(beat), 0);
}

void ClientCore::watch_agent(TimeNs now) {
  const bool silent = waiting_since_ != 0 && now - waiting_since_ >= ms_to_ns(options_.timing.agent_silent_ms);
  // One that lives but cannot serve: another one may.
  const bool useless = refused_ && now >= next_beat_ && greeting_ms_ >= options_.timing.resend_ms && agents_.size() > 1;
  if (silent || useless) {
    change_agent(now);
    return;
  }
  if (now < next_beat_) return;
  if (welcomed_) {
    beat(now);
  } else {
    greet(now);
  }
}

void ClientCore::change_agent(TimeNs now) {
  if (welcomed_) {
    ++stats_.agents_changed;
    // If it lives after all, it need not wait for our lease to end.
    post(wire::ClientGoodbye{.client = options_.client}, 0);
    flush();
    welcomed_ = false;
    lose_agent();
  }
  outgoing_.clear();
  outgoing_bytes_ = 0;
  const PeerId former = agent_;
  agents_.next();
  turn_to_agent(now);
  if (former != 0 && former != agent_) env_.network().hang_up(former);
}

// Hints of the environment: they only make earlier what silence would bring about.
void ClientCore::on_peer_event(PeerId peer, PeerEvent event) {
  if (stopped_ || peer != agent_) return;
  const TimeNs now = env_.clock().now();
  switch (event) {
    case PeerEvent::kReconnected:
      // The same life or another one? It will say.
      if (welcomed_)
        beat(now);
      else
        greet(now);
      return;
    case PeerEvent::kGone:
      if (welcomed_ || agents_.size() > 1) change_agent(now);
      return;
    case PeerEvent::kKeyRefused:
      return on_key_refused(now, kNotAdmitted);
    case PeerEvent::kNoHandshake:
      return on_key_refused(now, kNoCommonKey);
  }
}

void ClientCore::on_key_refused(TimeNs now, const char* why) {
  refusal_ = agents_.current() + ": " + why;
  ++key_refusals_;
  if (key_refusals_ >= agents_.size()) {
    finish_connects(fail(Code::kKeyRefused, refusal_));
    std::vector<std::uint64_t> unsent;
    for (const auto& [number, request] : requests_) {
      if (request.term == 0) unsent.push_back(number);
    }
    for (const std::uint64_t number : unsent) {
      if (requests_.contains(number)) finish(number, fail(Code::kKeyRefused, refusal_));
    }
  }
  if (!stopped_ && (welcomed_ || agents_.size() > 1)) change_agent(now);
}

// Its sections are lost, and with them what only it could answer.
void ClientCore::lose_agent() {
  ++term_;
  cancelled_acquires_.clear();
  next_writes_.clear();
  for (const auto& [id, section] : sections_) {
    if (section.term + 1 == term_) ++stats_.sections_lost;
  }
  std::vector<std::uint64_t> bound;
  for (auto& [number, request] : requests_) {
    set_resend(request, 0);
    if (request.at_loss == AtLoss::kFail && request.term != 0) bound.push_back(number);
  }
  for (const std::uint64_t number : bound) {
    if (requests_.contains(number)) finish(number, fail(Code::kOwnerDead, "the provider was lost"));
  }
}

// Counted from before our last request that it answered was sent, on the slower of two clocks.
bool ClientCore::agent_surely_knows_us(TimeNs now) const {
  const TimeNs drift = agent_lease_ns_ / 1'000'000 * options_.timing.clock_drift_ppm;
  return welcomed_ && surely_heard_us_at_ != 0 && now - surely_heard_us_at_ < agent_lease_ns_ - drift;
}

}  // namespace juxmem

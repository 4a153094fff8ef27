#include "tests/sim/grid/sim_network.h"

#include <fmt/core.h>

#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/wire/codec.h"
#include "tests/sim/grid/describe.h"

namespace juxmem::sim {

HostId SimNetwork::add_host(std::uint32_t site, std::int64_t clock_rate_ppm, TimeNs clock_offset) {
  hosts_.push_back({.site = site, .clock_rate_ppm = clock_rate_ppm, .clock_offset = clock_offset});
  unblock_all();
  return hosts_.size() - 1;
}

void SimNetwork::block(HostId from, HostId to, bool blocked) { blocked_[from][to] = blocked; }

void SimNetwork::unblock_all() { blocked_.assign(hosts_.size(), std::vector<bool>(hosts_.size(), false)); }

TimeNs SimNetwork::local_time(HostId host) const {
  const Host& here = hosts_[host];
  const TimeNs now = world_.now();
  return here.clock_offset + now + now / 1'000'000 * here.clock_rate_ppm;
}

SimEnv* SimNetwork::process(std::uint64_t number) const {
  const auto found = processes_.find(number);
  return found == processes_.end() ? nullptr : found->second;
}

void SimNetwork::send(SimEnv& from, Route& route, wire::Packet packet) {
  if (observer_) observer_(packet);
  Random& random = world_.random();
  if (faults_.codec_ppm != 0 && random.chance(faults_.codec_ppm)) {
    const std::vector<Buffer> parts = wire::encode(packet);
    Result<wire::Packet> decoded = wire::decode(parts);
    if (!decoded || *decoded != packet) {
      return world_.fail(fmt::format("the codec does not return a packet unchanged: {}", describe(packet)));
    }
    packet = *std::move(decoded);
  }
  const auto shared = std::make_shared<const wire::Packet>(std::move(packet));
  if (!random.chance(faults_.loss_ppm)) carry(from, route, shared);
  if (random.chance(faults_.duplicate_ppm)) carry(from, route, shared);
}

void SimNetwork::carry(const SimEnv& from, Route& route, std::shared_ptr<const wire::Packet> packet) {
  Random& random = world_.random();
  TimeNs delay = random.between(faults_.delay_min, faults_.delay_max);
  SimEnv* to = nullptr;
  if (route.process != 0) {
    to = process(route.process);
  } else if (const auto listener = listeners_.find(route.address); listener != listeners_.end()) {
    to = process(listener->second);
  }
  if (to != nullptr && hosts_[to->host_].site != hosts_[from.host_].site) delay += faults_.wan_delay;
  if (random.chance(faults_.late_ppm)) delay += random.between(0, faults_.late_max);
  TimeNs when = world_.now() + delay;
  if (!random.chance(faults_.reorder_ppm)) route.last_arrival = when = std::max(when, route.last_arrival + 1);
  world_.at(when, [this, sender = from.number_, host = from.host_, sender_address = from.address_, address = route.address,
                   number = route.process,
                   packet = std::move(packet)] { arrive(sender, host, sender_address, address, number, *packet); });
}

void SimNetwork::arrive(std::uint64_t sender, HostId sender_host, const std::string& sender_address,
                        const std::string& address, std::uint64_t number, const wire::Packet& packet) {
  if (number == 0) {
    const auto listener = listeners_.find(address);
    if (listener == listeners_.end()) return;
    number = listener->second;
  }
  SimEnv* to = process(number);
  if (to == nullptr || to->handler_ == nullptr || blocked_[sender_host][to->host_]) return;
  if (to->is_paused()) {
    // What has arrived waits for the process, but a new connection would not find it again.
    world_.at(to->paused_until_, [=, this] { arrive(sender, sender_host, sender_address, address, number, packet); });
    return;
  }
  ++delivered_;
  const bool is_answer = address.empty();
  const PeerId peer = is_answer ? to->dial(sender_address) : to->accepted(sender);
  if (world_.keeps_trace()) world_.trace(fmt::format("{} <- {}", to->name_, describe(packet)));
  to->handler_->on_packet(peer, packet);
  to->end_turn();
}

void SimNetwork::tell_dialers(const std::string& address, HostId host, PeerEvent event) {
  for (const auto& [number, dialer] : processes_) {
    const auto dialed = dialer->dialed_.find(address);
    if (dialed == dialer->dialed_.end() || blocked_[host][dialer->host_] || world_.random().chance(500'000)) continue;
    const TimeNs delay = world_.random().between(1, 100) * kMs;
    dialer->run_turn(
        [this, number = number, peer = dialed->second, event] {
          SimEnv* me = process(number);
          if (me->handler_ != nullptr && me->routes_.contains(peer)) me->handler_->on_peer_event(peer, event);
        },
        delay);
  }
}

// ---- SimEnv ---------------------------------------------------------------------------------------------------------

SimEnv::SimEnv(SimNetwork& network, HostId host, std::string name, std::string address, std::uint64_t seed)
    : network_(network), host_(host), name_(std::move(name)), address_(std::move(address)), random_(seed) {
  number_ = ++network_.process_counter_;
  network_.processes_[number_] = this;
  if (address_.empty()) return;
  network_.listeners_[address_] = number_;
  network_.tell_dialers(address_, host_, PeerEvent::kReconnected);
}

SimEnv::~SimEnv() {
  network_.processes_.erase(number_);
  const auto listener = network_.listeners_.find(address_);
  if (listener == network_.listeners_.end() || listener->second != number_) return;
  network_.listeners_.erase(listener);
  network_.tell_dialers(address_, host_, PeerEvent::kGone);
}

void SimEnv::attach(Handler* handler, std::function<void()> after_turn) {
  handler_ = handler;
  after_turn_ = std::move(after_turn);
}

bool SimEnv::is_paused() const { return network_.world_.now() < paused_until_; }

void SimEnv::run_turn(std::function<void()> work, TimeNs delay) {
  const TimeNs when = std::max(paused_until_, network_.world_.now() + delay);
  network_.world_.at(when, [network = &network_, number = number_, work = std::move(work)] {
    SimEnv* me = network->process(number);
    if (me == nullptr) return;
    if (me->is_paused()) return me->run_turn(work);
    work();
    me->end_turn();
  });
}

void SimEnv::wake_at(TimeNs when) {
  const TimeNs local_delay = std::max<TimeNs>(when - now(), 0);
  const std::int64_t rate = network_.hosts_[host_].clock_rate_ppm;
  const TimeNs delay = local_delay - local_delay / 1'000'000 * rate + 1000;
  network_.world_.after(std::min<TimeNs>(delay, 3'600'000 * kMs), [network = &network_, number = number_, wake = ++wakes_] {
    if (SimEnv* me = network->process(number)) me->on_wake(wake);
  });
}

void SimEnv::on_wake(std::uint64_t wake) {
  if (wake != wakes_) return;
  if (is_paused()) {
    network_.world_.at(paused_until_, [network = &network_, number = number_, wake] {
      if (SimEnv* me = network->process(number)) me->on_wake(wake);
    });
    return;
  }
  handler_->on_timer();
  end_turn();
}

void SimEnv::end_turn() {
  handler_->end_turn();
  if (after_turn_) after_turn_();
}

PeerId SimEnv::dial(std::string_view address) {
  const auto known = dialed_.find(address);
  if (known != dialed_.end()) return known->second;
  const PeerId peer = ++peer_counter_;
  dialed_.emplace(address, peer);
  routes_[peer] = {.address = std::string(address)};
  return peer;
}

PeerId SimEnv::accepted(std::uint64_t process) {
  PeerId& peer = accepted_[process];
  if (peer == 0) {
    peer = ++peer_counter_;
    routes_[peer] = {.address = {}, .process = process};
  }
  return peer;
}

void SimEnv::send(PeerId to, wire::Packet packet) {
  const auto route = routes_.find(to);
  if (route != routes_.end()) network_.send(*this, route->second, std::move(packet));
}

void SimEnv::hang_up(PeerId peer) {
  const auto route = routes_.find(peer);
  if (route == routes_.end()) return;
  dialed_.erase(route->second.address);
  accepted_.erase(route->second.process);
  routes_.erase(route);
}

}  // namespace juxmem::sim

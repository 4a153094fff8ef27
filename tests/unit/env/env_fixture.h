// Several environments driven in turn by one thread.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/env/real_env.h"
#include "tests/unit/env/temp_dir.h"

namespace juxmem {

// A packet that says a number and carries `bytes` bytes.
inline wire::Packet packet_of(std::uint64_t number, std::size_t bytes = 0) {
  wire::Propose propose;
  propose.tag = number;
  propose.data = Buffer::take(std::vector<std::byte>(bytes, std::byte{1}));
  return wire::Packet{.from = 1, .incarnation = 2, .to = 3, .to_incarnation = 4, .messages = {wire::GroupMessage(propose)}};
}

inline std::uint64_t number_in(const wire::Packet& packet) {
  return std::get<wire::Propose>(std::get<wire::GroupMessage>(packet.messages.at(0))).tag;
}

// Notes everything that is called; answers each packet if told to.
class Recorder : public Handler {
 public:
  void on_packet(PeerId from, wire::Packet packet) override {
    senders.push_back(from);
    packets.push_back(std::move(packet));
    if (reaction) reaction(from);
  }
  void on_peer_event(PeerId peer, PeerEvent event) override { events.emplace_back(peer, event); }
  void on_timer() override { ++timers; }
  void end_turn() override { ++turns; }

  std::vector<PeerId> senders;
  std::vector<wire::Packet> packets;
  std::vector<std::pair<PeerId, PeerEvent>> events;
  std::function<void(PeerId)> reaction;
  int timers = 0;
  int turns = 0;
};

struct Party {
  std::unique_ptr<RealEnv> env;
  Recorder recorder;
};

class RealEnvTest : public testing::Test {
 protected:
  // The largest time anything here may take before the test gives up.
  static constexpr std::int64_t kPatienceMs = 30'000;

  Party& party(RealEnvOptions options) {
    Result<std::unique_ptr<RealEnv>> env = RealEnv::create(options);
    if (!env) throw std::runtime_error(to_string(env.error()));
    parties_.push_back(std::make_unique<Party>());
    Party& made = *parties_.back();
    made.env = std::move(*env);
    made.env->attach(made.recorder);
    return made;
  }
  Party& listener(const std::string& address) {
    RealEnvOptions options;
    options.listen = {address};
    return party(options);
  }
  Party& dialer() { return party({}); }

  std::string ipc(const std::string& name) const { return "ipc://" + temp_.path() + "/" + name; }

  // Runs all parties in turn until `done`; false if that never happens.
  bool run_until(const std::function<bool()>& done) {
    const Clock& clock = parties_.front()->env->clock();
    const TimeNs end = clock.now() + ms_to_ns(kPatienceMs);
    while (!done()) {
      if (clock.now() >= end) return false;
      for (const auto& one : parties_) one->env->run_once(clock.now() + ms_to_ns(1));
    }
    return true;
  }

  // Runs until this is the last event told.
  bool comes_to(Party& party, PeerId peer, PeerEvent event) {
    return run_until(
        [&] { return !party.recorder.events.empty() && party.recorder.events.back() == std::pair(peer, event); });
  }

  TempDir temp_;
  std::vector<std::unique_ptr<Party>> parties_;
};

}  // namespace juxmem

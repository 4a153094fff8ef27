#include "tests/unit/client/client_world.h"

#include <gtest/gtest.h>

#include "juxmem/base/timing.h"

namespace juxmem {

ClientWorld::ClientWorld(std::vector<std::string> addresses) {
  ClientCore::Options options;
  options.addresses = std::move(addresses);
  options.client = kClient;
  options.program = "test:1";
  core_ = std::make_unique<ClientCore>(*this, std::move(options));
  core_->end_turn();
}

PeerId ClientWorld::dial(std::string_view address) {
  const auto found = peers_.find(address);
  if (found != peers_.end()) return found->second;
  const PeerId peer = peers_.size() + 1;
  peers_.emplace(address, peer);
  return peer;
}

void ClientWorld::send(PeerId to, wire::Packet packet) {
  ++packets_[to];
  for (wire::Message& message : packet.messages) {
    auto& mine = std::get<wire::ClientMessage>(message);
    if (std::holds_alternative<wire::ClientBeat>(mine)) beaten_.push_back(to);
    sent_[to].push_back(std::move(mine));
  }
}

void ClientWorld::pass_ms(std::int64_t ms) {
  const TimeNs end = now_ + ms_to_ns(ms);
  while (wake_at_ <= end) {
    now_ = std::max(now_, wake_at_);
    wake_at_ = end + 1;
    core_->on_timer();
    core_->end_turn();
    answer_beats();
  }
  now_ = end;
}

void ClientWorld::answer_beats() {
  const std::vector<PeerId> beaten = std::exchange(beaten_, {});
  if (!beats_are_answered) return;
  for (const PeerId peer : beaten) {
    wire::Packet packet;
    packet.messages.emplace_back(wire::ClientMessage(wire::AgentBeat{.client = kClient, .known = true}));
    core_->on_packet(peer, std::move(packet));
  }
  core_->end_turn();
}

void ClientWorld::say(const std::string& address, wire::ClientMessage message) {
  wire::Packet packet;
  packet.incarnation = incarnations_[dial(address)];
  packet.messages.emplace_back(std::move(message));
  core_->on_packet(dial(address), std::move(packet));
  core_->end_turn();
}

void ClientWorld::welcome(const std::string& address, std::uint64_t incarnation, std::vector<std::string> others) {
  incarnations_[dial(address)] = incarnation;
  wire::ClientWelcome welcome;
  welcome.client = kClient;
  welcome.agent = static_cast<NodeId>(dial(address));
  welcome.incarnation = incarnation;
  welcome.site = "here";
  welcome.client_lease_ms = 1500;
  NodeId node = 100;
  for (const std::string& other : others) welcome.providers.push_back({++node, "here", other, true});
  say(address, std::move(welcome));
}

void ClientWorld::answer(const std::string& address, wire::ClientAnswer answer) {
  answer.client = kClient;
  say(address, std::move(answer));
}

void ClientWorld::refuse(const std::string& address, std::uint64_t request, Code code) {
  wire::ClientAnswer refusal;
  refusal.request = request;
  refusal.code = code;
  answer(address, std::move(refusal));
}

SectionId ClientWorld::hold(const std::string& address, BlockId block, std::uint64_t agent_section, Version version) {
  Kept<Acquired> acquired;
  core_->acquire({.block = block, .mode = Mode::kExclusive, .try_only = false, .wants = {}}, 10'000, acquired.completion());
  flush();
  const auto requests = take<wire::AcquireRequest>(address);
  EXPECT_EQ(requests.size(), 1U);
  wire::ClientAnswer grant;
  grant.request = requests.back().request;
  grant.block = block;
  grant.section = agent_section;
  grant.version = version;
  grant.size_bytes = 1U << 20;
  grant.op = OpId{.session = 9, .slot = 1, .counter = agent_section};
  answer(address, std::move(grant));
  EXPECT_TRUE(acquired.is_ok());
  return acquired.value().section;
}

}  // namespace juxmem

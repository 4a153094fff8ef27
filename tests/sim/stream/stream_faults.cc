// What happens to a StreamWorld: its shape, its clients, its faults, and when it has recovered.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "tests/sim/stream/stream_world.h"

namespace juxmem::sim {
namespace {

constexpr std::int64_t kUs = 1'000;

const std::vector<std::vector<int>> kShapes = {{3}, {3}, {3}, {5}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {2, 1}, {1}, {2}, {4}};

}  // namespace

void StreamWorld::choose_shape() {
  const std::vector<int>& shape = kShapes[random_.below(kShapes.size())];
  NodeId node = 1;
  for (std::size_t site = 0; site < shape.size(); ++site) {
    for (int i = 0; i < shape[site]; ++i) members_.push_back({node++, static_cast<SiteId>(site + 1)});
  }
  config_.stream = {7, 1};
  config_.members = members_;
  config_.preferred = random_.chance(500'000) ? members_[random_.below(members_.size())].node : 0;
  config_.timing.digest_every = 16;
  if (random_.chance(500'000)) {
    config_.limits.batch_entries = static_cast<std::uint32_t>(1 + random_.below(4));
    config_.limits.window_bytes = 200 + random_.below(2000);
  }
  config_.limits.undecided_bytes = 4'000 + random_.below(16'000);
  if (random_.chance(200'000)) config_.limits.kept_bytes = 2000 + random_.below(8000);
  client_pause_max_ = std::array{2, 10, 40}[random_.below(3)] * 1000 * kUs;
}

void StreamWorld::choose_network() {
  network_.loss_ppm = std::array{0U, 10'000U, 100'000U, 300'000U}[random_.below(4)];
  network_.repeat_ppm = std::array{0U, 50'000U, 300'000U}[random_.below(3)];
  network_.late_ppm = std::array{0U, 10'000U, 100'000U}[random_.below(3)];
  network_.delay_min = 50 * kUs;
  network_.delay_max = std::array{1'000, 5'000, 40'000}[random_.below(3)] * kUs;
  network_.late_max = std::array{50, 250, 1'000}[random_.below(3)] * 1000 * kUs;
  network_.blocked.assign(members_.size(), std::vector<bool>(members_.size(), false));
}

// ---- clients ------------------------------------------------------------------------------------------------------

void StreamWorld::clients_work() {
  if (!clients_on_) return;
  client_step();
  schedule(now_ + random_.between(10 * kUs, client_pause_max_), [this] { clients_work(); });
}

void StreamWorld::client_step() {
  const std::size_t reader = any_node();
  if (Node& node = nodes_[reader]; node.stream && now_ >= node.paused_until && node.reads.size() < 1000) {
    node.reads[++tags_] = {acknowledged_};
    with(reader, [tag = tags_](Stream& stream, TimeNs now) { (void)stream.request_read(now, tag); });
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].stream || now_ < nodes_[i].paused_until || !nodes_[i].stream->is_coordinator()) continue;
    const std::uint64_t count = 1 + random_.below(4);
    with(i, [&](Stream& stream, TimeNs now) {
      for (std::uint64_t n = 0; n < count; ++n) {
        wire::Entry entry{{}, wire::EntryKind::kCommand, Buffer::copy_of(fmt::format("v{}", ++values_)), {}};
        (void)stream.propose(now, std::move(entry));
      }
    });
    if (random_.chance(100'000)) {  // a grant tells another replica what is decided
      const std::size_t other = any_node();
      const Ballot ballot = nodes_[i].stream->ballot();
      const Instance decided = nodes_[i].handed_out;
      if (nodes_[i].stream->is_coordinator()) {
        with(other, [=](Stream& stream, TimeNs now) { stream.learn_decided(now, ballot, decided); });
      }
    }
  }
}

// ---- faults -------------------------------------------------------------------------------------------------------

void StreamWorld::faults_strike() {
  schedule(now_ + random_.between(20'000 * kUs, 700'000 * kUs), [this] {
    if (!faults_on_) return;
    strike();
    faults_strike();
  });
}

void StreamWorld::strike() {
  const std::size_t victim = any_node();
  // Half of the time, strike where it hurts most.
  const auto leader = std::find_if(nodes_.begin(), nodes_.end(),
                                   [](const Node& node) { return node.stream && node.stream->is_coordinator(); });
  const std::size_t target = leader != nodes_.end() && random_.chance(500'000)
                                 ? static_cast<std::size_t>(leader - nodes_.begin())
                                 : victim;
  auto& blocked = network_.blocked;
  const std::uint64_t kind = random_.below(10);
  note(fmt::format("fault {} at {}", kind, nodes_[target].id));
  switch (kind) {
    case 0:  // nothing reaches it
      for (std::size_t i = 0; i < nodes_.size(); ++i) blocked[i][target] = true;
      break;
    case 1:  // it reaches nobody
      for (std::size_t i = 0; i < nodes_.size(); ++i) blocked[target][i] = true;
      break;
    case 2:
      for (std::size_t i = 0; i < nodes_.size(); ++i) blocked[i][target] = blocked[target][i] = true;
      break;
    case 3: {  // two halves
      std::vector<bool> side;
      for (std::size_t i = 0; i < nodes_.size(); ++i) side.push_back(random_.chance(500'000));
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        for (std::size_t j = 0; j < nodes_.size(); ++j) blocked[i][j] = side[i] != side[j];
      }
      break;
    }
    case 4: blocked[target][any_node()] = true; break;
    case 5: nodes_[target].paused_until = now_ + random_.between(0, 1'500'000 * kUs); break;
    case 6: crash(target); break;
    case 7: nodes_[target].hung_until = now_ + random_.between(0, 3'000'000 * kUs); break;
    case 8:
      with(target, [to = nodes_[victim].id](Stream& stream, TimeNs now) { (void)stream.transfer(now, to); });
      if (random_.chance(500'000)) {  // and soon it hears nobody
        schedule(now_ + random_.between(0, 2 * network_.delay_max), [this, target] {
          for (std::size_t i = 0; faults_on_ && i < nodes_.size(); ++i) network_.blocked[i][target] = true;
        });
      }
      break;
    default: break;
  }
  if (random_.chance(400'000)) {
    for (auto& row : blocked) row.assign(nodes_.size(), false);
  }
}

// For ever, and only as many as the quorums bear.
void StreamWorld::crash(std::size_t index) {
  std::uint64_t alive = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i != index && nodes_[i].stream && !nodes_[i].stream->status(clock_of(nodes_[i])).left_behind) alive |= 1ULL << i;
  }
  if (!QuorumSystem(members_).is_quorum(alive)) return;
  nodes_[index].stream.reset();
  nodes_[index].reads.clear();
}

void StreamWorld::heal() {
  note("faults stop");
  faults_on_ = false;
  for (auto& row : network_.blocked) row.assign(nodes_.size(), false);
  network_.loss_ppm = network_.repeat_ppm = network_.late_ppm = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].paused_until = nodes_[i].hung_until = 0;
    if (nodes_[i].stream) apply(i);
  }
}

// One coordinator serves, everybody alive follows it, holds all it has decided, and waits for nothing.
bool StreamWorld::finished() {
  const auto leader = std::find_if(nodes_.begin(), nodes_.end(), [this](const Node& node) {
    return node.stream && node.stream->serves(clock_of(node));
  });
  bool someone_left_behind = false;
  for (const Node& node : nodes_) {
    if (node.stream && node.stream->status(clock_of(node)).left_behind) someone_left_behind = true;
  }
  if (someone_left_behind) return config_.limits.kept_bytes < (1U << 20);
  if (leader == nodes_.end()) return false;
  for (const Node& node : nodes_) {
    if (!node.stream) continue;
    if (node.stream->coordinator() != leader->id || node.applied != leader->stream->last() || !node.reads.empty()) return false;
    if (node.digest != leader->digest) fail(fmt::format("S3: the states of {} and {} differ", node.id, leader->id));
  }
  return true;
}

}  // namespace juxmem::sim

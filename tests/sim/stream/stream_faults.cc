// What happens to a StreamWorld: its shape, its clients, its faults, and when it has recovered.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "tests/sim/stream/stream_world.h"

namespace juxmem::sim {
namespace {

constexpr std::int64_t kUs = 1'000;

const std::vector<std::vector<int>> kShapes = {{3},       {3},    {3},    {5},    {1, 1, 1}, {2, 2, 2}, {3, 3, 3},
                                               {1, 3, 3}, {1, 2}, {2, 3}, {2, 1}, {1},       {2},       {4}};

}  // namespace

void StreamWorld::choose_shape() {
  const std::vector<int>& shape = kShapes[random_.below(kShapes.size())];
  NodeId node = 1;
  for (std::size_t site = 0; site < shape.size(); ++site) {
    for (int i = 0; i < shape[site]; ++i) config_.members.push_back({node++, static_cast<SiteId>(site + 1)});
  }
  for (const StreamMember& member : config_.members) nodes_.emplace_back().id = member.node;
  change_ppm_ = std::array{0U, 2'000U, 20'000U}[random_.below(3)];
  for (std::uint64_t spares = change_ppm_ == 0 ? 0 : random_.below(4); spares > 0; --spares)
    nodes_.emplace_back().id = node++;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].site =
        i < config_.members.size() ? config_.members[i].site : static_cast<SiteId>(1 + random_.below(shape.size()));
  }
  config_.stream = {7, 1};
  config_.preferred = random_.chance(500'000) ? config_.members[random_.below(config_.members.size())].node : 0;
  config_.timing.digest_every = 16;
  if (random_.chance(500'000)) {
    config_.limits.batch_entries = static_cast<std::uint32_t>(1 + random_.below(4));
    config_.limits.window_bytes = 200 + random_.below(2000);
  }
  config_.limits.undecided_bytes = 4'000 + random_.below(16'000);
  if (random_.chance(200'000)) config_.limits.kept_bytes = 2000 + random_.below(8000);
  config_.timing.thrift_ms = std::array{0, 1, 5}[random_.below(3)];
  config_.timing.relay_ms = std::array{0, 10, 50}[random_.below(3)];
  config_.timing.follow_ms = std::array{0, 150, 1'000}[random_.below(3)];
  client_pause_max_ = std::array{2, 10, 40}[random_.below(3)] * 1000 * kUs;
  Random disks(seed_);
  if (disks.chance(400'000)) sync_max_ = std::array{200, 3'000, 20'000}[disks.below(3)] * kUs;
  if (sync_max_ > 0) config_.durability = Durability::kDisk;
}

void StreamWorld::choose_network() {
  network_.loss_ppm = std::array{0U, 10'000U, 100'000U, 300'000U}[random_.below(4)];
  network_.repeat_ppm = std::array{0U, 50'000U, 300'000U}[random_.below(3)];
  network_.late_ppm = std::array{0U, 10'000U, 100'000U}[random_.below(3)];
  network_.delay_min = 50 * kUs;
  network_.delay_max = std::array{1'000, 5'000, 40'000}[random_.below(3)] * kUs;
  network_.late_max = std::array{50, 250, 1'000}[random_.below(3)] * 1000 * kUs;
  network_.blocked.assign(nodes_.size(), std::vector<bool>(nodes_.size(), false));
}

// ---- clients ------------------------------------------------------------------------------------------------------

void StreamWorld::clients_work() {
  if (!clients_on_) return;
  client_step();
  schedule(now_ + random_.between(10 * kUs, client_pause_max_), [this] { clients_work(); });
}

void StreamWorld::client_step() {
  const std::size_t reader = any_node();
  Node& asked = nodes_[reader];
  if (Stream* stream = present(reader);
      stream != nullptr && now_ >= asked.paused_until && asked.reads.size() < 1000 && !asked.end && !stream->has_ended()) {
    asked.reads[++tags_] = {acknowledged_};
    with(reader, asked.parts.rbegin()->first,
         [tag = tags_](Stream& stream, TimeNs now) { (void)stream.request_read(now, tag); });
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Stream* leader = present(i);
    if (leader == nullptr || now_ < nodes_[i].paused_until || !leader->is_coordinator()) continue;
    const std::uint32_t epoch = nodes_[i].parts.rbegin()->first;
    const std::uint64_t count = 1 + random_.below(4);
    const bool changes = random_.chance(change_ppm_);
    if (changes && random_.chance(500'000)) change_members(i);
    with(i, epoch, [&](Stream& stream, TimeNs now) {
      for (std::uint64_t n = 0; n < count; ++n) {
        wire::Entry entry{{}, wire::EntryKind::kCommand, Buffer::copy_of(fmt::format("v{}", ++values_)), {}};
        (void)stream.propose(now, std::move(entry), writers_site());
      }
    });
    if (changes) change_members(i);
    if (random_.chance(100'000)) {  // a grant tells another replica what is decided
      const std::size_t other = any_node();
      const Stream* still = present(i);
      if (still != nullptr && still->is_coordinator() && present(other) != nullptr) {
        const Ballot ballot = still->ballot();
        const Instance decided = nodes_[i].handed_out;
        with(other, nodes_[other].parts.rbegin()->first,
             [=](Stream& stream, TimeNs now) { stream.learn_decided(now, ballot, decided); });
      }
    }
  }
}

// Mostly one site writes; every few seconds another one.
SiteId StreamWorld::writers_site() {
  const std::size_t far = static_cast<std::size_t>(now_ / (2'000'000 * kUs)) + seed_;
  return nodes_[random_.chance(700'000) ? far % nodes_.size() : any_node()].site;
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
  std::size_t target = victim;
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    if (present(i) != nullptr && present(i)->is_coordinator()) target = i;
  }
  if (random_.chance(500'000)) target = victim;
  if (random_.chance(200'000)) target = relay_or(target);
  auto& blocked = network_.blocked;
  const std::uint64_t kind = random_.below(11);
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
    case 4:
      blocked[target][any_node()] = true;
      break;
    case 5:
      nodes_[target].paused_until = now_ + random_.between(0, 1'500'000 * kUs);
      break;
    case 6:
      crash(target);
      break;
    case 7:
      nodes_[target].hung_until = now_ + random_.between(0, 3'000'000 * kUs);
      break;
    case 9:
      if (sync_max_ == 0) break;
      if (random_.chance(300'000)) {
        for (std::size_t i = 0; i < nodes_.size(); ++i) stop_node(i);
      } else if (random_.chance(300'000)) {
        nodes_[target].disk_hung_until = now_ + random_.between(0, 3'000'000 * kUs);
      } else {
        stop_node(target);
      }
      break;
    case 8:
      if (nodes_[target].parts.empty()) break;
      with(target, nodes_[target].parts.rbegin()->first,
           [to = nodes_[victim].id](Stream& stream, TimeNs now) { (void)stream.transfer(now, to); });
      if (random_.chance(500'000)) {  // and soon it hears nobody
        schedule(now_ + random_.between(0, 2 * network_.delay_max), [this, target] {
          for (std::size_t i = 0; faults_on_ && i < nodes_.size(); ++i) network_.blocked[i][target] = true;
        });
      }
      break;
    case 10:
      nodes_[target].slow_until = now_ + random_.between(0, 2'000'000 * kUs);
      break;
    default:
      break;
  }
  if (random_.chance(400'000)) {
    for (auto& row : blocked) row.assign(nodes_.size(), false);
  }
}

// Somebody over whom entries reach others, if there is one.
std::size_t StreamWorld::relay_or(std::size_t other) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (present(i) == nullptr || !present(i)->is_coordinator()) continue;
    for (const MemberStatus& member : present(i)->status(clock_of(nodes_[i])).members) {
      if (member.relays) return index_of(member.node);
    }
  }
  return other;
}

// For ever, and only as many as the quorums bear.
void StreamWorld::crash(std::size_t index) {
  Node& node = nodes_[index];
  if (node.crashed || !bears_loss_of(node)) return;
  node.crashed = true;
  node.parts.clear();
  node.disks.clear();
  node.reads.clear();
  node.unapplied.clear();
  node.end.reset();
}

void StreamWorld::heal() {
  note("faults stop");
  faults_on_ = false;
  for (auto& row : network_.blocked) row.assign(nodes_.size(), false);
  network_.loss_ppm = network_.repeat_ppm = network_.late_ppm = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].paused_until = nodes_[i].hung_until = nodes_[i].disk_hung_until = nodes_[i].slow_until = 0;
    start_node(i);
    apply(i);
  }
}

// In the last epoch one coordinator serves, everybody alive follows it, holds all it has decided, and waits for nothing; of earlier
// ones everybody alive knows the end, if anybody alive can tell it.
bool StreamWorld::finished() {
  if (anybody_down()) return false;
  const std::uint32_t last = epochs_.rbegin()->first;
  const Node* leader = nullptr;
  for (const Node& node : nodes_) {
    for (const auto& [epoch, part] : node.parts) {
      if (part.stream->status(clock_of(node)).left_behind && !part.stream->has_ended()) {
        return config_.limits.kept_bytes < (1U << 20) || sync_max_ > 0;
      }
      if (epoch == last && part.stream->serves(clock_of(node))) leader = &node;
    }
  }
  if (leader == nullptr) return false;
  const Stream& log = *leader->parts.at(last).stream;
  for (const Node& node : nodes_) {
    for (const auto& [epoch, part] : node.parts) {
      const auto knows = [epoch](const Node& other) {
        return other.parts.contains(epoch) && other.parts.at(epoch).stream->has_ended();
      };
      if (epoch < last && !part.stream->has_ended() && std::ranges::any_of(nodes_, knows)) return false;
    }
  }
  for (const StreamMember& member : epochs_.at(last).members) {
    const Node& node = nodes_[index_of(member.node)];
    if (node.crashed) continue;
    if (!node.parts.contains(last)) return false;
    const Stream& stream = *node.parts.at(last).stream;
    if (stream.coordinator() != leader->id || node.applied != log.last() || !node.reads.empty()) return false;
    if (node.digest != leader->digest) fail(fmt::format("S3: the states of {} and {} differ", node.id, leader->id));
  }
  return true;
}

}  // namespace juxmem::sim

// How a StreamWorld goes from one epoch to the next.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "tests/sim/stream/stream_world.h"

namespace juxmem::sim {
namespace {

constexpr std::int64_t kUs = 1'000;

bool contains(const std::vector<StreamMember>& members, NodeId node) {
  return std::ranges::find(members, node, &StreamMember::node) != members.end();
}

}  // namespace

std::size_t StreamWorld::index_of(NodeId node) const {
  return static_cast<std::size_t>(std::ranges::find(nodes_, node, &Node::id) - nodes_.begin());
}

Stream* StreamWorld::present(std::size_t index) {
  Node& node = nodes_[index];
  return node.parts.empty() ? nullptr : node.parts.rbegin()->second.stream.get();
}

void StreamWorld::start_part(std::size_t index, StreamConfig config) {
  Node& node = nodes_[index];
  if (node.crashed || node.down) return;
  const std::uint32_t epoch = config.stream.epoch;
  config.self = node.id;
  config.seed = random_.next();
  Part& part = node.parts[epoch];
  part.stream = std::make_unique<Stream>(config);
  // It may have begun this epoch before, and nothing of that was stable.
  if (sync_max_ > 0) epochs_.at(epoch).invariants->on_restarted(node.id, *part.stream, config.base);
  if (sync_max_ > 0)
    node.disks[epoch] = Disk{.config = config, .base = config.base, .digest = node.digest, .kept = {}, .held = {}};
  part.config = std::move(config);
  with(index, epoch, [](Stream& stream, TimeNs now) { stream.tick(now); });
}

void StreamWorld::open_epoch(const StreamConfig& config, Instance base, std::uint64_t digest) {
  Epoch& epoch = epochs_[config.stream.epoch];
  epoch.config = config;
  epoch.members = config.members;
  epoch.base = base;
  epoch.digest = digest;
  epoch.invariants = std::make_unique<StreamInvariants>(QuorumSystem(config.members), base);
  proposed_.clear();
}

// The node's state machine has applied the Stop.
void StreamWorld::end_epoch(std::size_t index) {
  Node& node = nodes_[index];
  const StreamEnd end = *std::exchange(node.end, std::nullopt);
  const StreamConfig config = next_config(node.parts.rbegin()->second.config, end.stop, end.next);
  const std::uint32_t number = config.stream.epoch;
  if (keep_trace_) note(fmt::format("{} enters epoch {} after {}", node.id, number, end.stop));
  if (!epochs_.contains(number)) {
    open_epoch(config, end.stop, node.digest);
    for (const StreamMember& member : config.members) {
      const bool was_member = contains(epochs_.at(number - 1).members, member.node);
      const TimeNs patience = was_member ? 1'000'000 * kUs : 0;  // it will most likely see the end itself
      schedule(now_ + patience + random_.between(0, 300'000 * kUs),
               [this, to = index_of(member.node), config] { learn(to, config); });
    }
  }
  if (epochs_.at(number).digest != node.digest)
    fail(fmt::format("S3: node {} begins epoch {} in another state", node.id, number));
  if (!contains(config.members, node.id)) {
    node.reads.clear();
    return;
  }
  start_part(index, config);
  for (std::uint64_t tag : end.reads) {
    with(index, number, [tag](Stream& stream, TimeNs now) { (void)stream.request_read(now, tag); });
  }
}

// A new member, or one that has missed the end of more than one epoch, gets the state from somebody who has it.
void StreamWorld::learn(std::size_t index, StreamConfig config) {
  Node& node = nodes_[index];
  const std::uint32_t number = config.stream.epoch;
  if (node.crashed || (!node.parts.empty() && node.parts.rbegin()->first >= number)) return;
  const bool has_source = std::ranges::any_of(nodes_, [&](const Node& other) {
    const auto former = other.parts.find(number - 1);
    return other.parts.contains(number) || (former != other.parts.end() && former->second.stream->has_ended());
  });
  const auto former = node.parts.find(number - 1);
  const bool sees_the_end = former != node.parts.end() && !former->second.stream->has_ended();
  if (!has_source || sees_the_end || now_ < node.paused_until || node.down) {
    schedule(now_ + 50'000 * kUs, [this, index, config = std::move(config)] { learn(index, config); });
    return;
  }
  std::erase_if(node.disks, [&](const auto& row) {
    return node.parts.contains(row.first) && !node.parts.at(row.first).stream->has_ended();
  });
  std::erase_if(node.parts, [](const auto& row) { return !row.second.stream->has_ended(); });
  node.unapplied.clear();
  node.end.reset();
  node.reads.clear();
  node.applied = node.handed_out = epochs_.at(number).base;
  node.digest = epochs_.at(number).digest;
  start_part(index, std::move(config));
}

// Somebody new for somebody present, more members or less.
void StreamWorld::change_members(std::size_t index) {
  const std::uint32_t epoch = nodes_[index].parts.rbegin()->first;
  std::vector<StreamMember> next;
  std::vector<StreamMember> others;
  for (const Node& node : nodes_) {
    const bool is_member = contains(epochs_.at(epoch).members, node.id);
    (is_member && !random_.chance(250'000) ? next : others).push_back({node.id, node.site});
  }
  while (!others.empty() && (next.empty() || random_.chance(500'000))) {
    const auto chosen = others.begin() + static_cast<std::ptrdiff_t>(random_.below(others.size()));
    next.push_back(*chosen);
    others.erase(chosen);
  }
  std::swap(next.front(), next[random_.below(next.size())]);
  const auto self = std::ranges::find(next, nodes_[index].id, &StreamMember::node);
  if (self != next.end() && random_.chance(500'000)) std::swap(*self, next.front());
  if (anybody_down() || !has_quorum(next, epoch + 1, nullptr)) return;
  with(index, epoch, [this, &next](Stream& stream, TimeNs now) {
    if (stream.propose_stop(now, next)) proposed_.push_back(next);
  });
}

// ---- what may be lost ---------------------------------------------------------------------------------------------

// Takes part in this epoch and has its entries, or can when it begins.
bool StreamWorld::is_able(const Node& node, std::uint32_t epoch) const {
  if (node.crashed) return false;
  const auto part = node.parts.find(epoch);
  if (part != node.parts.end())
    return part->second.stream->has_ended() || !part->second.stream->status(clock_of(node)).left_behind;
  if (!node.parts.empty() && node.parts.rbegin()->first > epoch) return false;
  const auto former = node.parts.find(epoch - 1);
  return former == node.parts.end() || former->second.stream->has_ended() ||
         !former->second.stream->status(clock_of(node)).left_behind;
}

bool StreamWorld::has_quorum(const std::vector<StreamMember>& members, std::uint32_t epoch, const Node* without) const {
  std::uint64_t able = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Node& node = nodes_[index_of(members[i].node)];
    if (&node != without && is_able(node, epoch)) able |= 1ULL << i;
  }
  return QuorumSystem(members).is_quorum(able);
}

bool StreamWorld::bears_loss_of(const Node& node) const {
  if (anybody_down()) return false;
  const std::uint32_t last = epochs_.rbegin()->first;
  if (!has_quorum(epochs_.at(last).members, last, &node)) return false;
  // As long as somebody has yet to begin the last epoch, it may need the end of the one before.
  const bool all_began = std::ranges::all_of(epochs_.at(last).members, [&](const StreamMember& member) {
    const Node& other = nodes_[index_of(member.node)];
    return &other == &node || other.crashed || other.parts.contains(last);
  });
  if (!all_began && last > 1 && !has_quorum(epochs_.at(last - 1).members, last - 1, &node)) return false;
  return std::ranges::all_of(proposed_, [&](const auto& members) { return has_quorum(members, last + 1, &node); });
}

}  // namespace juxmem::sim

// What the nodes of a StreamWorld keep on disk, and what they find there when they are started again.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "tests/sim/stream/stream_world.h"

namespace juxmem::sim {
namespace {

constexpr std::int64_t kUs = 1'000;
constexpr std::uint32_t kCheckpointPpm = 30'000;
constexpr TimeNs kBeatsNs = 100'000 * kUs;  // a coordinator looks at its disk with its heartbeats
constexpr std::uint32_t kLossPpmMax = 100'000;
constexpr std::uint64_t kLagMax = 8;  // entries

// As a log would give it back: the last entry of each instance, and nothing behind a Stop.
HardState replay(Instance base, const std::vector<Persist>& kept, std::size_t count) {
  HardState state{.promised = {}, .base = base, .entries = {}, .decided = base, .applied = base};
  for (std::size_t i = 0; i < count; ++i) {
    if (kept[i].promised) state.promised = *kept[i].promised;
    for (const DecidedEntry& accepted : kept[i].entries) {
      if (accepted.instance <= base) continue;
      const std::size_t place = accepted.instance - base - 1;
      if (place >= state.entries.size()) state.entries.resize(place + 1);
      state.entries[place] = accepted.entry;
      if (accepted.entry.kind == wire::EntryKind::kStop) state.entries.resize(place + 1);
    }
    state.decided = std::max(state.decided, kept[i].decided);
  }
  return state;
}

}  // namespace

bool StreamWorld::anybody_down() const {
  return std::ranges::any_of(nodes_, [](const Node& node) { return node.down; });
}

// What must be stable first stays behind; the rest of the output leaves at once.
void StreamWorld::keep(std::size_t index, std::uint32_t epoch, StreamOutput& out) {
  const auto found = nodes_[index].disks.find(epoch);
  if (found == nodes_[index].disks.end()) return;
  Disk& disk = found->second;
  const bool is_new = out.persist.mark != 0;
  if (is_new) disk.kept.push_back(std::move(out.persist));
  if (disk.stable < disk.kept.size()) {
    const std::uint64_t mark = disk.kept.back().mark;
    for (Outgoing& outgoing : out.messages) {
      if (outgoing.first == Durable::kState) disk.held.emplace_back(mark, outgoing);
    }
    std::erase_if(out.messages, [](const Outgoing& outgoing) { return outgoing.first == Durable::kState; });
  }
  if (is_new) sync(index, epoch);
  if (random_.chance(kCheckpointPpm)) take_checkpoint(index);
}

// One after the other, as one log does it.
void StreamWorld::sync(std::size_t index, std::uint32_t epoch) {
  Node& node = nodes_[index];
  const std::uint64_t mark = node.disks.at(epoch).kept.back().mark;
  node.last_sync_ends = std::max({node.last_sync_ends, node.disk_hung_until, now_}) + random_.between(10 * kUs, sync_max_);
  schedule(node.last_sync_ends, [this, index, epoch, mark, life = node.lives] {
    if (nodes_[index].lives == life) release_held(index, epoch, mark);
  });
}

void StreamWorld::release_held(std::size_t index, std::uint32_t epoch, std::uint64_t mark) {
  const auto found = nodes_[index].disks.find(epoch);
  if (found == nodes_[index].disks.end() || !nodes_[index].parts.contains(epoch)) return;
  Disk& disk = found->second;
  while (disk.stable < disk.kept.size() && disk.kept[disk.stable].mark <= mark) ++disk.stable;
  const auto still = std::ranges::find_if(disk.held, [mark](const auto& held) { return held.first > mark; });
  std::vector<std::pair<std::uint64_t, Outgoing>> free(disk.held.begin(), still);
  disk.held.erase(disk.held.begin(), still);
  for (auto& [waited_for, outgoing] : free) send(index, std::move(outgoing));
  with(index, epoch, [this, index, mark, life = nodes_[index].lives](Stream& stream, TimeNs now) {
    if (nodes_[index].lives == life) stream.persisted(now, mark);
  });
}

// The state is kept, and the entries before it are not needed. The Stop is: it tells the end.
void StreamWorld::take_checkpoint(std::size_t index) {
  Node& node = nodes_[index];
  const auto& [epoch, part] = *node.parts.rbegin();
  const auto disk = node.disks.find(epoch);
  if (disk == node.disks.end() || part.stream->has_ended() || !node.unapplied.empty() || node.end ||
      node.applied < disk->second.base)
    return;
  disk->second.base = node.applied;
  disk->second.digest = node.digest;
}

// Health is progress: a coordinator whose disk keeps nothing hands over at once, where everybody else could lead and lacks next to nothing.
// Where too many messages get lost a hand-over may fail, and is not begun again soon.
void StreamWorld::check_late_disk(Node& node) {
  const TimeNs since = std::exchange(node.could_leave_since, 0);
  if (node.parts.empty() || now_ < node.paused_until || network_.loss_ppm > kLossPpmMax) return;
  const Stream& stream = *node.parts.rbegin()->second.stream;
  const TimeNs local = clock_of(node);
  const StreamStatus status = stream.status(local);
  const wire::Entry* last = stream.entry_at(stream.last());
  const bool is_stopping = last != nullptr && last->kind == wire::EntryKind::kStop;
  if (stream.has_ended() || is_stopping || !stream.serves(local) || status.members.size() < 2) return;
  const TimeNs late_for = local - status.unstable_since - ms_to_ns(config_.timing.disk_late_ms);
  if (status.unstable_since == 0 || late_for < 0) return;
  const bool all_could_lead = std::ranges::all_of(status.members, [](const MemberStatus& member) {
    return member.live && member.in_time && !member.left_behind && !member.full;
  });
  const bool lack_little =
      std::ranges::all_of(status.members, [](const MemberStatus& member) { return member.lag <= kLagMax; });
  if (!all_could_lead || (since == 0 && (late_for > kBeatsNs || !lack_little))) return;
  node.could_leave_since = since == 0 ? local : since;
  if (local - node.could_leave_since > ms_to_ns(config_.timing.transfer_ms) + kBeatsNs) {
    fail(fmt::format("health: node {} leads on although its disk is late", node.id));
  }
}

void StreamWorld::stop_node(std::size_t index) {
  Node& node = nodes_[index];
  if (node.crashed || node.down || node.parts.empty()) return;
  note(fmt::format("{} is switched off", node.id));
  node.down = true;
  ++node.lives;
  node.parts.clear();
  node.reads.clear();
  node.unapplied.clear();
  node.end.reset();
  schedule(now_ + random_.between(1'000 * kUs, 1'000'000 * kUs), [this, index] { start_node(index); });
}

void StreamWorld::start_node(std::size_t index) {
  Node& node = nodes_[index];
  if (!node.down) return;
  node.down = false;
  node.last_sync_ends = now_;
  // Of an epoch that nothing stable tells of nobody has heard from this node.
  while (node.disks.size() > 1 && node.disks.rbegin()->second.stable == 0) node.disks.erase(std::prev(node.disks.end()));
  for (auto& [epoch, disk] : node.disks) {
    const bool is_last = epoch == node.disks.rbegin()->first;
    disk.kept.resize(disk.stable);
    for (Persist& persist : disk.kept) persist.mark = 0;  // of the former life
    disk.held.clear();
    const auto next = node.disks.find(epoch + 1);
    HardState state = replay(disk.base, disk.kept, disk.stable);
    if (next != node.disks.end()) state.decided = std::max(state.decided, next->second.config.base);
    // Of these the end is forgotten: they teach nobody any more.
    if (!is_last && (next == node.disks.end() || state.base >= state.decided)) continue;
    StreamConfig config = disk.config;
    config.seed = random_.next();
    Part& part = node.parts[epoch];
    part.config = config;
    const Instance applied = is_last ? state.applied : state.decided - 1;
    if (is_last) {
      node.applied = node.handed_out = applied;
      node.digest = disk.digest;
    }
    state.applied = applied;
    part.stream = std::make_unique<Stream>(config, std::move(state));
    epochs_.at(epoch).invariants->on_restarted(node.id, *part.stream, applied);
    if (!is_last) (void)part.stream->take();
  }
  note(fmt::format("{} is started again, with the state of {}", node.id, node.applied));
  with(index, node.parts.rbegin()->first, [](Stream& stream, TimeNs now) { stream.tick(now); });
  // What it was told of later epochs may not have been stable.
  for (auto later = epochs_.upper_bound(node.disks.rbegin()->first); later != epochs_.end(); ++later) {
    const bool is_member =
        std::ranges::find(later->second.members, node.id, &StreamMember::node) != later->second.members.end();
    if (!is_member) continue;
    schedule(now_ + 1'000'000 * kUs, [this, index, config = later->second.config] { learn(index, config); });
  }
}

}  // namespace juxmem::sim

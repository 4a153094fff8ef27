// Grids whose providers have data folders: what completes when, and lives that end anywhere.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "groups/node_lists.h"
#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {

// Small, so that logs grow into full disks; an entry must fit.
std::uint64_t GridSim::segment_bytes() const {
  const bool has_large_parts =
      std::ranges::any_of(blocks_, [](const SharedBlock& block) { return block.part_bytes > 64 * 1024; });
  return has_large_parts ? ProviderOptions{}.log_segment_bytes : 256 * 1024;
}

// A part of the seeds; the others are what they are without it.
void GridSim::choose_disks(std::uint64_t seed) {
  on_disk_ = disk_random_.chance(300'000);
  if (!on_disk_) return;
  checks_.root_is_on_disk();
  network_.observe([this](const wire::Packet& packet) {
    checks_.told().sent(packet);
    for (NodeId member : checks_.told().take_first_votes()) on_first_vote(member);
  });
  may_lose_quorums_ = false;
  some_in_memory_ = disk_random_.chance(400'000);
  for (SharedBlock& block : blocks_) {
    block.durability = some_in_memory_ && disk_random_.chance(700'000) ? Durability::kMemory : Durability::kDisk;
  }
  disks_fail_ = disk_random_.chance(500'000);
  power_is_aimed_ = crashes_ && disk_random_.chance(500'000);
  disk_latency_max_ = std::array{2 * kMs, 2 * kMs, 20 * kMs, 100 * kMs}[disk_random_.below(4)];
  for (SimProvider& provider : providers_) {
    provider.disk = std::make_unique<SimDisk>(
        SimDiskOptions{.seed = seed * 64 + provider.host, .latency_max_ns = disk_latency_max_}, disk_clock_);
  }
}

// After every turn: it may have asked for something.
void GridSim::deliver_in_time(SimProvider& provider) {
  if (provider.disk == nullptr) return;
  const TimeNs due = provider.disk->next_due();
  if (due == SimDisk::kNever || provider.disk_due <= due) return;
  provider.disk_due = due;
  world_.at(std::max(due, world_.now()), [this, &provider, due, life = provider.lives] {
    if (provider.lives != life || provider.env == nullptr || provider.disk_due != due) return;
    provider.disk_due = SimDisk::kNever;
    provider.env->run_turn([disk = provider.disk.get()] { disk->deliver_due(); });
  });
}

// It comes back as who it was. What is on disk it remembers, so it may be anybody, where nothing is in memory only.
void GridSim::lose_power_of(SimProvider& victim, TimeNs down_for, std::optional<Crash> how) {
  if (!may_end(victim)) return;
  end_provider(victim, how);
  world_.after(down_for, [this, &victim] {
    if (victim.provider == nullptr) start_provider(victim);
  });
}

bool GridSim::may_end(const SimProvider& provider) const {
  if (provider.provider == nullptr || (!setup_is_done() && provider.manager)) return false;
  return !some_in_memory_ || checks_.can_spare(provider.provider->self(), living_nodes());
}

// A quorum without the coordinator loses its power and comes back at once; the coordinator, which has the entry in its memory, is away for
// so long that the others go on without it.
void GridSim::on_acknowledged(GroupId group) {
  if (!power_is_aimed_ || healed_ || !disk_random_.chance(20'000)) return;
  world_.after(disk_random_.between(0, 2 * kMs), [this, group] {
    world_.trace(fmt::format("the power fails at the members of group {}", group));
    for (SimProvider& provider : providers_) {
      const Replica* replica = provider.provider == nullptr ? nullptr : provider.provider->replica(group);
      if (replica == nullptr) continue;
      const bool leads = replica->stream().is_coordinator();
      const TimeNs away = leads ? disk_random_.between(1000, 3000) * kMs : disk_random_.between(1, 100) * kMs;
      lose_power_of(provider, away, Crash::kPower);
    }
  });
}

// So that there are epochs to begin while the power is aimed at those who begin them.
void GridSim::next_move() {
  if (!power_is_aimed_) return;
  world_.after(disk_random_.between(100, 1000) * kMs, [this] {
    if (world_.now() >= faults_until_) return;
    if (setup_is_done()) move_a_member();
    next_move();
  });
}

// To a provider of its site that lives and has no copy yet, as somebody who lives knows the group.
void GridSim::move_a_member() {
  const GroupId group = group_of(blocks_[disk_random_.below(blocks_.size())].id);
  std::vector<std::pair<std::string, std::string>> moves;
  for (const SimProvider& knows : providers_) {
    const wire::CatalogGroup* row = knows.provider == nullptr ? nullptr : knows.provider->catalog().group(group);
    if (row == nullptr) continue;
    for (const SimProvider& from : providers_) {
      for (const SimProvider& to : providers_) {
        const bool is_move = contains(row->members, from.node) && !contains(row->members, to.node);
        if (is_move && to.provider != nullptr && from.site == to.site) moves.emplace_back(from.name, to.name);
      }
    }
    break;
  }
  if (moves.empty()) return;
  const auto& [from, to] = moves[disk_random_.below(moves.size())];
  world_.trace(fmt::format("group {} is to move from {} to {}", group, from, to));
  wish(wire::MoveRequest{.tag = 4, .group = group, .from = from, .to = to});
}

// It has just got the state, and may vote soon.
void GridSim::on_epoch_begun(SimProvider& member) {
  if (!power_is_aimed_ || healed_ || !disk_random_.chance(700'000)) return;
  world_.after(disk_random_.between(0, 6 * disk_latency_max_), [this, &member, life = member.lives] {
    if (member.lives != life || member.provider == nullptr) return;
    world_.trace(fmt::format("the power fails at {}, which has just begun an epoch", member.name));
    lose_power_of(member, disk_random_.between(1, 500) * kMs, Crash::kPower);
  });
}

// The first promise or acceptance of the epoch is on its way; what it rests on must be there again. The sender's turn ends first.
void GridSim::on_first_vote(NodeId member) {
  if (!power_is_aimed_ || healed_ || !disk_random_.chance(500'000)) return;
  const auto voter = std::ranges::find(providers_, member, &SimProvider::node);
  if (voter == providers_.end()) return;
  const TimeNs delay = disk_random_.chance(500'000) ? 0 : disk_random_.between(0, disk_latency_max_);
  world_.after(delay, [this, &victim = *voter, life = voter->lives] {
    if (victim.lives != life || victim.provider == nullptr) return;
    world_.trace(fmt::format("the power fails at {}, which has just voted", victim.name));
    lose_power_of(victim, disk_random_.between(1, 500) * kMs, Crash::kPower);
  });
}

void GridSim::lose_power_of_all() {
  world_.trace("the power fails everywhere");
  for (SimProvider& provider : providers_) lose_power_of(provider, disk_random_.between(0, 1000) * kMs);
}

}  // namespace juxmem::sim

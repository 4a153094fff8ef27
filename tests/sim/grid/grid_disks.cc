// Grids whose providers have data folders: what completes when, and lives that end anywhere.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {

// A part of the seeds; the others are what they are without it.
void GridSim::choose_disks(std::uint64_t seed) {
  on_disk_ = disk_random_.chance(300'000);
  if (!on_disk_) return;
  checks_.root_is_on_disk();
  may_lose_quorums_ = false;
  some_in_memory_ = disk_random_.chance(400'000);
  for (SharedBlock& block : blocks_) {
    block.durability = some_in_memory_ && disk_random_.chance(700'000) ? Durability::kMemory : Durability::kDisk;
  }
  const TimeNs slowest = std::array{2 * kMs, 2 * kMs, 20 * kMs, 100 * kMs}[disk_random_.below(4)];
  for (SimProvider& provider : providers_) {
    provider.disk =
        std::make_unique<SimDisk>(SimDiskOptions{.seed = seed * 64 + provider.host, .latency_max_ns = slowest}, disk_clock_);
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
void GridSim::lose_power_of(SimProvider& victim, TimeNs down_for) {
  if (victim.provider == nullptr || (!setup_is_done() && victim.manager)) return;
  if (some_in_memory_ && !checks_.can_spare(victim.provider->self(), living_nodes())) return;
  end_provider(victim);
  world_.after(down_for, [this, &victim] {
    if (victim.provider == nullptr) start_provider(victim);
  });
}

void GridSim::lose_power_of_all() {
  world_.trace("the power fails everywhere");
  for (SimProvider& provider : providers_) lose_power_of(provider, disk_random_.between(0, 1000) * kMs);
}

}  // namespace juxmem::sim

// What goes wrong with the data folders of a simulated grid.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {
namespace {

constexpr std::uint64_t kCapacityBytes = 1ULL << 30;
constexpr std::uint64_t kBlockBytes = 4096;

// Of the bytes that are not zeros at the file's end.
std::uint64_t used_bytes_of(const SimDisk& disk, const std::string& name) {
  const std::vector<std::byte> bytes = disk.contents(name);
  const auto last = std::find_if(bytes.rbegin(), bytes.rend(), [](std::byte byte) { return byte != std::byte{}; });
  return static_cast<std::uint64_t>(bytes.rend() - last);
}

}  // namespace

void GridSim::next_disk_fault() {
  if (!on_disk_ || !disks_fail_) return;
  world_.after(disk_random_.between(50 * kMs, 1500 * kMs), [this] {
    if (world_.now() >= faults_until_) return;
    if (setup_is_done()) cause_disk_fault();
    next_disk_fault();
  });
}

void GridSim::cause_disk_fault() {
  SimProvider& victim = providers_[disk_random_.below(providers_.size())];
  const TimeNs length = disk_random_.between(50, 2000) * kMs;
  switch (disk_random_.below(5)) {
    case 0:
      if (!may_end(victim)) return;
      world_.trace(fmt::format("{}: a sync fails", victim.name));
      return victim.disk->fail_next_sync();
    case 1:
      world_.trace(fmt::format("{}: the disk hangs for {} ms", victim.name, length / kMs));
      victim.disk->hang(true);
      return world_.after(length, [this, &victim] { mend_disk(victim); });
    case 2:
      world_.trace(fmt::format("{}: the disk is slow for {} ms", victim.name, length / kMs));
      victim.disk->slow(disk_random_.between(2, 50));
      return world_.after(length, [this, &victim] { mend_disk(victim); });
    case 3:
      world_.trace(fmt::format("{}: the disk is full for {} ms", victim.name, length / kMs));
      victim.disk->set_capacity(victim.disk->used_bytes());
      return world_.after(length, [this, &victim] { mend_disk(victim); });
    default:
      return damage_disk_of(victim, length);
  }
}

void GridSim::mend_disk(SimProvider& provider) {
  if (provider.disk == nullptr) return;
  provider.disk->hang(false);
  provider.disk->slow(1);
  provider.disk->set_capacity(kCapacityBytes);
  deliver_in_time(provider);
}

// While it is down. As many members as make a quorum keep what they have.
void GridSim::damage_disk_of(SimProvider& victim, TimeNs down_for) {
  if (!may_end(victim) || !checks_.can_forget(victim.node)) return;
  std::vector<DiskEntry> files = victim.disk->files();
  std::erase_if(files, [](const DiskEntry& file) { return file.size_bytes == 0 || file.name.starts_with("spare"); });
  if (files.empty()) return;
  checks_.may_have_forgotten(victim.node);
  lose_power_of(victim, down_for);
  const std::string name = files[disk_random_.below(files.size())].name;
  const std::uint64_t used = used_bytes_of(*victim.disk, name);
  if (used == 0) return;
  const std::uint64_t dice = disk_random_.below(10);
  world_.trace(fmt::format("{}: {} is damaged", victim.name, name));
  if (dice == 0) return victim.disk->lose(name);
  for (std::uint64_t i = 1 + disk_random_.below(3); i > 0; --i) {
    const std::uint64_t at = disk_random_.below(used);
    if (dice < 7) {
      victim.disk->rot(name, at);
      continue;
    }
    // A whole physical block.
    const std::uint64_t block = at / kBlockBytes * kBlockBytes;
    for (std::uint64_t sector = block; sector < block + kBlockBytes; sector += kSectorBytes) {
      victim.disk->spoil(name, sector);
    }
  }
}

// Its process ends and is started again, a few times; then people give it an empty data folder.
void GridSim::on_failed(SimProvider& provider) {
  constexpr std::uint32_t kStartsMax = 3;
  world_.trace(fmt::format("{} has failed: {}", provider.name, provider.provider->failure()->detail));
  const bool is_hopeless = ++provider.failures >= kStartsMax;
  world_.after(disk_random_.between(10, 300) * kMs, [this, &provider, is_hopeless, life = provider.lives] {
    if (provider.lives != life || provider.provider == nullptr) return;
    end_provider(provider);
    if (is_hopeless) {
      if (provider.node != 0) checks_.may_have_forgotten(provider.node);
      world_.trace(fmt::format("{} gets an empty data folder", provider.name));
      provider.failures = 0;
      for (const DiskEntry& file : provider.disk->files()) provider.disk->lose(file.name);
    }
    start_provider(provider);
  });
}

}  // namespace juxmem::sim

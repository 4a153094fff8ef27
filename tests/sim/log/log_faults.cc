// What happens to the disk of LogWorld.
#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/log/log_world.h"

namespace juxmem::sim {

// Between two lives: bytes rot, sectors spoil, a file is lost.
void LogWorld::damage() {
  if (!plan_.rot || !random_.chance(400'000)) return;
  std::vector<DiskEntry> files = disk_.files();
  std::erase_if(files, [](const DiskEntry& file) { return file.size_bytes == 0; });
  if (files.empty()) return;
  const DiskEntry file = files[random_.below(files.size())];
  const std::uint64_t dice = random_.below(10);
  damaged_ = true;
  // A log that has not been made completely may not know any more whose it is.
  const bool has_identity = std::ranges::any_of(files, [](const DiskEntry& other) { return other.name == "identity"; });
  may_not_open_ = may_not_open_ || !has_identity;
  if (dice == 0) {
    // On a full disk the newest segment has no successor that would tell of its loss (FORMAT.md).
    std::erase_if(files, [](const DiskEntry& other) { return !other.name.starts_with("log-"); });
    if (plan_.full_disk && !files.empty() && file.name == files.back().name) return;
    note("lost " + file.name);
    disk_.lose(file.name);
    may_not_open_ = may_not_open_ || file.name == "identity";
    return;
  }
  if (dice < 4) {
    // A whole physical block.
    const std::uint64_t block = random_.below((file.size_bytes + 4095) / 4096) * 4096;
    note(fmt::format("block at {} of {} is unreadable", block, file.name));
    for (std::uint64_t at = block; at < block + 4096; at += kSectorBytes) disk_.spoil(file.name, at);
    may_not_open_ = may_not_open_ || file.name == "identity";
    return;
  }
  for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
    // Rather near the front, where something is.
    const std::uint64_t at = random_.below(1 + random_.below(file.size_bytes));
    note(fmt::format("rot at {} of {}", at, file.name));
    if (random_.chance(500'000)) {
      disk_.rot(file.name, at);
    } else {
      disk_.spoil(file.name, at);
    }
  }
}

// While the node lives.
void LogWorld::disturb() {
  const std::uint64_t dice = random_.below(6);
  if (dice == 0 && plan_.sync_errors) {
    note("the next sync fails");
    disk_.fail_next_sync();
  } else if (dice == 1 && plan_.full_disk) {
    disk_.set_capacity(disk_.used_bytes());
    note("the disk is full");
  } else if (dice == 2 && plan_.full_disk) {
    refill();
  } else if (dice == 3 && plan_.hangs) {
    note("the disk hangs");
    disk_.hang(true);
  } else if (dice == 4 && plan_.hangs) {
    disk_.slow(1 + static_cast<std::int64_t>(random_.below(50)));
  }
}

void LogWorld::refill() { disk_.set_capacity(full_capacity_); }

}  // namespace juxmem::sim

// A disk for fuzzers: what is asked of it is done before the call that drains it returns.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "juxmem/env/env.h"
#include "tests/sim/disk/sim_disk.h"

namespace juxmem::fuzz {

// Thread safety: none. Ownership: outlives whoever uses its disk. Failure: none; the disk has no faults.
class FuzzDisk {
 public:
  sim::SimDisk& operator*() { return disk_; }

  void put(const std::string& name, std::span<const std::byte> bytes) {
    disk_.allocate(name, bytes.size(), [](const Status&) {});
    drain();
    disk_.write(name, 0, Buffer::copy_of(bytes), [](const Status&) {});
    drain();
  }

  // Completes all that is under way, and what follows from it.
  void drain() {
    while (disk_.next_due() != sim::SimDisk::kNever) {
      clock_.now_ = std::max(clock_.now_, disk_.next_due());
      disk_.deliver_due();
    }
  }

 private:
  class StillClock final : public Clock {
   public:
    TimeNs now() const override { return now_; }
    TimeNs now_ = 1;
  };

  StillClock clock_;
  sim::SimDisk disk_{{}, clock_};
};

}  // namespace juxmem::fuzz

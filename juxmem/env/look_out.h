// LookOut: looking for the next event a moment longer before a thread sleeps.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <span>

#include "juxmem/base/types.h"

namespace juxmem {

// Nanoseconds of the machine's monotonic clock.
TimeNs monotonic_now();

// What for: while packets come one after the other, the next is mostly here sooner than a sleeping thread can be woken (two
//   switches, and on an idle core its wake-up). The core is offered to other threads before each look. Where they keep it
//   for long, sleeping is better, since a thread that wakes goes first, and no core is busy with looking: then there is no looking out for a
//   while, the longer the more often that happens.
// Thread safety: none; the loop's thread. Invariants: looks no longer than the time given, and not at all while packets are rare.
// Ownership: none. Failure: none; at worst the thread sleeps.
class LookOut {
 public:
  explicit LookOut(std::int64_t at_most_us) : at_most_ns_(at_most_us * 1000) {}

  void packet_came(TimeNs now) { last_packet_ = now; }
  // How many events of `epoll_fd` there are now; 0: the thread had better sleep. Ends at `until`, and when `woken`.
  int look(int epoll_fd, std::span<epoll_event> events, TimeNs until, const std::atomic<bool>& woken);

 private:
  const TimeNs at_most_ns_;
  TimeNs last_packet_ = -1'000'000'000;
  TimeNs not_before_ = 0;
  TimeNs pause_ = 0;
};

}  // namespace juxmem

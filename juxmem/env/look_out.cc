#include "juxmem/env/look_out.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "juxmem/base/timing.h"

namespace juxmem {
namespace {

constexpr TimeNs kBusyNs = ms_to_ns(1);  // packets come one after the other if the pauses are shorter
constexpr TimeNs kCrowdedNs = 50'000;    // the core was others' for so long: threads that compute, or many of them
constexpr TimeNs kPauseMinNs = ms_to_ns(2);
constexpr TimeNs kPauseMaxNs = ms_to_ns(1000);

}  // namespace

TimeNs monotonic_now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<TimeNs>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int LookOut::look(int epoll_fd, std::span<epoll_event> events, TimeNs until, const std::atomic<bool>& woken) {
  TimeNs now = monotonic_now();
  if (now - last_packet_ >= kBusyNs || now < not_before_) return 0;
  const TimeNs end = std::min(until, now + at_most_ns_);
  while (now < end && !woken.load()) {
    ::sched_yield();
    const int count = ::epoll_wait(epoll_fd, events.data(), static_cast<int>(events.size()), 0);
    const TimeNs before = std::exchange(now, monotonic_now());
    const bool crowded = now - before >= kCrowdedNs;
    pause_ = crowded ? std::clamp(2 * pause_, kPauseMinNs, kPauseMaxNs) : pause_ / 2;
    if (crowded) not_before_ = now + pause_;
    if (crowded || count != 0) return std::max(count, 0);
  }
  return 0;
}

}  // namespace juxmem

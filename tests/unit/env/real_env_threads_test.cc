// What may be called from other threads. No packets: ZeroMQ is not built with the thread sanitizer, which would take
// what its threads hand over for races.
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "juxmem/env/real_env.h"
#include "tests/unit/env/env_fixture.h"

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

TEST_F(RealEnvTest, WakeBeforeWaitingIsNotLost) {
  Party& one = dialer();
  one.env->wake();
  EXPECT_FALSE(one.env->run_once(kNever));
}

TEST_F(RealEnvTest, WakeFromAnotherThreadEndsWaiting) {
  Party& one = dialer();
  for (int i = 0; i < 100; ++i) {
    std::thread waker([&] { one.env->wake(); });
    EXPECT_FALSE(one.env->run_once(kNever));
    waker.join();
  }
}

TEST_F(RealEnvTest, StopFromAnotherThreadEndsTheRun) {
  Party& one = dialer();
  std::thread runner([&] { one.env->run(); });
  one.env->stop();
  runner.join();
}

}  // namespace
}  // namespace juxmem

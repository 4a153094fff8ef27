#include <gtest/gtest.h>
#include <juxmem/juxmem.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/client/embedded_fixture.h"

namespace juxmem {
namespace {

using CApiThreads = EmbeddedGrid;

TEST_F(CApiThreads, CountTogetherThroughOneMapping) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  const juxmem_id id = block(sizeof(std::uint64_t));
  auto* counter = static_cast<std::uint64_t*>(map(id, 0, 0));
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        if (juxmem_acquire(grid, id) != JUXMEM_OK) ++failures;
        ++*counter;
        if (juxmem_release(grid, id) != JUXMEM_OK) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  std::uint64_t sum = 0;
  ASSERT_EQ(juxmem_read(grid, id, 0, &sum, sizeof sum), JUXMEM_OK);
  EXPECT_EQ(sum, static_cast<std::uint64_t>(kThreads) * kRounds);
}

TEST_F(CApiThreads, AnotherThreadsSectionIsInTheWay) {
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_acquire(grid, id), JUXMEM_OK);
  std::thread([&] {
    EXPECT_EQ(juxmem_try_acquire(grid, id), JUXMEM_EBUSY);
    EXPECT_EQ(juxmem_try_acquire_read(grid, id), JUXMEM_EBUSY);
    EXPECT_EQ(juxmem_timed_acquire(grid, id, 1), JUXMEM_ETIMEDOUT);
    EXPECT_EQ(juxmem_release(grid, id), JUXMEM_ENOTHELD);
  }).join();
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApiThreads, ReadersShareABlock) {
  const juxmem_id id = block(10);
  ASSERT_EQ(juxmem_acquire_read(grid, id), JUXMEM_OK);
  std::thread([&] {
    EXPECT_EQ(juxmem_try_acquire_read(grid, id), JUXMEM_OK) << juxmem_last_error();
    EXPECT_EQ(juxmem_release(grid, id), JUXMEM_OK);
    EXPECT_EQ(juxmem_try_acquire(grid, id), JUXMEM_EBUSY);
  }).join();
  ASSERT_EQ(juxmem_release(grid, id), JUXMEM_OK);
}

TEST_F(CApiThreads, AWaiterIsWokenByARelease) {
  const juxmem_id id = block(10);
  std::uint64_t newer = 0;
  std::thread waiter([&] { EXPECT_EQ(juxmem_wait(grid, id, 0, 30'000, &newer), JUXMEM_OK) << juxmem_last_error(); });
  EXPECT_EQ(juxmem_write(grid, id, 0, "x", 1), JUXMEM_OK) << juxmem_last_error();
  waiter.join();
  EXPECT_GT(newer, 0U);
}

TEST_F(CApiThreads, ManyCallsAtOnceAllEnd) {
  constexpr int kThreads = 6;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        juxmem_id id = 0;
        const std::string name = "t" + std::to_string(t) + "/" + std::to_string(i);
        juxmem_id found = 0;
        if (juxmem_malloc(grid, 64, nullptr, &id) != JUXMEM_OK) ++failures;
        if (juxmem_publish(grid, name.c_str(), id) != JUXMEM_OK) ++failures;
        if (juxmem_lookup(grid, name.c_str(), &found) != JUXMEM_OK || found != id) ++failures;
        if (juxmem_free(grid, id) != JUXMEM_OK) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0) << juxmem_last_error();
}

}  // namespace
}  // namespace juxmem

#include "juxmem/client/thread_queue.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

constexpr BlockId kBlock = 7;

TEST(ThreadQueue, ReadersEnterTogether) {
  ThreadQueue queue;
  const auto a = queue.enter(kBlock, Mode::kShared, 0);
  const auto b = queue.enter(kBlock, Mode::kShared, 0);
  EXPECT_NE(a, 0U);
  EXPECT_NE(b, 0U);
  EXPECT_TRUE(queue.is_shared_with_others(kBlock, a));
}

TEST(ThreadQueue, AWriterIsAlone) {
  ThreadQueue queue;
  const auto writer = queue.enter(kBlock, Mode::kExclusive, 0);
  EXPECT_NE(writer, 0U);
  EXPECT_EQ(queue.enter(kBlock, Mode::kExclusive, 0), 0U);
  EXPECT_EQ(queue.enter(kBlock, Mode::kShared, 0), 0U);
  EXPECT_NE(queue.enter(kBlock + 1, Mode::kExclusive, 0), 0U) << "other blocks have their own queue";
  queue.leave(kBlock, writer);
  EXPECT_NE(queue.enter(kBlock, Mode::kShared, 0), 0U);
}

TEST(ThreadQueue, AWaitEndsAtItsLimit) {
  ThreadQueue queue;
  const auto writer = queue.enter(kBlock, Mode::kExclusive, 0);
  EXPECT_EQ(queue.enter(kBlock, Mode::kShared, 1), 0U);
  queue.leave(kBlock, writer);
  EXPECT_FALSE(queue.is_used(kBlock));
}

}  // namespace
}  // namespace juxmem

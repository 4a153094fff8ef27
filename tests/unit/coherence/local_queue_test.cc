#include "consistency/coherence/local_queue.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

LocalWaiter waiter(Token token, Mode mode, TimeNs deadline = 1000) {
  return {.token = token, .mode = mode, .deadline = deadline};
}

TEST(LocalQueue, ReadersGoInTogether) {
  LocalQueue queue;
  queue.push(waiter(1, Mode::kShared));
  queue.push(waiter(2, Mode::kShared));
  ASSERT_TRUE(queue.admissible(Mode::kShared));
  queue.admit();
  ASSERT_TRUE(queue.admissible(Mode::kShared));
  queue.admit();
  EXPECT_EQ(queue.users().size(), 2U);
}

TEST(LocalQueue, ReaderBehindAWaitingWriterDoesNotOvertake) {
  LocalQueue queue;
  queue.push(waiter(1, Mode::kShared));
  queue.admit();
  queue.push(waiter(2, Mode::kExclusive));
  queue.push(waiter(3, Mode::kShared));
  EXPECT_FALSE(queue.admissible(Mode::kExclusive));
  queue.remove(1);
  EXPECT_EQ(queue.admissible(Mode::kExclusive)->token, 2U);
}

TEST(LocalQueue, WriterNeedsExclusiveOwnership) {
  LocalQueue queue;
  queue.push(waiter(1, Mode::kExclusive));
  EXPECT_FALSE(queue.admissible(Mode::kShared));
  EXPECT_TRUE(queue.admissible(Mode::kExclusive));
}

TEST(LocalQueue, NobodyEntersWithoutOwnership) {
  LocalQueue queue;
  queue.push(waiter(1, Mode::kShared));
  EXPECT_FALSE(queue.admissible(Mode::kNone));
}

TEST(LocalQueue, ExpiredWaiterLeavesFromTheMiddle) {
  LocalQueue queue;
  queue.push(waiter(1, Mode::kExclusive, 100));
  queue.push(waiter(2, Mode::kExclusive, 50));
  EXPECT_EQ(queue.next_deadline(), 50);
  EXPECT_EQ(queue.take_expired(60)->token, 2U);
  EXPECT_FALSE(queue.take_expired(60));
  EXPECT_EQ(queue.waiters().size(), 1U);
}

}  // namespace
}  // namespace juxmem

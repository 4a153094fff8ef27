#include "tests/sim/grid/linearizability.h"

#include <gtest/gtest.h>

namespace juxmem::sim {
namespace {

HistoryOp write_of(TimeNs called, TimeNs returned, PartValues written) {
  return {.who = "writer", .called = called, .returned = returned, .read = kNoValues, .written = written};
}
HistoryOp read_of(TimeNs called, TimeNs returned, PartValues read) {
  return {.who = "reader", .called = called, .returned = returned, .read = read, .written = kNoValues};
}

TEST(Linearizability, ReadsInTheOrderOfTimeAreFine) {
  EXPECT_EQ(check_linearizable({read_of(0, 1, {0, 0, 0}), write_of(2, 3, {1, 1, 1}), read_of(4, 5, {1, 1, 1})}),
            Verdict::kLinearizable);
}

TEST(Linearizability, StaleReadIsFound) {
  EXPECT_EQ(check_linearizable({write_of(0, 1, {1, 1, 1}), read_of(2, 3, {0, 0, 0})}), Verdict::kNot);
}

TEST(Linearizability, ConcurrentReadMaySeeEither) {
  EXPECT_EQ(check_linearizable({write_of(0, 9, {1, 1, 1}), read_of(1, 2, {0, 0, 0}), read_of(3, 4, {1, 1, 1})}),
            Verdict::kLinearizable);
}

TEST(Linearizability, ValueMayNotDisappearAgain) {
  EXPECT_EQ(check_linearizable({write_of(0, 9, {1, 1, 1}), read_of(1, 2, {1, 1, 1}), read_of(3, 4, {0, 0, 0})}),
            Verdict::kNot);
}

TEST(Linearizability, PartOfAWriteIsFound) {
  EXPECT_EQ(check_linearizable({write_of(0, kNever, {1, 1, 1}), read_of(3, 4, {1, 0, 0})}), Verdict::kNot);
}

TEST(Linearizability, UnknownOutcomeMayHaveHappenedLater) {
  EXPECT_EQ(check_linearizable({write_of(0, kNever, {1, 1, 1}), read_of(3, 4, {0, 0, 0}), read_of(5, 6, {1, 1, 1})}),
            Verdict::kLinearizable);
}

TEST(Linearizability, UnknownOutcomeMayNeverHaveHappened) {
  EXPECT_EQ(check_linearizable({write_of(0, kNever, {1, 1, 1}), read_of(3, 4, {0, 0, 0})}), Verdict::kLinearizable);
}

TEST(Linearizability, LostUpdateIsFound) {
  HistoryOp one = write_of(0, 10, {1, 1, 1});
  HistoryOp other = write_of(0, 10, {2, 2, 2});
  one.read = other.read = {0, 0, 0};
  EXPECT_EQ(check_linearizable({one, other}), Verdict::kNot);
  other.read = {1, 1, 1};
  EXPECT_EQ(check_linearizable({one, other}), Verdict::kLinearizable);
}

TEST(Linearizability, ValueFromNowhereIsFound) {
  EXPECT_EQ(check_linearizable({read_of(0, 1, {7, kNothing, kNothing})}), Verdict::kNot);
}

}  // namespace
}  // namespace juxmem::sim

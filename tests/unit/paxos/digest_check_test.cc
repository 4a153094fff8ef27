#include "consistency/paxos/digest_check.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

TEST(DigestCheck, EqualDigestsAreFine) {
  DigestCheck check;
  check.add_own(10, 77);
  check.add_logged(DigestCheck::encode(10, 77));
  EXPECT_FALSE(check.take_mismatch());
}

TEST(DigestCheck, DifferenceIsToldOnceWhicheverComesFirst) {
  DigestCheck check;
  check.add_logged(DigestCheck::encode(10, 77));
  EXPECT_FALSE(check.take_mismatch());
  check.add_own(10, 78);
  const auto mismatch = check.take_mismatch();
  ASSERT_TRUE(mismatch);
  EXPECT_EQ(mismatch->instance, 10U);
  EXPECT_EQ(mismatch->logged, 77U);
  EXPECT_EQ(mismatch->own, 78U);
  EXPECT_FALSE(check.take_mismatch());
}

TEST(DigestCheck, NonsenseIsIgnored) {
  DigestCheck check;
  check.add_own(0, 1);
  check.add_logged(Buffer::copy_of("nonsense"));
  EXPECT_FALSE(check.take_mismatch());
}

}  // namespace
}  // namespace juxmem

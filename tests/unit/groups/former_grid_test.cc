#include "groups/membership/former_grid.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

constexpr TimeNs kStart = 1'000'000'000;
const Timing kTiming;

TimeNs after(std::int64_t ms) { return kStart + ms_to_ns(ms); }

TEST(FormerGrid, ManagersMayBeginWhenNobodyWasHeard) {
  const FormerGrid former(kStart, kTiming);
  EXPECT_FALSE(former.may_begin(after(kTiming.listen_ms - 1)));
  EXPECT_EQ(former.next(), after(kTiming.listen_ms));
  EXPECT_TRUE(former.may_begin(after(kTiming.listen_ms)));
  EXPECT_EQ(former.problem(kStart), "");
}

TEST(FormerGrid, ProviderOfAnotherGridHoldsThemBackUntilItIsSilent) {
  FormerGrid former(kStart, kTiming);
  EXPECT_TRUE(former.on_provider(after(100), "p4"));
  EXPECT_FALSE(former.on_provider(after(300), "p4"));
  EXPECT_FALSE(former.may_begin(after(300 + kTiming.provider_dead_ms - 1)));
  EXPECT_NE(former.problem(after(400)).find("(p4)"), std::string::npos);
  EXPECT_TRUE(former.may_begin(after(300 + kTiming.provider_dead_ms)));
  EXPECT_EQ(former.problem(after(300 + kTiming.provider_dead_ms)), "");
}

TEST(FormerGrid, ProviderHeardAfterASilenceIsNewsAgain) {
  FormerGrid former(kStart, kTiming);
  EXPECT_TRUE(former.on_provider(after(100), "p4"));
  EXPECT_TRUE(former.on_provider(after(100 + kTiming.provider_dead_ms), "p5"));
  EXPECT_EQ(former.problem(after(200 + kTiming.provider_dead_ms)).find("p4"), std::string::npos);
}

}  // namespace
}  // namespace juxmem

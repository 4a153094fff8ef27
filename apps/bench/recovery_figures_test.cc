#include "apps/bench/recovery_figures.h"

#include <gtest/gtest.h>

namespace juxmem::bench {
namespace {

// Ten intervals a second, 100 puts in each: killed at 4 s, back at 8 s, caught up at 10 s, end at 12 s.
constexpr RecoveryTimes kTimes{4, 8, 10};
std::vector<std::uint64_t> steady() { return std::vector<std::uint64_t>(120, 100); }

TEST(RecoveryFigures, SteadyLoadHasNoDip) {
  const RecoveryFigures figures = figures_of(steady(), 100, kTimes);
  EXPECT_DOUBLE_EQ(figures.before_per_s, 1000);
  EXPECT_DOUBLE_EQ(figures.dip_seconds, 0);
  EXPECT_DOUBLE_EQ(figures.dip_percent, 100);
  EXPECT_DOUBLE_EQ(figures.catch_up_percent, 100);
  EXPECT_DOUBLE_EQ(figures.catch_up_seconds, 2);
  EXPECT_DOUBLE_EQ(figures.after_percent, 100);
}

TEST(RecoveryFigures, DipLastsUntilHalfASecondIsGoodAgain) {
  std::vector<std::uint64_t> counts = steady();
  for (std::size_t bin = 40; bin < 47; ++bin) counts[bin] = 0;
  counts[43] = 100;  // one good interval does not end it
  counts[60] = 10;   // one bad interval is not part of it
  counts[90] = 10;
  const RecoveryFigures figures = figures_of(counts, 100, kTimes);
  EXPECT_NEAR(figures.dip_seconds, 0.7, 1e-9);
  EXPECT_DOUBLE_EQ(figures.dip_percent, 0);
}

TEST(RecoveryFigures, DipWithoutAnEndLastsAsLongAsTheAbsence) {
  std::vector<std::uint64_t> counts = steady();
  for (std::size_t bin = 40; bin < 80; ++bin) counts[bin] = 0;
  EXPECT_NEAR(figures_of(counts, 100, kTimes).dip_seconds, 4, 1e-9);
}

TEST(RecoveryFigures, CatchUpIsAMeanAndItsLowestSecond) {
  std::vector<std::uint64_t> counts = steady();
  for (std::size_t bin = 80; bin < 90; ++bin) counts[bin] = 60;
  const RecoveryFigures figures = figures_of(counts, 100, kTimes);
  EXPECT_NEAR(figures.catch_up_percent, 80, 1e-9);
  EXPECT_NEAR(figures.catch_up_low_percent, 60, 1e-9);
}

TEST(RecoveryFigures, NothingDoneBeforeMeansNothingCanBeSaid) {
  const RecoveryFigures figures = figures_of(std::vector<std::uint64_t>(120, 0), 100, kTimes);
  EXPECT_DOUBLE_EQ(figures.before_per_s, 0);
  EXPECT_DOUBLE_EQ(figures.catch_up_percent, 0);
}

}  // namespace
}  // namespace juxmem::bench

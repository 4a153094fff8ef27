#include "tests/chaos/history_file.h"

#include <gtest/gtest.h>

#include <sstream>

namespace juxmem::chaos {
namespace {

Histories histories_of(const std::string& one, const std::string& two = "") {
  Histories histories;
  std::istringstream lines(one);
  std::istringstream more(two);
  EXPECT_TRUE(read_history(lines, "a", histories).has_value());
  EXPECT_TRUE(read_history(more, "b", histories).has_value());
  return histories;
}

TEST(ChaosHistory, ReadOfAnAcknowledgedWriteIsLinearizable) {
  const Histories histories =
      histories_of("call 1 7 10 5 - -\ndone 1 20 ok - - -\n", "call 1 7 30 - - -\ndone 1 40 ok 5 - -\n");
  EXPECT_EQ(histories.acknowledged, 2U);
  EXPECT_TRUE(judge(histories).problems.empty());
}

TEST(ChaosHistory, LostAcknowledgedWriteIsAProblem) {
  const Histories histories =
      histories_of("call 1 7 10 5 - -\ndone 1 20 ok - - -\n", "call 1 7 30 - - -\ndone 1 40 ok 0 - -\n");
  EXPECT_EQ(judge(histories).problems.size(), 1U);
}

TEST(ChaosHistory, SectionWithoutItsEndMayOrMayNotHaveHappened) {
  const std::string write = "call 1 7 10 5 - -\n";
  EXPECT_TRUE(judge(histories_of(write, "call 1 7 30 - - -\ndone 1 40 ok 5 - -\n")).problems.empty());
  EXPECT_TRUE(judge(histories_of(write, "call 1 7 30 - - -\ndone 1 40 ok 0 - -\n")).problems.empty());
}

TEST(ChaosHistory, LostSectionMustNotBeSeen) {
  const Histories histories =
      histories_of("call 1 7 10 5 - -\ndone 1 20 lost 0 - -\n", "call 1 7 30 - - -\ndone 1 40 ok 5 - -\n");
  EXPECT_EQ(histories.lost, 1U);
  EXPECT_EQ(judge(histories).problems.size(), 1U);
}

TEST(ChaosHistory, TornPartIsAProblem) {
  EXPECT_EQ(judge(histories_of("call 1 7 10 - - -\ntorn 1 2\ndone 1 20 ok 0 0 -\n")).problems.size(), 1U);
}

TEST(ChaosHistory, CounterMustCountEveryAcknowledgedSectionOnce) {
  const std::string two = "call 1 7 10 5 - -\ndone 1 20 ok 0 - -\ncall 2 7 30 6 - -\ndone 2 40 unknown 5 - -\n";
  EXPECT_TRUE(judge(histories_of(two + "counted 7 1\n")).problems.empty());
  EXPECT_TRUE(judge(histories_of(two + "counted 7 2\n")).problems.empty());
  EXPECT_EQ(judge(histories_of(two + "counted 7 0\n")).problems.size(), 1U);
  EXPECT_EQ(judge(histories_of(two + "counted 7 3\n")).problems.size(), 1U);
}

TEST(ChaosHistory, ForgottenBlockMustStayForgotten) {
  const std::string known = "call 1 7 10 5 - -\ndone 1 20 ok - - -\n";
  const std::string told = "call 2 7 30 - - -\ndone 2 40 forgotten - - -\n";
  const Histories forgotten = histories_of(known + told);
  EXPECT_EQ(forgotten.forgotten, 1U);
  EXPECT_TRUE(judge(forgotten).problems.empty());
  EXPECT_EQ(judge(histories_of(known + told, "call 1 7 50 - - -\ndone 1 60 ok 5 - -\n")).problems.size(), 1U);
}

TEST(ChaosHistory, UnfinishedLastLineIsIgnored) {
  const Histories histories = histories_of("call 1 7 10 5 - -\ndone 1 20 ok - - -\ncall 2 7 3");
  EXPECT_EQ(histories.blocks.at(7).ops.size(), 1U);
}

TEST(ChaosHistory, BadLineIsNamed) {
  Histories histories;
  std::istringstream lines("call 1 7 10 5 - -\ndone 2 20 ok - - -\n");
  const Status read = read_history(lines, "a", histories);
  ASSERT_FALSE(read.has_value());
  EXPECT_NE(read.error().detail.find("done 2"), std::string::npos);
}

TEST(ChaosHistory, SilencesAreBetweenAcknowledgements) {
  const std::vector<Span> found = silences({{0, 50}, {5, 10}, {20, 30}});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].began, 10);
  EXPECT_EQ(found[0].ended, 30);
  EXPECT_EQ(found[1].began, 30);
  EXPECT_EQ(found[1].ended, 50);
}

TEST(ChaosHistory, AnnouncedOutagesAreNoStalls) {
  const std::vector<Span> spans = {{0, 10}, {10, 50}, {50, 55}};
  EXPECT_EQ(longest_outside(spans, {}).began, 10);
  EXPECT_EQ(longest_outside(spans, {{40, 45}}).ended, 10);
  EXPECT_EQ(longest_outside(spans, {{0, 60}}).ended, 0);
}

}  // namespace
}  // namespace juxmem::chaos

#include "apps/program_options/program_options.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

class ProgramOptionsTest : public testing::Test {
 protected:
  ProgramOptionsTest() {
    options_.add()("steps", boost::program_options::value(&steps_)->default_value(7), "time steps");
    options_.add()("short", boost::program_options::bool_switch(&is_short_), "few of them");
  }

  int steps_ = 0;
  bool is_short_ = false;
  ProgramOptions options_{"walk", "Usage: walk [options]\nWalks."};
};

TEST_F(ProgramOptionsTest, GoodLineLetsTheProgramGoOn) {
  const char* line[] = {"walk", "--steps", "9"};
  EXPECT_EQ(options_.parse(3, line), std::nullopt);
  EXPECT_EQ(steps_, 9);
  EXPECT_TRUE(options_.given("steps"));
  EXPECT_FALSE(options_.given("short"));
}

TEST_F(ProgramOptionsTest, DefaultIsNotGiven) {
  const char* line[] = {"walk"};
  EXPECT_EQ(options_.parse(1, line), std::nullopt);
  EXPECT_EQ(steps_, 7);
  EXPECT_FALSE(options_.given("steps"));
}

TEST_F(ProgramOptionsTest, HelpPrintsUsageAndOptions) {
  const char* line[] = {"walk", "--help"};
  testing::internal::CaptureStdout();
  EXPECT_EQ(options_.parse(2, line), 0);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(text.starts_with("Usage: walk [options]\nWalks.\n")) << text;
  EXPECT_NE(text.find("--steps"), std::string::npos) << text;
}

TEST_F(ProgramOptionsTest, UnknownOptionIsNamed) {
  const char* line[] = {"walk", "--step", "9"};  // not guessed to be --steps
  testing::internal::CaptureStderr();
  EXPECT_EQ(options_.parse(3, line), 2);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("--step"), std::string::npos);
}

TEST_F(ProgramOptionsTest, OperandIsRefused) {
  const char* line[] = {"walk", "far"};
  testing::internal::CaptureStderr();
  EXPECT_EQ(options_.parse(2, line), 2);
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace juxmem

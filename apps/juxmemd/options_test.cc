#include "apps/juxmemd/options.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace juxmem {
namespace {

Result<DaemonRequest> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "juxmemd");
  return parse_daemon_options(static_cast<int>(arguments.size()), arguments.data());
}

// The message of a refusal; empty if there was none.
std::string refusal_of(std::vector<const char*> arguments) {
  const auto request = parse(std::move(arguments));
  return request ? std::string{} : request.error().detail;
}

class DaemonOptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"JUXMEM_SITE", "JUXMEM_MEMORY", "JUXMEM_MANAGER", "JUXMEM_LOG_LEVEL", "JUXMEM_JOIN"})
      unsetenv(name);
  }
  void TearDown() override { SetUp(); }
};

TEST_F(DaemonOptionsTest, ASiteAndManagerAreEnough) {
  const auto request = parse({"--site", "rennes", "--manager"});
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->options.site, "rennes");
  EXPECT_TRUE(request->options.manager);
  EXPECT_EQ(request->options.memory_bytes, 1ULL << 30);
  EXPECT_EQ(request->options.listen, "tcp://127.0.0.1:0");
}

TEST_F(DaemonOptionsTest, JoinTakesListsAndRepetitions) {
  const auto request = parse({"--site", "a", "--join", "tcp://h:2, tcp://h:1", "--join", "tcp://h:3,tcp://h:1"});
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->options.join, (std::vector<std::string>{"tcp://h:1", "tcp://h:2", "tcp://h:3"}));
}

TEST_F(DaemonOptionsTest, TheCommandLineWinsOverEnvironmentAndFile) {
  char path[] = "/tmp/juxmemd-options-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << "site = from-file\nmemory = 2GiB\nlog-level = debug\nmanager = true\n";
  setenv("JUXMEM_MEMORY", "3GiB", 1);
  setenv("JUXMEM_LOG_LEVEL", "error", 1);
  const auto request = parse({"--config", path, "--log-level", "off"});
  std::remove(path);
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->options.site, "from-file");
  EXPECT_TRUE(request->options.manager);
  EXPECT_EQ(request->options.memory_bytes, 3ULL << 30);
  EXPECT_EQ(request->options.log_level, "off");
}

TEST_F(DaemonOptionsTest, EveryRefusalNamesTheOption) {
  EXPECT_NE(refusal_of({"--manager"}).find("--site"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a"}).find("--join"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--listen", "udp://x:1"}).find("--listen"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--listen", "tcp://x:70000"}).find("--listen"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--join", "tcp://x:0"}).find("--join"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--memory", "much"}).find("--memory"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--memory", "1B"}).find("--memory"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--log-level", "loud"}).find("--log-level"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--ready-fd", "-3"}).find("--ready-fd"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--lease-ms", "60"}).find("lease_ms"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--config", "/does/not/exist"}).find("--config"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--unknown"}).find("--unknown"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "stray"}), "");
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--clients-max", "0"}).find("limit"), std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--clients-max", "5000000000"}).find("--clients-max"),
            std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--client-memory-max", "much"}).find("--client-memory-max"),
            std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--client-sections-max", "4096"}).find("client-sections-max"),
            std::string::npos);
  EXPECT_NE(refusal_of({"--site", "a", "--manager", "--listen", "ipc:///x", "--key-file", "k"}).find("--key-file"),
            std::string::npos);
}

TEST_F(DaemonOptionsTest, LimitsOfClientsAreReadWithTheirUnits) {
  const auto request = parse({"--site", "a", "--manager", "--client-memory-max", "2GiB", "--client-blocks-max", "10"});
  ASSERT_TRUE(request) << to_string(request.error());
  EXPECT_EQ(request->options.limits.client_memory_max, 2ULL << 30);
  EXPECT_EQ(request->options.limits.client_blocks_max, 10U);
  EXPECT_EQ(request->options.limits.clients_max, AgentLimits{}.clients_max);
}

TEST_F(DaemonOptionsTest, HelpShowsExamplesAndExitCodes) {
  const auto request = parse({"--help"});
  ASSERT_TRUE(request);
  EXPECT_NE(request->text.find("Examples:"), std::string::npos);
  EXPECT_NE(request->text.find("Exit codes:"), std::string::npos);
}

TEST(Size, UnitsAreUnderstood) {
  EXPECT_EQ(*parse_size("4096"), 4096U);
  EXPECT_EQ(*parse_size("64KiB"), 64U << 10);
  EXPECT_EQ(*parse_size("1.5 GiB"), 3ULL << 29);
  EXPECT_EQ(*parse_size("2MB"), 2'000'000U);
  for (const char* wrong : {"", "GiB", "-1", "4 GiBs", "1e40", "nan", "inf"}) EXPECT_FALSE(parse_size(wrong)) << wrong;
}

}  // namespace
}  // namespace juxmem

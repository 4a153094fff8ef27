#include <fmt/core.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "apps/juxmem/admin_call.h"
#include "apps/juxmem/commands.h"
#include "apps/juxmem/status_call.h"

namespace juxmem {
namespace {

constexpr std::int64_t kAnswerLimitMs = 10'000;
constexpr std::chrono::milliseconds kBetweenLooks{500};

// Shows how many groups are left until there are none, or the time is over.
int watch(const CommandLine& line, const std::vector<std::string>& addresses, const std::string& name,
          std::int64_t limit_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(limit_ms);
  std::optional<std::size_t> shown;
  for (;;) {
    const auto reply = ask_status(addresses, true, kAnswerLimitMs);
    if (!reply) return line.failed(reply.error());
    const std::size_t left = groups_on(reply->catalog, name).value_or(0);
    if (left != shown) fmt::print("{}: {} {} left\n", name, left, left == 1 ? "group" : "groups");
    std::fflush(stdout);
    shown = left;
    if (left == 0) return kExitOk;
    if (Clock::now() >= deadline) {
      return line.failed(
          {Code::kTryAgain, fmt::format("{} groups are still on {}; it goes on being emptied. Groups whose site has no "
                                        "other provider with room stay",
                                        left, name)});
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace

int provider_command(const Arguments& arguments) {
  CommandLine line(
      "provider", "drain NAME [--cancel] [options]",
      "Empties a provider before it is switched off: its groups move to other providers of its site, a few at a time,\n"
      "while they go on serving. It gets no new groups. Waits until none is left.",
      "  juxmem provider drain rennes-3\n"
      "  juxmem provider drain rennes-3 --cancel\n");
  line.add_grid_option();
  line.options()("cancel", "stop emptying it; what has moved stays where it is")(
      "wait-s", boost::program_options::value<std::string>()->default_value("600"),
      "wait so many seconds at most; 0: do not wait");
  if (const auto ended = line.parse(arguments, 2, 2)) return *ended;
  if (line.operands()[0] != "drain") return line.wrong("it knows 'drain' only");
  char* end = nullptr;
  const std::string wait = line.text("wait-s");
  const long wait_s = std::strtol(wait.c_str(), &end, 10);
  if (wait.empty() || *end != '\0' || wait_s < 0 || wait_s > 1'000'000)
    return line.wrong("--wait-s takes a number of seconds");
  const auto uri = grid_uri(line);
  if (!uri) return line.failed(uri.error());
  const std::vector<std::string> addresses = split_addresses(*uri);
  const auto status = ask_status(addresses, true, kAnswerLimitMs);
  if (!status) return line.failed(status.error());
  const std::string& name = line.operands()[1];
  const bool cancel = line.has("cancel");
  if (const Status asked = ask_drain(status->catalog, name, cancel, kAnswerLimitMs); !asked)
    return line.failed(asked.error());
  if (cancel || wait_s == 0) return kExitOk;
  return watch(line, addresses, name, wait_s * 1000);
}

}  // namespace juxmem

#include <fmt/core.h>

#include "apps/juxmem/commands.h"
#include "apps/juxmem/status_call.h"
#include "apps/juxmem/status_view.h"

namespace juxmem {
namespace {

constexpr std::int64_t kAnswerLimitMs = 10'000;

}  // namespace

int status_command(const Arguments& arguments) {
  CommandLine line(
      "status", "[-j] [options]",
      "Shows the grid: sites, providers, groups, coordinators, how far replicas lag behind (log entries), memory.\n"
      "One provider gathers the answers of all; those that do not answer in time are marked.",
      "  juxmem status\n"
      "  juxmem status -j | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"groups\"])'\n");
  line.add_grid_option();
  line.options()("json,j", "JSON for programs");
  if (const auto ended = line.parse(arguments, 0, 0)) return *ended;
  const auto uri = grid_uri(line);
  if (!uri) return line.failed(uri.error());
  const auto reply = ask_status(split_addresses(*uri), true, kAnswerLimitMs);
  if (!reply) return line.failed(reply.error());
  fmt::print("{}", line.has("json") ? status_json(*reply).dump(2) + "\n" : status_text(*reply));
  return kExitOk;
}

}  // namespace juxmem

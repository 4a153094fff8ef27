#include <fmt/core.h>
#include <sys/stat.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "apps/juxmem/commands.h"
#include "apps/juxmem/local_grid.h"
#include "apps/juxmem/status_call.h"
#include "apps/juxmemd/options.h"
#include "juxmem/env/key_file.h"
#include "juxmem/env/run_dir.h"

namespace juxmem {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr std::int64_t kStopLimitMs = 15'000;
constexpr std::int64_t kStatusLimitMs = 5'000;
constexpr std::int64_t kCompleteLimitMs = 15'000;
constexpr std::int64_t kLookAgainMs = 20;

std::string folder_of(const CommandLine& line) {
  return line.has("dir") ? fs::absolute(line.text("dir")).lexically_normal().string() : run_base() + "/local-grid";
}

// Everybody is in the catalog and up: what a job started now will see. The provider that answers may hear of the last one to
// join a moment later than this program.
Status check_complete(const LocalGrid& grid) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kCompleteLimitMs);
  for (;;) {
    const auto reply = ask_status(split_addresses(grid.uri()), true, kStatusLimitMs);
    if (!reply) return std::unexpected(reply.error());
    std::size_t up = 0;
    for (const auto& provider : reply->catalog.providers) up += provider.up ? 1 : 0;
    if (up == grid.providers.size()) return {};
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(Code::kTryAgain,
                  fmt::format("only {} of {} providers are up; the logs are in {}", up, grid.providers.size(), grid.dir));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookAgainMs));
  }
}

// The key of the grid in this folder; made if there is none.
Result<std::string> key_in(const std::string& dir) {
  const std::string path = dir + "/grid.key";
  std::error_code error;
  fs::create_directories(dir, error);
  fs::permissions(dir, fs::perms::owner_all, error);
  auto key = load_key_file(path);
  if (key) return path;
  if (key.error().code != Code::kNotFound) return std::unexpected(key.error());
  if (Status written = write_key_file(path, new_grid_key()); !written) return std::unexpected(written.error());
  return path;
}

int grid_start(const Arguments& arguments) {
  CommandLine line(
      "grid start", "--local --sites NAME:PROVIDERS[,NAME:PROVIDERS...] [options]",
      "Starts a grid on this machine: one juxmemd process for each provider, on loopback. Returns when all are\n"
      "ready. What is on standard output is to be given to eval: it sets JUXMEM_GRID, and JUXMEM_KEY_FILE with --key.",
      "  eval $(juxmem grid start --local --sites rennes:3,sophia:3)\n"
      "  eval $(juxmem grid start --local --sites rennes:3 --key)\n"
      "  eval $(juxmem grid start --local --sites rennes:3,sophia:3 --data ./data)\n"
      "  juxmem grid start --local --sites here:1 --memory 4GiB --dir ./grid\n");
  line.options()("local", "on this machine (the only place in this version)")(
      "sites", po::value<std::string>(), "sites and how many providers each has: rennes:3,sophia:3")(
      "memory", po::value<std::string>()->default_value("256MiB"), "memory of each provider")(
      "key",
      "encrypt, and let in only who has the key that is made in the folder (grid.key); without it everybody on this\n"
      "machine can use the grid")(
      "data", po::value<std::string>(),
      "folder for what the providers keep on disk; a grid started again with the same folder goes on where\n"
      "it was")("dir", po::value<std::string>(),
                "folder for logs and the description of the grid (default: in the run folder)")(
      "timeout", po::value<std::string>()->default_value("60"), "seconds until all must be ready");
  if (const auto ended = line.parse(arguments, 0, 0)) return *ended;
  if (!line.has("local")) return line.wrong("--local is missing: this version starts grids on this machine only");
  if (!line.has("sites")) return line.wrong("--sites is missing");
  const auto sites = parse_sites(line.text("sites"));
  if (!sites) return line.wrong("--sites: " + sites.error().detail);
  const auto memory = parse_size(line.text("memory"));
  if (!memory) return line.wrong("--memory: " + memory.error().detail);
  const std::string timeout = line.text("timeout");
  int seconds = 0;
  const auto [end, error] = std::from_chars(timeout.data(), timeout.data() + timeout.size(), seconds);
  if (error != std::errc{} || end != timeout.data() + timeout.size() || seconds < 1 || seconds > 86400) {
    return line.wrong("--timeout: not a number of seconds");
  }

  if (!line.has("dir")) mkdir(run_base().c_str(), 0700);
  std::string key_file;
  if (line.has("key")) {
    const auto made = key_in(folder_of(line));
    if (!made) return line.failed(made.error());
    key_file = *made;
    // For the questions of this very program, too.
    setenv("JUXMEM_KEY_FILE", key_file.c_str(), 1);
  }
  auto grid = LocalGrid::start(folder_of(line), *sites, *memory, seconds * 1000LL, key_file,
                               line.has("data") ? std::filesystem::absolute(line.text("data")).string() : std::string());
  if (!grid) return line.failed(grid.error());
  if (Status complete = check_complete(*grid); !complete) {
    (void)grid->stop(kStopLimitMs);
    return line.failed(complete.error());
  }
  fmt::print("export JUXMEM_GRID={}\n", grid->uri());
  if (!key_file.empty()) fmt::print("export JUXMEM_KEY_FILE={}\n", key_file);
  fmt::print(stderr, "{} providers at {} sites run; their logs are in {}\n", grid->providers.size(), sites->size(),
             grid->dir);
  return kExitOk;
}

int grid_stop(const Arguments& arguments) {
  CommandLine line(
      "grid stop", "[options]",
      "Ends the grid that `juxmem grid start` started. What is in its blocks in memory is gone; those on disk are there\n"
      "again when it is started with the same --data.",
      "  juxmem grid stop\n  juxmem grid stop --dir ./grid\n");
  line.options()("dir", po::value<std::string>(), "the folder given to grid start");
  if (const auto ended = line.parse(arguments, 0, 0)) return *ended;
  auto grid = LocalGrid::load(folder_of(line));
  if (!grid) return line.failed(grid.error());
  const std::size_t count = grid->providers.size();
  if (Status stopped = grid->stop(kStopLimitMs); !stopped) return line.failed(stopped.error());
  fmt::print(stderr, "{} providers stopped\n", count);
  return kExitOk;
}

}  // namespace

int grid_command(const Arguments& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments.front();
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (verb == "start") return grid_start(rest);
  if (verb == "stop") return grid_stop(rest);
  const bool help = verb == "--help" || verb == "-h";
  fmt::print(help ? stdout : stderr,
             "Usage: juxmem grid start --local --sites NAME:PROVIDERS[,...]\n"
             "       juxmem grid stop\n"
             "More: juxmem grid start --help\n");
  return help ? kExitOk : kExitUsage;
}

}  // namespace juxmem

// Throughput over time while one replica of a group is killed and a provider returns in its place: the experiment of the DMap paper's
// figure 5, on a grid of three processes.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "apps/bench/recovery_figures.h"
#include "apps/bench/recovery_load.h"
#include "apps/juxmem/local_grid.h"
#include "apps/juxmem/status_call.h"
#include "apps/program_options/program_options.h"

namespace juxmem::bench {
namespace {

namespace options = boost::program_options;
namespace fs = std::filesystem;

constexpr std::int64_t kStatusLimitMs = 3'000;
constexpr std::int64_t kStartLimitMs = 60'000;
constexpr double kCatchUpLimitSeconds = 120;

struct BenchOptions {
  bool quick = false;
  bool coordinator = false;
  std::string out = "out";
  double before = 20;
  double away = 20;
  double after = 15;
  LoadShape shape;
};

// What for: one run of the experiment. Thread safety: none. Ownership: the grid is the caller's. Failure: named; the grid stays.
class RecoveryBench {
 public:
  RecoveryBench(BenchOptions wanted, LocalGrid& grid) : options_(std::move(wanted)), grid_(grid) {}

  Status run();

 private:
  Result<wire::StatusReply> status() const;
  Result<std::string> choose_victim() const;
  Status wait_until(double seconds) const;
  Status kill_victim(const std::string& name);
  Status wait_until_caught_up(const std::string& name);
  Status report() const;

  BenchOptions options_;
  LocalGrid& grid_;
  std::string victim_;
  std::unique_ptr<RecoveryLoad> load_;
  RecoveryTimes times_;
};

void say(const std::string& text) {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

std::vector<std::string> addresses_of(const LocalGrid& grid, const std::string& without = {}) {
  std::vector<std::string> found;
  for (const LocalProvider& provider : grid.providers) {
    if (provider.name != without) found.push_back(provider.address);
  }
  return found;
}

// The group with the values: the one with the most blocks.
const wire::GroupStatus* group_of_values(const wire::StatusReply& reply) {
  const auto fewer = [](const wire::GroupStatus& a, const wire::GroupStatus& b) { return a.blocks < b.blocks; };
  const auto found = std::ranges::max_element(reply.groups, fewer);
  return found == reply.groups.end() || found->blocks == 0 ? nullptr : &*found;
}

Result<wire::StatusReply> RecoveryBench::status() const {
  return ask_status(addresses_of(grid_, victim_), true, kStatusLimitMs);
}

// The group's coordinator, or a member that is not.
Result<std::string> RecoveryBench::choose_victim() const {
  const auto reply = status();
  if (!reply) return std::unexpected(reply.error());
  const wire::GroupStatus* group = group_of_values(*reply);
  if (group == nullptr || group->coordinator == 0)
    return fail(Code::kTryAgain, "the group of the values has no coordinator");
  for (const wire::CatalogProvider& provider : reply->catalog.providers) {
    if ((provider.node == group->coordinator) == options_.coordinator) return provider.name;
  }
  return fail(Code::kInternal, "no provider is to be killed");
}

Status RecoveryBench::wait_until(double seconds) const {
  std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, seconds - load_->seconds())));
  return {};
}

Status RecoveryBench::kill_victim(const std::string& name) {
  victim_ = name;
  times_.killed = load_->seconds();
  return grid_.crash({name});
}

// All members are there, none fetches a state, and all have what was decided when we last asked.
Status RecoveryBench::wait_until_caught_up(const std::string& name) {
  Instance decided_before = 0;
  while (load_->seconds() < times_.returned + kCatchUpLimitSeconds) {
    const auto reply = status();
    const wire::GroupStatus* group = reply ? group_of_values(*reply) : nullptr;
    if (group != nullptr && decided_before != 0) {
      const auto is_there = [&](const wire::GroupMemberStatus& member) {
        return member.heard && member.applied >= decided_before;
      };
      if (group->members.size() == 3 && group->catching_up.empty() && std::ranges::all_of(group->members, is_there)) {
        times_.caught_up = load_->seconds();
        return {};
      }
    }
    if (group != nullptr) decided_before = group->decided;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(Code::kTryAgain, "the group has not taken " + name + " back in time");
}

Status RecoveryBench::run() {
  say("providing " + std::to_string(options_.shape.values) + " values of " + std::to_string(options_.shape.value_bytes) +
      " bytes, 3 copies");
  auto load = RecoveryLoad::create(addresses_of(grid_), options_.shape);
  if (!load) return std::unexpected(load.error());
  load_ = std::move(*load);
  const auto victim = choose_victim();
  if (!victim) return std::unexpected(victim.error());

  load_->start(static_cast<std::int64_t>((options_.before + options_.away + kCatchUpLimitSeconds + options_.after) * 1000));
  Status good = wait_until(options_.before);
  if (good) good = kill_victim(*victim);
  say("killed " + *victim + (options_.coordinator ? ", the coordinator" : ", a member"));
  if (good) good = wait_until(times_.killed + options_.away);
  times_.returned = load_->seconds();
  if (good) good = grid_.start_again({*victim}, kStartLimitMs);
  if (good) say(*victim + " is back");
  if (good) good = wait_until_caught_up(*victim);
  if (good) say("caught up");
  if (good) good = wait_until(times_.caught_up + options_.after);
  load_->stop();
  return good ? report() : good;
}

Status RecoveryBench::report() const {
  const std::vector<std::uint64_t> counts = load_->bins();
  const RecoveryFigures figures = figures_of(counts, kBinMs, times_);
  const char* whom = options_.coordinator ? "coordinator" : "member";
  std::printf("| %s killed | here | goal |\n|---|---|---|\n", whom);
  std::printf("| puts per second before, %d clients | %.0f | |\n", options_.shape.clients, figures.before_per_s);
  std::printf("| dip: below half of that for | %.2f s | less than 1 s |\n", figures.dip_seconds);
  std::printf("| dip: lowest %lld ms | %.0f %% | |\n", static_cast<long long>(kBinMs), figures.dip_percent);
  std::printf("| while it is away, after the dip | %.0f %% | |\n", figures.away_percent);
  std::printf("| from its return until all is caught up | %.1f s | |\n", figures.catch_up_seconds);
  std::printf("| throughput meanwhile | %.0f %% | more than 80 %% |\n", figures.catch_up_percent);
  std::printf("| its lowest second | %.0f %% | |\n", figures.catch_up_low_percent);
  std::printf("| afterwards | %.0f %% | |\n", figures.after_percent);
  std::printf("| longest put, puts that failed | %llu ms, %llu | |\n",
              static_cast<unsigned long long>(load_->longest_put_ms()), static_cast<unsigned long long>(load_->failed()));
  const std::string name = std::string("recovery-") + whom;
  const std::string title = "One of three replicas, the " +
                            std::string(options_.coordinator ? "coordinator" : "agent of a third of the clients") +
                            ", is killed and returns";
  std::error_code failed;
  fs::create_directories(options_.out, failed);
  if (failed) return fail(Code::kIo, "cannot make the folder " + options_.out + ": " + failed.message());
  if (Status drawn = draw_recovery(options_.out, name, title, counts, kBinMs, times_); !drawn) return drawn;
  std::printf("picture: %s/%s.png\n", options_.out.c_str(), name.c_str());
  return {};
}

int run_main(int argc, char** argv) {
  BenchOptions wanted;
  ProgramOptions line("recovery_bench",
                      "Usage: recovery_bench [options]\n"
                      "Starts three providers of one site on loopback, lets clients put small values, kills one provider, "
                      "starts it again, and\n"
                      "draws the throughput over time.");
  line.add()("quick", options::bool_switch(&wanted.quick), "few values and short waits, for a first look")(
      "coordinator", options::bool_switch(&wanted.coordinator),
      "kill the group's coordinator (default: a member that is not)")(
      "clients", options::value(&wanted.shape.clients)->default_value(wanted.shape.clients), "clients")(
      "values", options::value(&wanted.shape.values)->default_value(wanted.shape.values), "values of 380 bytes")(
      "out", options::value(&wanted.out)->default_value(wanted.out), "folder for the picture");
  if (const auto code = line.parse(argc, argv)) return *code;
  if (wanted.shape.clients < 1 || wanted.shape.values < 1) return line.wrong("at least one client and one value are needed");
  if (wanted.quick) {
    wanted.before = 5;
    wanted.away = 15;  // longer than providers wait before they replace one
    wanted.after = 3;
    if (!line.given("values")) wanted.shape.values = 60'000;
  }
  char folder[] = "/tmp/juxmem-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    std::fprintf(stderr, "recovery_bench: cannot make a folder in /tmp\n");
    return 1;
  }
  Status good;
  auto grid = LocalGrid::start(folder, {{"bench", 3}}, 2ULL << 30, kStartLimitMs);
  if (grid) {
    good = RecoveryBench(wanted, *grid).run();
    (void)grid->stop(10'000);
  } else {
    good = std::unexpected(grid.error());
  }
  if (!good) std::fprintf(stderr, "recovery_bench: %s\n", to_string(good.error()).c_str());
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace juxmem::bench

int main(int argc, char** argv) { return juxmem::bench::run_main(argc, argv); }

// The main job: a grid of two sites, real input, two MPI jobs that share it; providers are killed meanwhile, then all of them at once and
// started again from their disks; the result compared bit for bit with a serial computation.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "apps/heat/diffusion.h"
#include "apps/heat/layout.h"
#include "apps/heat/map_loader.h"
#include "apps/heat/shared_block.h"
#include "apps/juxmem/local_grid.h"
#include "apps/process/process.h"
#include "apps/program_options/program_options.h"
#include "juxmem/base/types.h"

namespace juxmem::heat {
namespace {

namespace options = boost::program_options;
namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kCommandLimitMs = 120'000;
constexpr std::int64_t kJobLimitMs = 900'000;
constexpr int kRanks = 4;
constexpr int kWatchers = 2;

struct RunOptions {
  bool brief = false;
  bool keep = false;
  std::uint32_t steps = 900;
  Raster raster;
  std::uint32_t frame_every = 30;
  std::string out = "out";
  std::string outlines = "/usr/share/gmt-dcw/dcw-gmt.nc";
  std::string sites = "rennes:3,sophia:3";
  std::string memory = "512MiB";
};

class MainJob {
 public:
  explicit MainJob(RunOptions wanted) : options_(std::move(wanted)) {}
  ~MainJob();

  // True if the result is identical and nothing acknowledged was lost.
  Result<bool> run();

 private:
  Status start_grid();
  Status import_outlines();
  Result<Process> start_job(int ranks, const std::string& program, const std::vector<std::string>& arguments);
  Status wait_for_progress(Process& job, std::uint32_t step);
  Result<json> status() const;
  Status kill_two_providers();
  Status kill_provider(const LocalProvider& provider, const char* role);
  Status switch_off_and_on();
  Status wait_for_jobs(Process& job, Process& watch);
  Result<bool> compare();
  Status summarise(bool identical);
  std::vector<std::string> settings() const { return {"JUXMEM_GRID=" + uri_}; }
  const LocalProvider* provider_of(std::uint32_t node, const json& document) const;

  RunOptions options_;
  bool started_ = false;
  LocalGrid grid_;
  std::string uri_;
  std::vector<std::string> killed_;  // names
  int grid_restarts_ = 0;            // all providers killed and started again
  double away_seconds_ = 0;          // from the first kill of the whole grid until it served again
  bool sites_differ_ = false;
  json summary_;
};

void say(const std::string& text) {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

MainJob::~MainJob() {
  if (!started_ || options_.keep) return;
  const auto stopped = output_of({JUXMEM_CLI, "grid", "stop", "--dir", grid_.dir}, {}, kCommandLimitMs);
  if (!stopped) std::fprintf(stderr, "heat_run: %s\n", to_string(stopped.error()).c_str());
}

Status MainJob::start_grid() {
  std::error_code failed;
  fs::create_directories(options_.out, failed);
  if (failed) return fail(Code::kIo, "cannot make the folder " + options_.out + ": " + failed.message());
  for (const auto& entry : fs::directory_iterator(options_.out)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("frame-") || name.ends_with(".json") || name.ends_with(".csv")) fs::remove(entry.path(), failed);
  }
  const std::string dir = fs::absolute(fs::path(options_.out) / "grid").string();
  const std::string data = dir + "/data";
  fs::remove_all(data, failed);
  say("1. a grid of the sites " + options_.sites + " on this machine, which keeps its blocks on disk");
  const auto started = output_of({JUXMEM_CLI, "grid", "start", "--local", "--sites", options_.sites, "--memory",
                                  options_.memory, "--dir", dir, "--data", data},
                                 {}, kCommandLimitMs);
  if (!started) return std::unexpected(started.error());
  started_ = true;
  grid_.dir = dir;
  auto grid = LocalGrid::load(dir);
  if (!grid) return std::unexpected(grid.error());
  grid_ = std::move(*grid);
  uri_ = grid_.uri();
  return {};
}

Status MainJob::import_outlines() {
  const auto imported = output_of({JUXMEM_CLI, "import", options_.outlines, kOutlinesPrefix, "--copies", "1x3", "--disk"},
                                  settings(), kCommandLimitMs);
  if (!imported) return std::unexpected(imported.error());
  std::string lines = *imported;
  while (!lines.empty() && lines.back() == '\n') lines.pop_back();
  say("2. " + lines.substr(lines.rfind('\n') + 1));
  return {};
}

Result<Process> MainJob::start_job(int ranks, const std::string& program, const std::vector<std::string>& arguments) {
  // Two jobs share two cores: ranks must yield while they wait, and nobody is bound to a core.
  std::vector<std::string> command = {"mpirun",
                                      "--allow-run-as-root",
                                      "--oversubscribe",
                                      "--bind-to",
                                      "none",
                                      "--mca",
                                      "btl",
                                      "self,vader",
                                      "--mca",
                                      "mpi_yield_when_idle",
                                      "1",
                                      "-n",
                                      std::to_string(ranks),
                                      program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Process::start(command, settings(), options_.out + "/" + fs::path(program).filename().string() + ".log");
}

// Until job one has published the field of `step`.
Status MainJob::wait_for_progress(Process& job, std::uint32_t step) {
  auto grid = open_grid(0);
  if (!grid) return std::unexpected(grid.error());
  SectionStats stats;
  auto field = SharedBlock::open(grid->get(), field_name(0), kJobLimitMs, &stats);
  if (!field) return std::unexpected(field.error());
  std::uint64_t reached = 0;
  while (reached < step) {
    if (const auto code = job.poll()) {
      return fail(Code::kIo, "job one ended with code " + std::to_string(*code) + "; see " + options_.out + "/heat_job.log");
    }
    Status looked = field->read([&](const SharedBlock::Header& header, const std::byte*) { reached = header.step[0]; });
    if (!looked) return looked;
    if (reached < step) (void)field->wait_newer(1000);
  }
  return {};
}

Result<json> MainJob::status() const {
  const auto text = output_of({JUXMEM_CLI, "status", "-j"}, settings(), kCommandLimitMs);
  if (!text) return std::unexpected(text.error());
  json document = json::parse(*text, nullptr, false);
  if (document.is_discarded()) return fail(Code::kProtocol, "juxmem status -j printed no JSON: " + *text);
  return document;
}

const LocalProvider* MainJob::provider_of(std::uint32_t node, const json& document) const {
  for (const json& row : document.value("providers", json::array())) {
    if (row.value("node", 0U) != node) continue;
    for (const LocalProvider& provider : grid_.providers) {
      if (provider.name == row.value("name", "")) return &provider;
    }
  }
  return nullptr;
}

Status MainJob::kill_provider(const LocalProvider& provider, const char* role) {
  if (Status crashed = grid_.crash({provider.name}); !crashed) return crashed;
  say("   killed " + provider.name + " (pid " + std::to_string(provider.pid) + "): " + role);
  killed_.push_back(provider.name);
  return {};
}

// The coordinator of the group that holds the fields, and on the other site a provider that is a rank's agent.
Status MainJob::kill_two_providers() {
  auto grid = open_grid(0);
  if (!grid) return std::unexpected(grid.error());
  juxmem_id field = 0;
  const int found = juxmem_lookup(grid->get(), field_name(0).c_str(), &field);
  if (found != JUXMEM_OK) return grid_error(found, "cannot find the field");
  const auto document = status();
  if (!document) return std::unexpected(document.error());

  const LocalProvider* coordinator = nullptr;
  for (const json& group : document->value("groups", json::array())) {
    if (group.value("group", 0U) == group_of(field)) coordinator = provider_of(group.value("coordinator", 0U), *document);
  }
  if (coordinator == nullptr) return fail(Code::kTryAgain, "the status names no coordinator of the field's group");
  if (Status killed = kill_provider(*coordinator, "coordinator of the group that holds the fields"); !killed) return killed;

  // Rank r tries address r first: the first four providers are the ranks' agents.
  for (std::size_t rank = 0; rank < std::min<std::size_t>(kRanks, grid_.providers.size()); ++rank) {
    if (grid_.providers[rank].site == coordinator->site) continue;
    sites_differ_ = true;
    return kill_provider(grid_.providers[rank], ("agent of rank " + std::to_string(rank)).c_str());
  }
  return fail(Code::kInternal, "no rank has its agent on the other site");
}

// All providers; the two that were killed before are started again, too.
Status MainJob::switch_off_and_on() {
  const auto begun = std::chrono::steady_clock::now();
  std::vector<std::string> names;
  for (const LocalProvider& provider : grid_.providers) names.push_back(provider.name);
  if (Status crashed = grid_.crash(names); !crashed) return crashed;
  if (Status started = grid_.start_again(names, kCommandLimitMs); !started) return started;
  away_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  ++grid_restarts_;
  char text[96];
  std::snprintf(text, sizeof text, "   all %zu providers killed and started again from disk within %.1f s", names.size(),
                away_seconds_);
  say(text);
  return {};
}

Status MainJob::wait_for_jobs(Process& job, Process& watch) {
  const auto code = job.wait(kJobLimitMs);
  if (!code) return fail(Code::kTryAgain, "job one did not end in time; see " + options_.out + "/heat_job.log");
  if (*code != 0)
    return fail(Code::kIo, "job one ended with code " + std::to_string(*code) + "; see " + options_.out + "/heat_job.log");
  const auto watched = watch.wait(kCommandLimitMs);
  if (!watched) return fail(Code::kTryAgain, "job two did not end in time; see " + options_.out + "/heat_watch.log");
  if (*watched != 0) {
    return fail(Code::kIo,
                "job two ended with code " + std::to_string(*watched) + "; see " + options_.out + "/heat_watch.log");
  }
  return {};
}

Result<bool> MainJob::compare() {
  auto grid = open_grid(5);
  if (!grid) return std::unexpected(grid.error());
  const auto countries = read_countries("/usr/share/gmt-dcw/dcw-countries.txt");
  if (!countries) return std::unexpected(countries.error());
  const Raster& raster = options_.raster;
  auto cells = load_map(grid->get(), kOutlinesPrefix, *countries, raster, 0, raster.height);
  if (!cells) return std::unexpected(cells.error());
  cells->insert(cells->begin(), cells->begin(), cells->begin() + raster.width);
  cells->insert(cells->end(), cells->end() - raster.width, cells->end());
  Band whole(raster, 0, raster.height, *cells);
  for (std::uint32_t step = 0; step < options_.steps; ++step) {
    const std::vector<double> above(whole.first_row().begin(), whole.first_row().end());
    const std::vector<double> below(whole.last_row().begin(), whole.last_row().end());
    whole.step(above, below);
  }
  SectionStats stats;
  bool identical = true;
  for (std::uint32_t band = 0; band < kRanks; ++band) {
    const BandRows rows = band_rows(raster.height, kRanks, band);
    const auto expected =
        whole.temperatures().subspan(std::size_t{rows.first} * raster.width, std::size_t{rows.count} * raster.width);
    auto field = SharedBlock::open(grid->get(), field_name(band), kNeighbourLimitMs, &stats);
    if (!field) return std::unexpected(field.error());
    Status looked = field->read([&](const SharedBlock::Header& header, const std::byte* content) {
      identical =
          identical && header.step[0] == options_.steps && std::memcmp(content, expected.data(), expected.size_bytes()) == 0;
    });
    if (!looked) return std::unexpected(looked.error());
  }
  return identical;
}

Status MainJob::summarise(bool identical) {
  std::ifstream file(options_.out + "/job.json");
  summary_ = json::parse(file, nullptr, false);
  if (summary_.is_discarded()) return fail(Code::kIo, "job one left no numbers in " + options_.out + "/job.json");
  char picture[32];
  std::snprintf(picture, sizeof picture, "/frame-%05u.png", options_.steps);
  summary_["identical"] = identical;
  summary_["providers_killed"] = killed_.size();
  summary_["killed"] = killed_;
  summary_["grid_restarts"] = grid_restarts_;
  summary_["grid_away_ms"] = away_seconds_ * 1000;
  summary_["picture"] = options_.out + picture;
  const std::string path = options_.out + "/summary.json";
  std::ofstream out(path);
  out << summary_.dump(2) << '\n';
  if (!out.flush()) return fail(Code::kIo, "cannot write " + path);
  if (!fs::exists(options_.out + picture)) return fail(Code::kIo, "job two drew no picture of the last step");

  const auto number = [&](const char* name) { return summary_.value(name, 0.0); };
  std::printf("6. the field is %s the serial computation's\n\n", identical ? "bit for bit" : "NOT");
  std::printf("  steps              %10.0f\n", number("steps"));
  std::printf("  blocks             %10.0f   %.1f MB shared\n", number("blocks"), number("bytes_shared") / 1e6);
  std::printf("  sections           %10.0f   %.0f exclusive, %.0f shared, %.0f repeated, %.0f lost\n", number("sections"),
              number("sections_exclusive"), number("sections_shared"), number("sections_repeated"), number("sections_lost"));
  std::printf("  providers killed   %10.0f\n", number("providers_killed"));
  std::printf("  switched off       %10.0f ms until all providers served again from their disks\n", number("grid_away_ms"));
  std::printf("  acquire         p50 %7.0f us   p99 %.0f us\n", number("acquire_us_p50"), number("acquire_us_p99"));
  std::printf("  release         p50 %7.0f us   p99 %.0f us\n", number("release_us_p50"), number("release_us_p99"));
  std::printf("  longest stall      %10.0f ms\n\n", number("longest_stall_ms"));
  std::printf("numbers: %s\npicture: %s\ntable:   %s\n", path.c_str(), (options_.out + picture).c_str(),
              (options_.out + "/countries.csv").c_str());
  return {};
}

Result<bool> MainJob::run() {
  if (Status started = start_grid(); !started) return std::unexpected(started.error());
  if (Status imported = import_outlines(); !imported) return std::unexpected(imported.error());

  say("3. job one: " + std::to_string(kRanks) + " ranks, " + std::to_string(options_.steps) + " steps on " +
      std::to_string(options_.raster.width) + " x " + std::to_string(options_.raster.height) +
      "; job two: " + std::to_string(kWatchers) + " ranks that follow it");
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  auto job = start_job(kRanks, (here / "heat_job").string(),
                       {"--steps", std::to_string(options_.steps), "--frame-every", std::to_string(options_.frame_every),
                        "--width", std::to_string(options_.raster.width), "--height", std::to_string(options_.raster.height),
                        "--summary", options_.out + "/job.json"});
  if (!job) return std::unexpected(job.error());
  auto watch = start_job(kWatchers, (here / "heat_watch").string(), {"--out", options_.out});
  if (!watch) return std::unexpected(watch.error());

  if (Status reached = wait_for_progress(*job, options_.steps / 3); !reached) return std::unexpected(reached.error());
  say("4. a third of the steps is done: two providers die");
  if (Status killed = kill_two_providers(); !killed) return std::unexpected(killed.error());
  if (Status reached = wait_for_progress(*job, options_.steps / 3 * 2); !reached) return std::unexpected(reached.error());
  say("5. two thirds are done: the whole grid is switched off");
  if (Status switched = switch_off_and_on(); !switched) return std::unexpected(switched.error());
  if (Status ended = wait_for_jobs(*job, *watch); !ended) return std::unexpected(ended.error());

  const auto identical = compare();
  if (!identical) return std::unexpected(identical.error());
  if (Status summarised = summarise(*identical); !summarised) return std::unexpected(summarised.error());
  return *identical && summary_.value("sections_lost", 1) == 0 && sites_differ_;
}

int run_main(int argc, char** argv) {
  RunOptions wanted;
  ProgramOptions line(
      "heat_run",
      "Usage: heat_run [options]\n"
      "Starts a grid of two sites, imports the outlines of the world's countries, lets two MPI jobs share a heat field,\n"
      "kills two providers meanwhile, then all of them and starts them again from disk, and compares the result with a "
      "serial computation.");
  line.add()("short", options::bool_switch(&wanted.brief), "a small map and few steps (for tests)")(
      "steps", options::value(&wanted.steps), "time steps (900; short: 120)")(
      "out", options::value(&wanted.out)->default_value(wanted.out), "folder for the results")(
      "outlines", options::value(&wanted.outlines)->default_value(wanted.outlines),
      "file with the outlines (package gmt-dcw)")("keep", options::bool_switch(&wanted.keep), "leave the grid running");
  if (const auto code = line.parse(argc, argv)) return *code;
  if (wanted.brief) {
    wanted.raster = {360, 180};
    wanted.frame_every = 20;
    if (!line.given("steps")) wanted.steps = 120;
  }
  if (wanted.steps < 3) return line.wrong("at least 3 steps are needed");
  const auto good = MainJob(wanted).run();
  if (!good) {
    std::fprintf(stderr, "heat_run: %s\n", to_string(good.error()).c_str());
    return 1;
  }
  if (!*good) std::fprintf(stderr, "heat_run: the result is not what it must be\n");
  return *good ? 0 : 1;
}

}  // namespace
}  // namespace juxmem::heat

int main(int argc, char** argv) { return juxmem::heat::run_main(argc, argv); }

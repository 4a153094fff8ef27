// Puts that are acknowledged when they are on stable storage at a quorum: a grid of three providers against three etcd nodes and against
// bare fdatasync calls, on the same disk and in turns.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/bench/bare_syncs.h"
#include "apps/bench/puts.h"
#ifdef JUXMEM_BENCH_ETCD
#include "apps/bench/peer_etcd.h"
#endif
#include "apps/juxmem/local_grid.h"
#include "apps/program_options/program_options.h"

namespace juxmem::bench {
namespace {

namespace options = boost::program_options;

constexpr std::int64_t kStartLimitMs = 60'000;
constexpr double kSyncSeconds = 2;

struct BenchOptions {
  std::string folder = ".";
  int clients = 64;
  int rounds = 5;
  std::int64_t run_ms = 4000;
  bool no_etcd = false;
};

struct Rates {
  std::vector<double> ours;
  std::vector<double> etcd;
  std::vector<double> syncs;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// All see the same disk: they take turns.
Status measure(const BenchOptions& wanted, const std::string& folder, const std::string& uri, Rates& rates) {
  auto bare = BareSyncs::create(folder);
  if (!bare) return std::unexpected(bare.error());
  constexpr std::size_t kValueBytes = 128;
  const PutLoad load{
      .clients = wanted.clients, .value_bytes = kValueBytes, .run_ms = wanted.run_ms, .durability = JUXMEM_DISK};
  for (int round = 0; round < wanted.rounds; ++round) {
    const auto syncs = bare->run(kSyncSeconds);
    if (!syncs) return std::unexpected(syncs.error());
    rates.syncs.push_back(*syncs);
    const auto ours = puts_per_second(uri, load);
    if (!ours) return std::unexpected(ours.error());
    rates.ours.push_back(*ours);
#ifdef JUXMEM_BENCH_ETCD
    if (wanted.no_etcd) continue;
    const auto etcd = EtcdCluster::start(folder);
    if (!etcd) return std::unexpected(etcd.error());
    const auto theirs = etcd->puts_per_second(wanted.clients, kValueBytes, wanted.run_ms);
    if (!theirs) return std::unexpected(theirs.error());
    rates.etcd.push_back(*theirs);
#endif
  }
  return {};
}

void print(const BenchOptions& wanted, const Rates& rates) {
  const double ours = median(rates.ours);
  std::printf("| what | here | floor or peer | ratio | goal |\n|---|---|---|---|---|\n");
  std::printf("| durable puts of 128 bytes, %d clients, distinct blocks, 3 copies | %.0f /s | ", wanted.clients, ours);
  if (rates.etcd.empty()) {
    std::printf("not measured | | at least 3 (etcd) |\n");
  } else {
    std::printf("%.0f /s etcd puts | %.2f | at least 3 |\n", median(rates.etcd), ours / median(rates.etcd));
  }
  std::printf("| the same | %.0f /s | %.0f /s bare fdatasync | %.2f | |\n", ours, median(rates.syncs),
              ours / median(rates.syncs));
}

Status run(const BenchOptions& wanted, const std::string& folder) {
  auto grid = LocalGrid::start(folder + "/grid", {{"bench", 3}}, 1ULL << 30, kStartLimitMs, {}, folder + "/data");
  if (!grid) return std::unexpected(grid.error());
  Rates rates;
  Status good = measure(wanted, folder, grid->uri(), rates);
  (void)grid->stop(10'000);
  if (good) print(wanted, rates);
  return good;
}

int run_main(int argc, char** argv) {
  BenchOptions wanted;
  ProgramOptions line("disk_bench",
                      "Usage: disk_bench [options]\n"
                      "Starts three providers that keep their blocks on disk, lets clients put small values, and compares "
                      "with three etcd nodes and\n"
                      "with bare fdatasync calls on the same disk.");
  line.add()("folder", options::value(&wanted.folder)->default_value(wanted.folder),
             "a new folder is made there; its disk is what counts")(
      "clients", options::value(&wanted.clients)->default_value(wanted.clients), "clients")(
      "rounds", options::value(&wanted.rounds)->default_value(wanted.rounds), "turns of each; the medians are printed")(
      "run-ms", options::value(&wanted.run_ms)->default_value(wanted.run_ms), "length of a turn")(
      "no-etcd", options::bool_switch(&wanted.no_etcd), "leave the peer out");
  if (const auto code = line.parse(argc, argv)) return *code;
  if (wanted.clients < 1 || wanted.rounds < 1 || wanted.run_ms < 1)
    return line.wrong("clients, rounds and run-ms must be positive");
  std::string folder = wanted.folder + "/disk-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "disk_bench: cannot make a folder in %s\n", wanted.folder.c_str());
    return 1;
  }
  const Status good = run(wanted, folder);
  if (!good) std::fprintf(stderr, "disk_bench: %s\n", to_string(good.error()).c_str());
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace juxmem::bench

int main(int argc, char** argv) { return juxmem::bench::run_main(argc, argv); }

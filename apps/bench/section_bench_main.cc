// The speed of sections on a real grid of three processes, as ratios to bare ZeroMQ and to etcd, all in one run.
#include <juxmem/juxmem.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/bench/floor.h"
#ifdef JUXMEM_BENCH_ETCD
#include "apps/bench/peer_etcd.h"
#endif
#include "apps/bench/puts.h"
#include "apps/juxmem/local_grid.h"
#include "apps/program_options/program_options.h"
#include "juxmem/base/result.h"
#include "juxmem/env/key_file.h"

namespace juxmem::bench {
namespace {

namespace options = boost::program_options;
using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kSmallBytes = 4096;
constexpr std::uint64_t kLargeBytes = 64ULL << 20;
constexpr int kClients = 8;
constexpr std::size_t kPutBytes = 128;

struct BenchOptions {
  bool quick = false;
  bool key = false;
  bool no_etcd = false;
  std::string only;  // one part, by name; empty: all
  int rounds = 9;
  int sections = 1000;
  int large_sections = 9;
  int put_rounds = 3;
  std::int64_t run_ms = 4000;
};

struct Row {
  std::string what;
  std::string ours;
  std::string theirs;
  double ratio = 0;
  std::string goal;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double us_of(const std::function<void()>& work) {
  const auto start = SteadyClock::now();
  work();
  return std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count();
}

[[noreturn]] void give_up(const std::string& what) { throw Error{Code::kInternal, what}; }

void must(int code, const char* what) {
  if (code != JUXMEM_OK) give_up(std::string(what) + ": " + juxmem_strerror(code) + ": " + juxmem_last_error());
}

template <typename T>
T must(Result<T> result) {
  if (!result) throw result.error();
  return std::move(*result);
}

std::string number(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f %s" : "%.0f %s", value, unit);
  return text;
}

// A client of the grid with one block of three copies.
class Client {
 public:
  Client(const std::string& uri, std::uint64_t size_bytes) : size_(size_bytes) {
    must(juxmem_open(uri.c_str(), nullptr, &grid_), "juxmem_open");
    juxmem_attr attr;
    juxmem_attr_init(&attr);
    attr.nodes_per_site = 3;
    must(juxmem_malloc(grid_, size_, &attr, &block_), "juxmem_malloc");
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    juxmem_free(grid_, block_);
    juxmem_close(grid_);
  }

  char* map() {
    void* memory = nullptr;
    must(juxmem_mmap(grid_, block_, 0, 0, &memory), "juxmem_mmap");
    return static_cast<char*>(memory);
  }
  void section(const std::function<void()>& change) {
    must(juxmem_acquire(grid_, block_), "juxmem_acquire");
    change();
    must(juxmem_release(grid_, block_), "juxmem_release");
  }

 private:
  juxmem_grid* grid_ = nullptr;
  juxmem_id block_ = 0;
  std::uint64_t size_;
};

class Bench {
 public:
  Bench(BenchOptions wanted, std::string uri) : options_(std::move(wanted)), uri_(std::move(uri)) {}

  std::vector<Row> run() {
    if (wants("small")) small_sections();
    if (wants("large")) large_sections();
    if (wants("puts")) puts();
    return rows_;
  }

 private:
  bool wants(const char* part) const { return options_.only.empty() || options_.only == part; }
  void small_sections();
  void large_sections();
  void puts();

  BenchOptions options_;
  std::string uri_;
  std::vector<Row> rows_;
};

// Floor and sections take turns, so that both see the same machine.
void Bench::small_sections() {
  Client client(uri_, kSmallBytes);
  char* memory = client.map();
  std::vector<double> floors;
  std::vector<double> written;
  std::vector<double> empty;
  char value = 0;
  const auto write_all = [&] { std::memset(memory, ++value, kSmallBytes); };
  for (int i = 0; i < 200; ++i) client.section(write_all);
  for (int round = 0; round < options_.rounds; ++round) {
    floors.push_back(must(bare_round_trip_us(SocketKind::kTcp, 64, options_.sections)));
    std::vector<double> times;
    for (int i = 0; i < options_.sections; ++i) times.push_back(us_of([&] { client.section(write_all); }));
    written.push_back(median(times));
    times.clear();
    for (int i = 0; i < options_.sections; ++i) times.push_back(us_of([&] { client.section([] {}); }));
    empty.push_back(median(times));
  }
  const double floor = median(floors);
  rows_.push_back({"acquire, write 4 KiB, release; 3 copies (p50)", number(median(written), "us"),
                   number(floor, "us round trip"), median(written) / floor, "at most 5"});
  rows_.push_back({"acquire and release, owned, nothing written (p50)", number(median(empty), "us"),
                   number(floor, "us round trip"), median(empty) / floor, "at most 1.5"});
}

void Bench::large_sections() {
  Client client(uri_, kLargeBytes);
  char* memory = client.map();
  std::vector<double> ours;
  std::vector<double> floors;
  char value = 0;
  const auto write_all = [&] { std::memset(memory, ++value, kLargeBytes); };
  client.section(write_all);
  for (int i = 0; i < options_.large_sections; ++i) {
    floors.push_back(must(bare_push_bytes_per_second(kLargeBytes, 2)));
    double us = 0;
    client.section([&] {
      write_all();
      us = -std::chrono::duration<double, std::micro>(SteadyClock::now().time_since_epoch()).count();
    });
    us += std::chrono::duration<double, std::micro>(SteadyClock::now().time_since_epoch()).count();
    ours.push_back(kLargeBytes / us * 1e6);
  }
  rows_.push_back({"release of 64 MiB, 3 copies", number(median(ours) / 1e6, "MB/s"),
                   number(median(floors) / 1e6, "MB/s pushed to 2 peers"), median(ours) / median(floors), "at least 0.5"});
}

void Bench::puts() {
  std::vector<double> ours;
  std::vector<double> theirs;
  const PutLoad load{.clients = kClients, .value_bytes = kPutBytes, .run_ms = options_.run_ms};
#ifdef JUXMEM_BENCH_ETCD
  if (!options_.no_etcd) {
    for (int round = 0; round < options_.put_rounds; ++round) {
      ours.push_back(must(puts_per_second(uri_, load)));
      const EtcdCluster etcd = must(EtcdCluster::start("/dev/shm"));
      theirs.push_back(must(etcd.puts_per_second(kClients, kPutBytes, options_.run_ms)));
    }
    rows_.push_back({"one-shot sections of 128 bytes, 8 clients, distinct blocks, 3 copies", number(median(ours), "/s"),
                     number(median(theirs), "/s etcd puts"), median(ours) / median(theirs), "at least 3"});
    return;
  }
#endif
  ours.push_back(must(puts_per_second(uri_, load)));
  rows_.push_back({"one-shot sections of 128 bytes, 8 clients, distinct blocks, 3 copies", number(median(ours), "/s"),
                   "not measured", 0, "at least 3 (etcd)"});
}

void print(const std::vector<Row>& rows) {
  std::printf("| what | here | floor or peer | ratio | goal |\n|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    std::printf("| %s | %s | %s | %.2f | %s |\n", row.what.c_str(), row.ours.c_str(), row.theirs.c_str(), row.ratio,
                row.goal.c_str());
  }
}

int run_main(int argc, char** argv) {
  BenchOptions wanted;
  ProgramOptions line(
      "section_bench",
      "Usage: section_bench [options]\n"
      "Starts three providers of one site on loopback and measures sections as ratios to bare ZeroMQ and to etcd.");
  line.add()("quick", options::bool_switch(&wanted.quick), "few repetitions, for a first look")(
      "no-etcd", options::bool_switch(&wanted.no_etcd), "leave the peer out")(
      "only", options::value(&wanted.only)->value_name("PART"), "one part alone: small, large or puts")(
      "key", options::bool_switch(&wanted.key), "with a key: all connections are encrypted (the floor is not)");
  if (const auto code = line.parse(argc, argv)) return *code;
  if (!wanted.only.empty() && wanted.only != "small" && wanted.only != "large" && wanted.only != "puts") {
    return line.wrong("--only takes small, large or puts");
  }
  if (wanted.quick) {
    wanted.rounds = 3;
    wanted.sections = 200;
    wanted.put_rounds = 1;
    wanted.large_sections = 2;
    wanted.run_ms = 1000;
  }
  char folder[] = "/tmp/juxmem-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    std::fprintf(stderr, "section_bench: cannot make a folder in /tmp\n");
    return 1;
  }
  int code = 0;
  const std::string key_file = wanted.key ? std::string(folder) + "/grid.key" : std::string();
  if (wanted.key) {
    (void)write_key_file(key_file, new_grid_key());
    setenv("JUXMEM_KEY_FILE", key_file.c_str(), 1);
  }
  auto grid = LocalGrid::start(folder, {{"bench", 3}}, 1ULL << 30, 60'000, key_file);
  if (grid) {
    try {
      print(Bench(wanted, grid->uri()).run());
    } catch (const Error& error) {
      std::fprintf(stderr, "section_bench: %s\n", to_string(error).c_str());
      code = 1;
    }
    (void)grid->stop(10'000);
  } else {
    std::fprintf(stderr, "section_bench: %s\n", to_string(grid.error()).c_str());
    code = 1;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return code;
}

}  // namespace
}  // namespace juxmem::bench

int main(int argc, char** argv) { return juxmem::bench::run_main(argc, argv); }

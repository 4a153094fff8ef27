#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "apps/grid_error.h"
#include "apps/juxmem/commands.h"
#include "apps/juxmem/status_call.h"
#include "apps/juxmem/text_table.h"
#include "juxmem/env/admitted_keys.h"
#include "juxmem/env/key_file.h"
#include "juxmem/env/real_env.h"
#include "juxmem/env/run_dir.h"

namespace juxmem {
namespace {

constexpr rlim_t kOpenFilesMin = 1024;
constexpr std::uint64_t kMemoryMinKib = 256U << 10;
constexpr std::int64_t kAnswerLimitMs = 5'000;
constexpr double kClockRatioMax = 0.05;  // between two answers; far above what clocks do, far below what breaks leases

// Prints one line per step and remembers whether one failed.
class Examination {
 public:
  void good(const char* step, const std::string& found) { print("ok", step, found); }
  void skipped(const char* step, const std::string& why) { print("-", step, why); }
  void warn(const char* step, const std::string& what) { print("warn", step, what); }
  void failed(const char* step, const std::string& what) {
    print("FAIL", step, what);
    failed_ += failed_.empty() ? step : fmt::format(", {}", step);
  }
  int finish() const {
    if (failed_.empty()) return kExitOk;
    fmt::print(stderr, "juxmem doctor: failed: {}\n", failed_);
    return kExitFailed;
  }

 private:
  static void print(const char* mark, const char* step, const std::string& text) {
    fmt::print("{:<4}  {:<10}  {}\n", mark, step, text);
    std::fflush(stdout);
  }
  std::string failed_;
};

void check_limits(Examination& exam) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < kOpenFilesMin) {
    exam.failed("limits", fmt::format("only {} open files are allowed; a provider needs {}: ulimit -n {}", files.rlim_cur,
                                      kOpenFilesMin, kOpenFilesMin));
    return;
  }
  rlimit space = {};
  getrlimit(RLIMIT_AS, &space);
  if (space.rlim_cur != RLIM_INFINITY) {
    exam.warn("limits", fmt::format("the address space is limited to {}: large blocks cannot be mapped; ulimit -v unlimited",
                                    size_text(space.rlim_cur)));
    return;
  }
  exam.good("limits", fmt::format("{} open files", files.rlim_cur));
}

void check_memory(Examination& exam) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu kB", &kib) != 1) continue;
    const std::string text = size_text(kib * 1024);
    if (kib < kMemoryMinKib) {
      exam.warn("memory", fmt::format("only {} are available", text));
    } else {
      exam.good("memory", fmt::format("{} are available", text));
    }
    return;
  }
  exam.skipped("memory", "the system does not tell");
}

void check_run_folder(Examination& exam) {
  const auto folder = RunDir::create();
  if (!folder) {
    exam.failed("run folder", to_string(folder.error()));
    return;
  }
  RealEnvOptions options;
  options.listen = {folder->ipc_address()};
  const auto env = RealEnv::create(options);
  if (!env) {
    exam.failed("run folder", to_string(env.error()));
    return;
  }
  exam.good("run folder", run_base());
}

void check_ports(Examination& exam) {
  RealEnvOptions options;
  options.listen = {"tcp://127.0.0.1:0"};
  const auto env = RealEnv::create(options);
  if (!env) {
    exam.failed("ports", to_string(env.error()) + "; is the loopback interface up?");
  } else {
    exam.good("ports", fmt::format("{} could be listened at", (*env)->addresses().front()));
  }
}

// Present, private, whole, and of which grid; that it is admitted only the grid can say.
void check_key(Examination& exam) {
  if (!has_encryption()) {
    exam.failed("key", "the ZeroMQ library has no CURVE; install one built with libsodium");
    return;
  }
  const char* path = std::getenv("JUXMEM_KEY_FILE");
  if (path == nullptr || *path == '\0') {
    exam.skipped("key", "JUXMEM_KEY_FILE is not set: only grids without a key can be reached by tcp");
    return;
  }
  const auto key = load_key_file(path);
  if (!key) {
    exam.failed("key", to_string(key.error()));
    return;
  }
  if (!key->is_grid_key()) {
    exam.good("key", fmt::format("{} is the key of user {}", path, key->name));
    return;
  }
  const auto admitted = AdmittedKeys(admitted_folder_of(path)).read();
  if (!admitted) {
    exam.failed("key", to_string(admitted.error()));
    return;
  }
  exam.good("key", fmt::format("{} is a grid's own key; {} users are admitted", path, admitted->size()));
}

// Every provider's address must be reachable from here: clients go there when their agent dies.
void check_reachable(Examination& exam, const wire::StatusReply& reply) {
  std::vector<std::string> silent;
  std::size_t reached = 0;
  for (const auto& provider : reply.catalog.providers) {
    if (!provider.up) continue;
    if (ask_status({provider.address}, false, kAnswerLimitMs)) {
      ++reached;
    } else {
      silent.push_back(fmt::format("{} at {}", provider.name, provider.address));
    }
  }
  if (silent.empty()) {
    exam.good("addresses", fmt::format("all {} providers that are up answer from here", reached));
  } else {
    exam.failed("addresses",
                fmt::format("no answer from {}; a firewall in between, or the wrong --advertise?", fmt::join(silent, ", ")));
  }
}

// A provider's uptime is its clock: between two answers it must advance as ours does. Only rates matter to leases.
void check_clocks(Examination& exam, const std::vector<std::string>& addresses) {
  auto env = RealEnv::create({});
  if (!env) return;
  const auto first = ask_status(addresses, true, kAnswerLimitMs);
  const TimeNs first_at = (*env)->clock().now();
  usleep(500'000);
  const auto second = ask_status(addresses, true, kAnswerLimitMs);
  const auto passed = static_cast<double>((*env)->clock().now() - first_at);
  if (!first || !second) {
    exam.failed("clocks", to_string(first ? second.error() : first.error()));
    return;
  }
  double worst = 0;
  NodeId worst_node = 0;
  for (const auto& before : first->providers) {
    for (const auto& after : second->providers) {
      if (after.node != before.node) continue;
      const double ratio = std::abs(static_cast<double>(after.uptime - before.uptime) / passed - 1);
      if (ratio > worst) {
        worst = ratio;
        worst_node = after.node;
      }
    }
  }
  // Answers take their time on a busy machine, which looks like a clock that is off by as much.
  if (worst > kClockRatioMax) {
    exam.warn("clocks",
              fmt::format("the clock of node {} and ours seemed to differ by {:.1f} % within {:.0f} ms; run this again on a "
                          "quiet machine, then look at its time service",
                          worst_node, worst * 100, passed / 1e6));
  } else {
    exam.good("clocks", fmt::format("{} providers' clocks go at our rate, as far as can be seen ({:.2f} %)",
                                    first->providers.size(), worst * 100));
  }
}

void check_health(Examination& exam, const wire::StatusReply& reply) {
  std::vector<std::string> troubles;
  for (const auto& provider : reply.catalog.providers) {
    if (!provider.up) troubles.push_back(fmt::format("provider {} is down", provider.name));
  }
  bool broken = false;
  for (const auto& group : reply.groups) {
    if (group.coordinator != 0) continue;
    broken = true;
    troubles.push_back(
        fmt::format("{} has no coordinator: too few of its members live",
                    group.group == kRootGroup ? std::string("the root") : fmt::format("group {}", group.group)));
  }
  if (broken) {
    exam.failed("grid", fmt::format("{}", fmt::join(troubles, "; ")));
  } else if (!troubles.empty()) {
    exam.warn("grid", fmt::format("{}", fmt::join(troubles, "; ")));
  } else {
    exam.good("grid",
              fmt::format("{} providers, {} groups, all of them led", reply.catalog.providers.size(), reply.groups.size()));
  }
}

void check_grid(Examination& exam, const CommandLine& line) {
  const auto uri = grid_uri(line);
  if (!uri) {
    exam.skipped("grid", "none to look at: " + uri.error().detail);
    return;
  }
  const std::vector<std::string> addresses = split_addresses(*uri);
  const auto reply = ask_status(addresses, true, kAnswerLimitMs);
  if (!reply && reply.error().code == Code::kKeyRefused) {
    exam.failed("admission", to_string(reply.error()) + "; ask for: juxmem key admit");
    return;
  }
  if (!reply) {
    exam.failed("provider", to_string(reply.error()) + "; is juxmemd running there, and JUXMEM_GRID right?");
    return;
  }
  exam.good("provider", fmt::format("node {} answers", reply->answered_by));
  if (reply->version == juxmem_version()) {
    exam.good("versions", fmt::format("{} here and there", reply->version));
  } else {
    exam.failed("versions",
                fmt::format("{} here, {} there; install the same version everywhere", juxmem_version(), reply->version));
  }
  juxmem_grid* grid = nullptr;
  if (const int code = juxmem_open(uri->c_str(), nullptr, &grid); code != JUXMEM_OK) {
    exam.failed("client", to_string(grid_error(code, "cannot open the grid").error()));
  } else {
    exam.good("client", "this machine's programs can open the grid");
    juxmem_close(grid);
  }
  check_reachable(exam, *reply);
  check_clocks(exam, addresses);
  check_health(exam, *reply);
}

}  // namespace

int doctor_command(const Arguments& arguments) {
  CommandLine line(
      "doctor", "[options]",
      "Examines this machine and, if there is one, the grid: limits, memory, run folder, ports, key, admission, versions,\n"
      "addresses, clocks, groups. Each step has its line; the exit code is 1 if one failed.",
      "  juxmem doctor\n  juxmem doctor --grid tcp://10.0.0.1:7400\n");
  line.add_grid_option();
  if (const auto ended = line.parse(arguments, 0, 0)) return *ended;
  Examination exam;
  check_limits(exam);
  check_memory(exam);
  check_run_folder(exam);
  check_ports(exam);
  check_key(exam);
  check_grid(exam, line);
  return exam.finish();
}

}  // namespace juxmem

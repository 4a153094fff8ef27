#include "apps/juxmemd/daemon.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "juxmem/env/admitted_keys.h"
#include "juxmem/env/key_file.h"
#include "juxmem/env/real_disk.h"
#include "juxmem/env/real_env.h"
#include "juxmem/env/run_dir.h"
#include "juxmem/provider/provider.h"

namespace juxmem {
namespace {

constexpr std::int64_t kStopLimitMs = 3000;
constexpr std::int64_t kWaitingNoticeMs = 5000;

std::atomic<int> signals_received{0};
std::atomic<RealEnv*> loop_to_wake{nullptr};

void on_signal(int) {
  if (signals_received.fetch_add(1) > 0) _exit(1);
  if (RealEnv* loop = loop_to_wake.load()) loop->wake();
}

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "host";
  return name;
}

// Each start gets a higher one than those before it: the machine's calendar time in nanoseconds.
std::uint64_t new_incarnation() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
}

Status write_all(int fd, const std::string& text, const std::string& what) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Code::kIo, fmt::format("cannot write to {}: {}", what, std::strerror(errno)));
    done += static_cast<std::size_t>(n);
  }
  return {};
}

// Appears with its whole content or not at all.
Status write_ready_file(const std::string& path, const std::string& line) {
  const std::string temporary = fmt::format("{}.{}", path, getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return fail(Code::kIo, fmt::format("--ready-file: cannot create {}: {}", temporary, std::strerror(errno)));
  Status status = write_all(fd, line, temporary);
  close(fd);
  if (status && rename(temporary.c_str(), path.c_str()) != 0) {
    status = fail(Code::kIo, fmt::format("--ready-file: cannot rename to {}: {}", path, std::strerror(errno)));
  }
  if (!status) unlink(temporary.c_str());
  return status;
}

// Messages of some megabytes come and go all the time: their memory is kept for the next ones, instead of being given back to
// the system and faulted in again page by page.
void keep_freed_memory() {
  constexpr int kLargestKept = 32 << 20;
  constexpr int kKeptAtTheTop = 256 << 20;
  mallopt(M_MMAP_THRESHOLD, kLargestKept);
  mallopt(M_TRIM_THRESHOLD, kKeptAtTheTop);
}

void start_log(const std::string& level) {
  auto log = std::make_shared<spdlog::logger>("juxmemd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_level(spdlog::level::from_str(level));
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l juxmemd[%P]: %v");
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(log));
}

void log_notice(const Notice& notice) {
  switch (notice.severity) {
    case Notice::Severity::kInfo:
      spdlog::info("{}", notice.text);
      return;
    case Notice::Severity::kWarning:
      spdlog::warn("{}", notice.text);
      return;
    case Notice::Severity::kError:
      spdlog::error("{}", notice.text);
      return;
  }
}

// Nobody from another machine gets there.
bool is_loopback(const std::string& address) {
  constexpr const char* kLoopback[] = {"ipc://", "tcp://127.", "tcp://localhost:", "tcp://[::1]:"};
  return std::ranges::any_of(kLoopback, [&](const char* start) { return address.starts_with(start); });
}

// The address that others use: a wildcard is none.
Result<std::string> public_address(const DaemonOptions& options, const std::string& bound) {
  if (!options.advertise.empty()) return options.advertise;
  for (const char* wildcard : {"tcp://0.0.0.0:", "tcp://*:", "tcp://[::]:"}) {
    if (bound.starts_with(wildcard)) {
      return fail(Code::kInvalid, fmt::format("--advertise is missing: others cannot reach {}", bound));
    }
  }
  return bound;
}

// Composition root: makes the parts, runs them, takes them down in the reverse order.
class Daemon {
 public:
  explicit Daemon(const DaemonOptions& options) : options_(options) {}

  ~Daemon() {
    loop_to_wake.store(nullptr);
    if (announced_file_) unlink(options_.ready_file.c_str());
  }

  Status open() {
    auto run_dir = RunDir::create(options_.run_dir.empty() ? run_base() : options_.run_dir);
    if (!run_dir) return std::unexpected(run_dir.error());
    run_dir_ = std::make_unique<RunDir>(std::move(*run_dir));
    RealEnvOptions env_options;
    env_options.listen = {options_.listen, run_dir_->ipc_address()};
    if (Status keyed = take_key(env_options); !keyed) return keyed;
    auto env = RealEnv::create(env_options);
    if (!env) return std::unexpected(env.error());
    env_ = std::move(*env);
    if (!options_.data.empty()) {
      auto disk = RealDisk::open({.folder = options_.data});
      if (!disk) return fail(disk.error().code, "--data: " + disk.error().detail);
      disk_ = std::move(*disk);
      env_->use_disk(*disk_, disk_->descriptor(), [disk = disk_.get()] { disk->deliver(); });
    }
    auto provider_options = make_provider_options();
    if (!provider_options) return std::unexpected(provider_options.error());
    name_ = provider_options->name;
    address_ = provider_options->address;
    provider_ = std::make_unique<Provider>(*env_, std::move(*provider_options));
    env_->attach(*provider_);
    loop_to_wake.store(env_.get());
    return {};
  }

  Status run() {
    spdlog::info("provider {} at site {} listens at {} and {}{}", name_, options_.site, address_, run_dir_->ipc_address(),
                 options_.key_file.empty() ? "" : "; tcp is encrypted, for admitted keys only");
    provider_->start();
    const TimeNs started = env_->clock().now();
    TimeNs next_notice = started + ms_to_ns(kWaitingNoticeMs);
    while (signals_received.load() == 0) {
      env_->run_once(env_->clock().now() + ms_to_ns(500));
      if (auto failure = provider_->failure()) return std::unexpected(*failure);
      if (!announced_ && provider_->ready()) {
        if (auto told = announce(); !told) return told;
      }
      if (!announced_ && env_->clock().now() >= next_notice) {
        spdlog::warn("still waiting to be taken into the grid: {}", provider_->waiting_for());
        next_notice += ms_to_ns(kWaitingNoticeMs);
      }
    }
    return stop();
  }

 private:
  Status take_key(RealEnvOptions& env_options) const {
    if (options_.key_file.empty()) {
      if (!is_loopback(options_.listen)) {
        spdlog::warn(
            "connections to {} are neither encrypted nor checked: everybody who reaches this address can read and change "
            "the "
            "grid; give it a key with --key-file",
            options_.listen);
      }
      return {};
    }
    auto key = load_key_file(options_.key_file);
    if (!key) return std::unexpected(key.error());
    env_options.key = std::make_shared<const KeyFile>(std::move(*key));
    env_options.admitted_folder = admitted_folder_of(options_.key_file);
    return {};
  }

  Result<ProviderOptions> make_provider_options() {
    ProviderOptions options;
    options.name = options_.name.empty() ? fmt::format("{}-{}", host_name(), getpid()) : options_.name;
    options.site = options_.site;
    auto address = public_address(options_, env_->addresses().at(0));
    if (!address) return std::unexpected(address.error());
    options.address = *address;
    options.incarnation = new_incarnation();
    options.capacity_bytes = options_.memory_bytes;
    options.manager = options_.manager;
    options.managers = options_.join;
    if (options.managers.empty()) options.managers.push_back(options.address);
    options.timing = options_.timing;
    if (options_.manager && options_.join.empty() && options_.listen.ends_with(":0")) options.timing.listen_ms = 0;
    options.agent = options_.limits;
    options.tell = log_notice;
    options.network_counts = [env = env_.get()] {
      const RealEnvStats stats = env->stats();
      return NetworkCounts{stats.packets_garbage, stats.packets_dropped};
    };
    if (auto ok = options.check(); !ok) return std::unexpected(ok.error());
    return options;
  }

  // Clients are served from now on: tells the caller and whoever looks for providers on this machine.
  Status announce() {
    announced_ = true;
    nlohmann::json fields;
    fields["ready"] = true;
    fields["name"] = name_;
    fields["site"] = options_.site;
    fields["node"] = provider_->self();
    fields["pid"] = getpid();
    fields["address"] = address_;
    fields["agent"] = run_dir_->ipc_address();
    fields["run_dir"] = run_dir_->path();
    const std::string line = fields.dump() + "\n";
    if (auto told = run_dir_->announce(run_dir_->ipc_address()); !told) return told;
    std::fputs(line.c_str(), stdout);
    std::fflush(stdout);
    if (!options_.ready_file.empty()) {
      if (auto told = write_ready_file(options_.ready_file, line); !told) return told;
      announced_file_ = true;
    }
    if (options_.ready_fd >= 0) {
      if (auto told = write_all(options_.ready_fd, line, "--ready-fd"); !told) return told;
      close(options_.ready_fd);
    }
    spdlog::info("ready as node {}", provider_->self());
    return {};
  }

  Status stop() {
    spdlog::info("stopping");
    provider_->stop();
    const TimeNs limit = env_->clock().now() + ms_to_ns(kStopLimitMs);
    while (!provider_->stopped() && env_->clock().now() < limit) env_->run_once(limit);
    spdlog::info("stopped{}", provider_->stopped() ? "" : ": not everything could be handed over in time");
    return {};
  }

  const DaemonOptions& options_;
  std::unique_ptr<RunDir> run_dir_;
  std::unique_ptr<RealEnv> env_;
  std::unique_ptr<RealDisk> disk_;  // with --data
  std::unique_ptr<Provider> provider_;
  std::string name_;
  std::string address_;
  bool announced_ = false;
  bool announced_file_ = false;
};

}  // namespace

Status run_daemon(const DaemonOptions& options) {
  keep_freed_memory();
  start_log(options.log_level);
  install_signal_handlers();
  Daemon daemon(options);
  if (auto opened = daemon.open(); !opened) return opened;
  return daemon.run();
}

}  // namespace juxmem

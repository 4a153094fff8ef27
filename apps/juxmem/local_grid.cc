#include "apps/juxmem/local_grid.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "juxmem/env/run_dir.h"

namespace juxmem {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t kManagersPerSiteMax = 3;
constexpr std::uint32_t kProvidersMax = 64;
constexpr int kStartTries = 3;
constexpr std::int64_t kStopLimitMs = 10'000;
constexpr auto kPollEvery = std::chrono::milliseconds(10);

std::string file_of(const std::string& dir) { return dir + "/grid.json"; }
std::string log_of(const std::string& dir, const std::string& name) { return dir + "/" + name + ".log"; }
std::string ready_file_of(const std::string& dir, const std::string& name) { return dir + "/" + name + ".ready"; }

// State and start time of a process, from /proc: together with its number, the start time names a process for ever.
struct ProcessFacts {
  char state = 0;
  std::uint64_t started = 0;
};

std::optional<ProcessFacts> facts_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(name_end + 1));
  ProcessFacts facts;
  rest >> facts.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  rest >> facts.started;
  return rest ? std::optional(facts) : std::nullopt;
}

// Whether the very process still runs (a zombie does not).
bool runs(const LocalProvider& provider) {
  waitpid(provider.pid, nullptr, WNOHANG);  // ours, if this program started it
  const auto facts = facts_of(provider.pid);
  return facts && facts->started == provider.started && facts->state != 'Z' && facts->state != 'X';
}

// A port of loopback that nobody uses, below those that the system gives to outgoing connections.
std::optional<std::uint16_t> free_port(std::mt19937& random, std::set<std::uint16_t>& taken) {
  std::uniform_int_distribution<int> ports(10000, 32000);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(ports(random));
    if (taken.contains(port)) continue;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::nullopt;
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (!is_free) continue;
    taken.insert(port);
    return port;
  }
  return std::nullopt;
}

// juxmemd beside this program, or the one found by PATH.
Result<std::string> daemon_program() {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "juxmemd";
  if (!error && access(beside.c_str(), X_OK) == 0) return beside.string();
  const char* path = getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/juxmemd";
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(Code::kNotFound, "the program juxmemd is neither beside this program nor in PATH");
}

// The environment without the settings of another provider: everything is given on the command line.
std::vector<std::string> environment_of_daemons() {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string entry = *line;
    if (!entry.starts_with("JUXMEM_") || entry.starts_with("JUXMEM_RUN_DIR=") || entry.starts_with("JUXMEM_LOG_LEVEL=")) {
      lines.push_back(entry);
    }
  }
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> found;
  for (std::string& word : words) found.push_back(word.data());
  found.push_back(nullptr);
  return found;
}

// Starts a process that outlives this one, in a session of its own, so that Ctrl-C in this terminal does not reach it.
Result<pid_t> spawn_detached(std::vector<std::string> words, const std::string& log) {
  std::vector<std::string> lines = environment_of_daemons();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int code =
      posix_spawn(&pid, words.front().c_str(), &actions, &attributes, pointers(words).data(), pointers(lines).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail(Code::kIo, fmt::format("cannot start {}: {}", words.front(), std::strerror(code)));
  return pid;
}

std::string last_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

Status write_description(const LocalGrid& grid) {
  json rows = json::array();
  for (const LocalProvider& provider : grid.providers) {
    rows.push_back({{"name", provider.name},
                    {"site", provider.site},
                    {"address", provider.address},
                    {"pid", provider.pid},
                    {"started", provider.started},
                    {"command", provider.command}});
  }
  const std::string path = file_of(grid.dir);
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << json{{"uri", grid.uri()}, {"providers", rows}}.dump(2) << '\n';
  file.close();
  if (!file || rename(temporary.c_str(), path.c_str()) != 0) return fail(Code::kIo, "cannot write " + path);
  return {};
}

Status launch(const std::string& dir, LocalProvider& provider) {
  std::error_code ignored;
  fs::remove(ready_file_of(dir, provider.name), ignored);
  auto pid = spawn_detached(provider.command, log_of(dir, provider.name));
  if (!pid) return std::unexpected(pid.error());
  provider.pid = *pid;
  if (const auto facts = facts_of(*pid)) provider.started = facts->started;
  return {};
}

Status wait_until_ready(const std::string& dir, const LocalProvider& provider, SteadyClock::time_point deadline) {
  const std::string log = log_of(dir, provider.name);
  while (access(ready_file_of(dir, provider.name).c_str(), F_OK) != 0) {
    if (!runs(provider)) {
      return fail(Code::kIo, fmt::format("provider {} ended at its start: {}", provider.name, last_line_of(log)));
    }
    if (SteadyClock::now() >= deadline) {
      return fail(Code::kTryAgain, fmt::format("provider {} was not ready in time; its log is {} and ends with: {}",
                                               provider.name, log, last_line_of(log)));
    }
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

Result<std::vector<LocalProvider*>> rows_of(LocalGrid& grid, const std::vector<std::string>& names) {
  std::vector<LocalProvider*> rows;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(grid.providers, name, &LocalProvider::name);
    if (found == grid.providers.end())
      return fail(Code::kNotFound, fmt::format("the grid in {} has no provider {}", grid.dir, name));
    rows.push_back(&*found);
  }
  return rows;
}

// One attempt to start everything; the ports may turn out to be taken meanwhile.
class Starter {
 public:
  Starter(std::string dir, const std::vector<LocalSite>& sites, std::uint64_t memory_bytes, std::string key_file,
          std::string data)
      : sites_(sites), memory_bytes_(memory_bytes), key_file_(std::move(key_file)), data_(std::move(data)) {
    grid_.dir = std::move(dir);
  }

  Result<LocalGrid> run(const std::string& program, std::int64_t limit_ms) {
    Status good = choose_addresses();
    if (good) good = remember_addresses();
    for (LocalProvider& provider : grid_.providers) {
      std::error_code ignored;
      fs::remove(log_of(grid_.dir, provider.name), ignored);
      provider.command = command_of(program, provider);
      if (good) good = launch(grid_.dir, provider);
    }
    if (good) good = write_description(grid_);
    const auto deadline = SteadyClock::now() + std::chrono::milliseconds(limit_ms);
    for (const LocalProvider& provider : grid_.providers) {
      if (good) good = wait_until_ready(grid_.dir, provider, deadline);
    }
    if (good) return grid_;
    for (std::size_t i = 0; i < grid_.providers.size(); ++i) {
      if (grid_.providers[i].pid == 0) grid_.providers.resize(i);
    }
    if (Status stopped = grid_.stop(kStopLimitMs); !stopped) return std::unexpected(stopped.error());
    return std::unexpected(good.error());
  }

 private:
  std::string former_file() const { return data_ + "/providers.json"; }

  // The addresses of a grid that was started with this data before: its managers are known by them.
  Result<json> former_addresses() const {
    if (data_.empty()) return json::object();
    std::ifstream file(former_file());
    if (!file) return json::object();
    json addresses = json::parse(file, nullptr, false);
    std::size_t wanted = 0;
    bool same = addresses.is_object();
    for (const LocalSite& site : sites_) {
      wanted += site.providers;
      for (std::uint32_t number = 1; number <= site.providers && same; ++number) {
        same = addresses.value(fmt::format("{}-{}", site.name, number), json()).is_string();
      }
    }
    if (!same || addresses.size() != wanted) {
      return fail(Code::kInvalid,
                  fmt::format("the grid whose data are in {} has other providers; start it with the same --sites", data_));
    }
    return addresses;
  }

  Status remember_addresses() const {
    if (data_.empty()) return {};
    json addresses = json::object();
    for (const LocalProvider& provider : grid_.providers) addresses[provider.name] = provider.address;
    std::ofstream file(former_file() + ".new");
    file << addresses.dump(2) << '\n';
    file.close();
    if (!file || rename((former_file() + ".new").c_str(), former_file().c_str()) != 0)
      return fail(Code::kIo, "cannot write " + former_file());
    return {};
  }

  Status choose_addresses() {
    if (!data_.empty()) {
      std::error_code error;
      fs::create_directories(data_, error);
      if (error) return fail(Code::kIo, fmt::format("cannot make the folder {}: {}", data_, error.message()));
    }
    const Result<json> former = former_addresses();
    if (!former) return std::unexpected(former.error());
    std::mt19937 random(std::random_device{}());
    std::set<std::uint16_t> taken;
    for (const LocalSite& site : sites_) {
      for (std::uint32_t number = 1; number <= site.providers; ++number) {
        const std::string name = fmt::format("{}-{}", site.name, number);
        std::string address = former->value(name, std::string());
        if (address.empty()) {
          const auto port = free_port(random, taken);
          if (!port) return fail(Code::kIo, "no free port was found on 127.0.0.1");
          address = fmt::format("tcp://127.0.0.1:{}", *port);
        }
        grid_.providers.push_back({name, site.name, address, 0, 0, {}});
        if (number <= kManagersPerSiteMax) {
          managers_ += (managers_.empty() ? "" : ",") + grid_.providers.back().address;
          manager_names_.insert(grid_.providers.back().name);
        }
      }
    }
    return {};
  }

  std::vector<std::string> command_of(const std::string& program, const LocalProvider& provider) const {
    std::vector<std::string> words = {program,
                                      "--name",
                                      provider.name,
                                      "--site",
                                      provider.site,
                                      "--listen",
                                      provider.address,
                                      "--join",
                                      managers_,
                                      "--memory",
                                      std::to_string(memory_bytes_),
                                      "--ready-file",
                                      ready_file_of(grid_.dir, provider.name)};
    if (manager_names_.contains(provider.name)) words.push_back("--manager");
    if (!key_file_.empty()) words.insert(words.end(), {"--key-file", key_file_});
    if (!data_.empty()) words.insert(words.end(), {"--data", data_ + "/" + provider.name});
    return words;
  }

  const std::vector<LocalSite>& sites_;
  std::uint64_t memory_bytes_;
  std::string key_file_;
  std::string data_;
  LocalGrid grid_;
  std::string managers_;
  std::set<std::string> manager_names_;
};

Status prepare_folder(const std::string& dir) {
  if (const auto former = LocalGrid::load(dir)) {
    for (const LocalProvider& provider : former->providers) {
      if (runs(provider)) {
        return fail(Code::kBusy,
                    fmt::format("a grid runs already (folder {}, provider {}); end it with: juxmem grid stop --dir {}", dir,
                                provider.name, dir));
      }
    }
  }
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return fail(Code::kIo, fmt::format("cannot make the folder {}: {}", dir, error.message()));
  fs::permissions(dir, fs::perms::owner_all, error);
  return {};
}

}  // namespace

Result<std::vector<LocalSite>> parse_sites(const std::string& text) {
  std::vector<LocalSite> sites;
  std::set<std::string> names;
  std::uint32_t total = 0;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t colon = part.rfind(':');
    LocalSite site{part.substr(0, colon), 1};
    if (colon != std::string::npos) {
      const char* last = part.data() + part.size();
      const auto [end, error] = std::from_chars(part.data() + colon + 1, last, site.providers);
      if (error != std::errc{} || end != last || site.providers == 0 || site.providers > kProvidersMax) {
        return fail(Code::kInvalid, fmt::format("'{}' is not of the form NAME:PROVIDERS, like rennes:3", part));
      }
    }
    const bool plain = std::all_of(site.name.begin(), site.name.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
    if (site.name.empty() || site.name.size() > 64 || !plain) {
      return fail(Code::kInvalid, fmt::format("'{}' is not a name of a site: letters, digits, - and _", site.name));
    }
    if (!names.insert(site.name).second) return fail(Code::kInvalid, fmt::format("the site {} is named twice", site.name));
    total += site.providers;
    sites.push_back(std::move(site));
  }
  if (sites.empty()) return fail(Code::kInvalid, "no site is named");
  if (total > kProvidersMax) {
    return fail(Code::kInvalid, fmt::format("{} providers are too many for one machine (at most {})", total, kProvidersMax));
  }
  return sites;
}

std::string LocalGrid::uri() const {
  std::string text;
  for (const LocalProvider& provider : providers) text += (text.empty() ? "" : ",") + provider.address;
  return text;
}

Result<LocalGrid> LocalGrid::start(const std::string& dir, const std::vector<LocalSite>& sites, std::uint64_t memory_bytes,
                                   std::int64_t limit_ms, const std::string& key_file, const std::string& data) {
  const auto program = daemon_program();
  if (!program) return std::unexpected(program.error());
  if (Status ready = prepare_folder(dir); !ready) return std::unexpected(ready.error());
  for (int attempt = 1;; ++attempt) {
    auto grid = Starter(dir, sites, memory_bytes, key_file, data).run(*program, limit_ms);
    const bool may_try_again = !grid && grid.error().code == Code::kIo && attempt < kStartTries;
    if (!may_try_again) return grid;
  }
}

Result<LocalGrid> LocalGrid::load(const std::string& dir) {
  std::ifstream file(file_of(dir));
  if (!file) return fail(Code::kNotFound, fmt::format("no grid was started in {}", dir));
  const json document = json::parse(file, nullptr, false);
  try {
    LocalGrid grid{dir, {}};
    for (const json& row : document.at("providers")) {
      grid.providers.push_back(
          {row.at("name"), row.at("site"), row.at("address"), row.at("pid"), row.at("started"), row.at("command")});
    }
    return grid;
  } catch (const json::exception&) {
    return fail(Code::kInvalid, fmt::format("{} is damaged", file_of(dir)));
  }
}

Status LocalGrid::crash(const std::vector<std::string>& names) {
  const auto chosen = rows_of(*this, names);
  if (!chosen) return std::unexpected(chosen.error());
  for (const LocalProvider* provider : *chosen) {
    if (runs(*provider) && kill(provider->pid, SIGKILL) != 0) {
      return fail(Code::kIo, fmt::format("cannot kill {}: {}", provider->name, std::strerror(errno)));
    }
  }
  for (const LocalProvider* provider : *chosen) {
    while (runs(*provider)) std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

Status LocalGrid::start_again(const std::vector<std::string>& names, std::int64_t limit_ms) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(limit_ms);
  const auto chosen = rows_of(*this, names);
  if (!chosen) return std::unexpected(chosen.error());
  for (const LocalProvider* provider : *chosen) {
    if (runs(*provider)) return fail(Code::kBusy, fmt::format("provider {} still runs", provider->name));
  }
  for (LocalProvider* provider : *chosen) {
    if (Status good = launch(dir, *provider); !good) return good;
  }
  if (Status good = write_description(*this); !good) return good;
  for (const LocalProvider* provider : *chosen) {
    if (Status good = wait_until_ready(dir, *provider, deadline); !good) return good;
  }
  return {};
}

Status LocalGrid::stop(std::int64_t limit_ms) {
  for (const LocalProvider& provider : providers) {
    if (runs(provider)) kill(provider.pid, SIGTERM);
  }
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(limit_ms);
  bool killed = false;
  for (const LocalProvider& provider : providers) {
    while (runs(provider)) {
      if (SteadyClock::now() >= deadline && !killed) {
        killed = true;
        for (const LocalProvider& slow : providers) {
          if (runs(slow)) kill(slow.pid, SIGKILL);
        }
      }
      std::this_thread::sleep_for(kPollEvery);
    }
  }
  std::error_code error;
  for (const LocalProvider& provider : providers) fs::remove(ready_file_of(dir, provider.name), error);
  fs::remove(file_of(dir), error);
  auto cleaned = clean_run_base();  // of those that were killed
  if (!cleaned) return std::unexpected(cleaned.error());
  return {};
}

}  // namespace juxmem

#include "apps/juxmemd/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>

#ifndef JUXMEM_VERSION_STRING
#define JUXMEM_VERSION_STRING "0.1.0"
#endif

namespace juxmem {
namespace {

namespace po = boost::program_options;

constexpr const char* kUsage =
    R"(juxmemd: one provider of a JuxMem grid. It offers memory to the grid and serves the clients of this machine.

Usage:
  juxmemd --site SITE --manager [--join LIST] [--listen ADDRESS] [options]
  juxmemd --site SITE --join LIST [--listen ADDRESS] [options]

)";

constexpr const char* kExamples = R"(
Examples:
  A grid of one provider; its address is printed on the first line:
    juxmemd --site home --manager

  Three managers on three machines; each one is started with the same list:
    juxmemd --site rennes --manager --listen tcp://10.0.0.1:7400 \
            --join tcp://10.0.0.1:7400,tcp://10.0.0.2:7400,tcp://10.0.1.1:7400

  A further provider with 16 GiB of memory:
    juxmemd --site rennes --memory 16GiB --listen tcp://10.0.0.9:0 \
            --join tcp://10.0.0.1:7400,tcp://10.0.0.2:7400,tcp://10.0.1.1:7400

Every option can also come from the environment (JUXMEM_SITE for --site, JUXMEM_LOG_LEVEL for --log-level) or from the
file given by --config (lines like: site = rennes). The command line wins over the environment, the environment over
the file.

Exit codes: 0 ended by a signal after a clean stop, 1 failed, 2 wrong options.
)";

struct TimingField {
  const char* name;
  std::int64_t Timing::* field;
  const char* help;
};

constexpr std::array kTimingFields = {
    TimingField{"heartbeat-ms", &Timing::heartbeat_ms, "coordinator's sign of life to its group"},
    TimingField{"lease-ms", &Timing::lease_ms, "a coordinator's lease"},
    TimingField{"clock-drift-ppm", &Timing::clock_drift_ppm, "largest rate difference between two clocks"},
    TimingField{"election-min-ms", &Timing::election_min_ms, "silence before a new coordinator is elected"},
    TimingField{"election-spread-ms", &Timing::election_spread_ms, "random addition to that"},
    TimingField{"relay-ms", &Timing::relay_ms,
                "what a remote site's relay may take longer than a direct answer; 0: no relays"},
    TimingField{"follow-ms", &Timing::follow_ms,
                "window after which a coordinator's role may follow the writers; 0: it stays"},
    TimingField{"disk-late-ms", &Timing::disk_late_ms,
                "a provider whose disk has kept nothing of what waits for so long leads no group"},
    TimingField{"agent-renew-ms", &Timing::agent_renew_ms, "how often an agent renews its lease with a group"},
    TimingField{"agent-lease-ms", &Timing::agent_lease_ms, "an agent's lease with a group"},
    TimingField{"client-beat-ms", &Timing::client_beat_ms, "a client's sign of life to its agent"},
    TimingField{"client-lease-ms", &Timing::client_lease_ms, "a client silent for so long is dead"},
    TimingField{"report-ms", &Timing::report_ms, "a provider's sign of life to the managers"},
    TimingField{"provider-dead-ms", &Timing::provider_dead_ms, "a provider silent for so long is down"},
    TimingField{"listen-ms", &Timing::listen_ms,
                "how long managers that know of no grid listen for one before they begin it; 0: not at all"},
    TimingField{"heal-after-ms", &Timing::heal_after_ms, "a provider down for so long is replaced in its groups"},
};

po::options_description describe_general() {
  po::options_description general("Options");
  general.add_options()                                                                                    //
      ("site", po::value<std::string>(), "site this provider belongs to (required)")                       //
      ("name", po::value<std::string>(), "name of this provider, unique in the grid (default: HOST-PID)")  //
      ("listen", po::value<std::string>()->default_value("tcp://127.0.0.1:0"),
       "address to listen at; port 0: any free one, printed at the start")                                                 //
      ("advertise", po::value<std::string>(), "address the others reach this provider at (default: the one listened at)")  //
      ("join", po::value<std::vector<std::string>>()->composing(),
       "addresses of all managers, separated by commas; the same list at every provider")  //
      ("manager", po::value<bool>()->default_value(false)->implicit_value(true),
       "be a manager: keep the catalog of the grid")                                                                  //
      ("memory", po::value<std::string>()->default_value("1GiB"), "memory offered to the grid (KiB, MiB, GiB, TiB)")  //
      ("data", po::value<std::string>(),
       "folder in which this provider remembers what is kept on disk (JUXMEM_DISK), and who it is")  //
      ("key-file", po::value<std::string>(),
       "the grid's key (juxmem key new): connections by tcp are encrypted and only keys that are admitted come in")  //
      ("run-dir", po::value<std::string>(), "folder for the run folders of this user's providers")                   //
      ("log-level", po::value<std::string>()->default_value("info"),
       "trace, debug, info, warning, error, critical or off; the log goes to standard error")                   //
      ("ready-file", po::value<std::string>(), "file to write the line to that tells that clients are served")  //
      ("ready-fd", po::value<int>(), "file descriptor to write that line to");
  return general;
}

po::options_description describe_timing() {
  po::options_description timing("Times (the same at every provider of a grid)");
  const Timing defaults;
  for (const TimingField& field : kTimingFields) {
    timing.add_options()(field.name, po::value<std::int64_t>()->default_value(defaults.*field.field), field.help);
  }
  return timing;
}

struct LimitField {
  const char* name;
  std::function<void(AgentLimits&, std::uint64_t)> set;
  std::uint64_t largest;
};

const std::array<LimitField, 8>& limit_fields() {
  constexpr std::uint64_t kCountMax = std::numeric_limits<std::uint32_t>::max();
  constexpr std::uint64_t kBytesMax = 1ULL << 60;
  static const std::array<LimitField, 8> fields = {
      LimitField{"clients-max",
                 [](AgentLimits& limits, std::uint64_t n) { limits.clients_max = static_cast<std::uint32_t>(n); },
                 kCountMax},
      LimitField{"user-clients-max",
                 [](AgentLimits& limits, std::uint64_t n) { limits.user_clients_max = static_cast<std::uint32_t>(n); },
                 kCountMax},
      LimitField{"user-bytes-max", [](AgentLimits& limits, std::uint64_t n) { limits.user_bytes_max = n; }, kBytesMax},
      LimitField{"client-requests-max",
                 [](AgentLimits& limits, std::uint64_t n) { limits.client_requests_max = static_cast<std::uint32_t>(n); },
                 kCountMax},
      LimitField{"client-bytes-max", [](AgentLimits& limits, std::uint64_t n) { limits.client_bytes_max = n; }, kBytesMax},
      LimitField{"client-sections-max",
                 [](AgentLimits& limits, std::uint64_t n) { limits.client_sections_max = static_cast<std::uint32_t>(n); },
                 kCountMax},
      LimitField{"client-blocks-max", [](AgentLimits& limits, std::uint64_t n) { limits.client_blocks_max = n; }, kBytesMax},
      LimitField{"client-memory-max", [](AgentLimits& limits, std::uint64_t n) { limits.client_memory_max = n; },
                 kBytesMax}};
  return fields;
}

po::options_description describe_limits() {
  const AgentLimits defaults;
  po::options_description limits("Limits, so that one bad client leaves room for the others (sizes as for --memory)");
  const auto number = [](std::uint64_t value) { return po::value<std::string>()->default_value(std::to_string(value)); };
  limits.add_options()                                                         //
      ("clients-max", number(defaults.clients_max), "clients served at once")  //
      ("user-clients-max", number(defaults.user_clients_max), "clients of one admitted key")(
          "user-bytes-max", number(defaults.user_bytes_max), "changes of these clients on their way")(
          "client-requests-max", number(defaults.client_requests_max), "requests of one client under way")         //
      ("client-bytes-max", number(defaults.client_bytes_max), "changes of one client on their way")                //
      ("client-sections-max", number(defaults.client_sections_max), "sections of one client, held or waited for")  //
      ("client-blocks-max", number(defaults.client_blocks_max), "blocks that one client has allocated here")       //
      ("client-memory-max", number(defaults.client_memory_max), "size of these blocks together");
  return limits;
}

po::options_description describe_command_line() {
  po::options_description only_here("Help and configuration");
  only_here.add_options()                                                //
      ("config", po::value<std::string>(), "file to read options from")  //
      ("help,h", "print this text")                                      //
      ("version", "print the version");
  return only_here;
}

// JUXMEM_LOG_LEVEL -> log-level; empty for variables that are no option of this program.
std::string option_of_variable(const std::string& variable, const po::options_description& known) {
  constexpr std::string_view kPrefix = "JUXMEM_";
  if (!variable.starts_with(kPrefix)) return {};
  std::string name = variable.substr(kPrefix.size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return known.find_nothrow(name, false) != nullptr ? name : std::string{};
}

std::vector<std::string> split_list(const std::vector<std::string>& lists) {
  std::vector<std::string> out;
  for (const std::string& list : lists) {
    std::string item;
    std::istringstream in(list);
    while (std::getline(in, item, ',')) {
      std::erase_if(item, [](unsigned char c) { return std::isspace(c) != 0; });
      if (!item.empty()) out.push_back(item);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Status check_address(const char* option, const std::string& address, bool port_zero_allowed) {
  if (address.starts_with("ipc://") && address.size() > 6) return {};
  if (!address.starts_with("tcp://")) {
    return fail(Code::kInvalid, fmt::format("--{}: '{}' is not of the form tcp://HOST:PORT or ipc://PATH", option, address));
  }
  const std::size_t colon = address.rfind(':');
  unsigned port = 0;
  const char* first = address.data() + colon + 1;
  const char* last = address.data() + address.size();
  const auto [end, error] = std::from_chars(first, last, port);
  if (colon <= 6 || first == last || error != std::errc{} || end != last || port > 65535) {
    return fail(Code::kInvalid, fmt::format("--{}: '{}' has no port between 0 and 65535", option, address));
  }
  if (port == 0 && !port_zero_allowed) {
    return fail(Code::kInvalid, fmt::format("--{}: '{}': port 0 cannot be reached by anybody", option, address));
  }
  return {};
}

Status check_options(const DaemonOptions& options) {
  if (options.site.empty()) return fail(Code::kInvalid, "--site is missing: say which site this provider belongs to");
  if (options.site.size() > 255 || options.name.size() > 255) {
    return fail(Code::kInvalid, "--site and --name may have 255 characters at most");
  }
  if (auto ok = check_address("listen", options.listen, true); !ok) return ok;
  if (!options.advertise.empty()) {
    if (auto ok = check_address("advertise", options.advertise, false); !ok) return ok;
  }
  for (const std::string& address : options.join) {
    if (auto ok = check_address("join", address, false); !ok) return ok;
  }
  if (options.join.empty() && !options.manager) {
    return fail(Code::kInvalid, "--join is missing: give the managers' addresses, or --manager to begin a new grid");
  }
  if (!options.key_file.empty() && !options.listen.starts_with("tcp://")) {
    return fail(Code::kInvalid, "--key-file: only tcp is protected by keys; --listen must begin with tcp://");
  }
  constexpr std::array kLevels = {"trace", "debug", "info", "warning", "error", "critical", "off"};
  if (std::find(kLevels.begin(), kLevels.end(), options.log_level) == kLevels.end()) {
    return fail(Code::kInvalid, fmt::format("--log-level: '{}' is none of trace, debug, info, warning, error, critical, off",
                                            options.log_level));
  }
  if (options.memory_bytes < (1U << 20)) return fail(Code::kInvalid, "--memory must be at least 1MiB");
  if (auto ok = options.limits.check(); !ok) return ok;
  if (auto ok = options.timing.check(); !ok) return fail(Code::kInvalid, "times: " + ok.error().detail);
  return {};
}

std::string text_at(const po::variables_map& values, const char* name) {
  return values.count(name) != 0 ? values[name].as<std::string>() : std::string{};
}

Result<DaemonOptions> collect(const po::variables_map& values) {
  DaemonOptions options;
  options.site = text_at(values, "site");
  options.name = text_at(values, "name");
  options.listen = text_at(values, "listen");
  options.advertise = text_at(values, "advertise");
  if (values.count("join") != 0) options.join = split_list(values["join"].as<std::vector<std::string>>());
  options.manager = values["manager"].as<bool>();
  options.key_file = text_at(values, "key-file");
  options.data = text_at(values, "data");
  options.run_dir = text_at(values, "run-dir");
  options.log_level = text_at(values, "log-level");
  options.ready_file = text_at(values, "ready-file");
  if (values.count("ready-fd") != 0) {
    options.ready_fd = values["ready-fd"].as<int>();
    if (options.ready_fd < 0) return fail(Code::kInvalid, "--ready-fd must not be negative");
  }
  auto memory = parse_size(text_at(values, "memory"));
  if (!memory) return fail(Code::kInvalid, "--memory: " + memory.error().detail);
  options.memory_bytes = *memory;
  for (const TimingField& field : kTimingFields) options.timing.*field.field = values[field.name].as<std::int64_t>();
  for (const LimitField& field : limit_fields()) {
    const auto size = parse_size(text_at(values, field.name));
    if (!size || *size > field.largest)
      return fail(Code::kInvalid, fmt::format("--{}: not a number or size within bounds", field.name));
    field.set(options.limits, *size);
  }
  if (auto ok = check_options(options); !ok) return std::unexpected(ok.error());
  return options;
}

// A value given several times by one source is an error; by several sources, the earlier source wins.
void store_all(int argc, const char* const* argv, const po::options_description& all,
               const po::options_description& settable, po::variables_map& values) {
  const po::positional_options_description no_positional;
  po::store(po::command_line_parser(argc, argv)
                .options(all)
                .positional(no_positional)
                .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                .run(),
            values);
  po::store(
      po::parse_environment(settable, [&](const std::string& variable) { return option_of_variable(variable, settable); }),
      values);
  const std::string config = text_at(values, "config");
  if (config.empty()) return;
  std::ifstream file(config);
  if (!file) throw po::error("--config: the file '" + config + "' cannot be read");
  po::store(po::parse_config_file(file, settable), values);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  struct Unit {
    std::string_view name;
    double factor;
  };
  constexpr double kKi = 1024;
  constexpr std::array kUnits = {Unit{"", 1},
                                 Unit{"B", 1},
                                 Unit{"KiB", kKi},
                                 Unit{"MiB", kKi * kKi},
                                 Unit{"GiB", kKi * kKi * kKi},
                                 Unit{"TiB", kKi * kKi * kKi * kKi},
                                 Unit{"K", kKi},
                                 Unit{"M", kKi * kKi},
                                 Unit{"G", kKi * kKi * kKi},
                                 Unit{"T", kKi * kKi * kKi * kKi},
                                 Unit{"kB", 1e3},
                                 Unit{"KB", 1e3},
                                 Unit{"MB", 1e6},
                                 Unit{"GB", 1e9},
                                 Unit{"TB", 1e12}};
  const auto found = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& known) { return known.name == unit; });
  if (error != std::errc{} || found == kUnits.end() || !std::isfinite(number) || number < 0 ||
      number * found->factor > static_cast<double>(1ULL << 60)) {
    return fail(Code::kInvalid, fmt::format("'{}' is not a size like 512MiB or 4GiB", text));
  }
  return static_cast<std::uint64_t>(number * found->factor);
}

Result<DaemonRequest> parse_daemon_options(int argc, const char* const* argv) {
  po::options_description settable;
  settable.add(describe_general()).add(describe_limits()).add(describe_timing());
  po::options_description all;
  all.add(describe_general()).add(describe_command_line()).add(describe_limits()).add(describe_timing());
  po::variables_map values;
  try {
    store_all(argc, argv, all, settable, values);
    po::notify(values);
  } catch (const std::exception& problem) {
    return fail(Code::kInvalid, problem.what());
  }
  DaemonRequest request;
  if (values.count("help") != 0) {
    std::ostringstream text;
    text << kUsage << all << kExamples;
    request.text = text.str();
    return request;
  }
  if (values.count("version") != 0) {
    request.text = fmt::format("juxmemd {}\n", JUXMEM_VERSION_STRING);
    return request;
  }
  auto options = collect(values);
  if (!options) return std::unexpected(options.error());
  request.options = std::move(*options);
  return request;
}

}  // namespace juxmem

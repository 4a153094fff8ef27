#include "tests/sim/seeds.h"

#include <fmt/core.h>

#include <unistd.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "juxmem/base/mutant.h"

namespace juxmem::sim {
namespace {

namespace options = boost::program_options;

// What a crash inside a run tells before the process ends.
struct {
  char replay[512] = {};
} crash;

// A CHECK aborts, and so may a known bug that is switched on: that is a finding like any other.
extern "C" void on_crash(int) {
  std::size_t size = 0;
  while (crash.replay[size] != 0) ++size;
  if (::write(STDOUT_FILENO, crash.replay, size) < 0) ::_exit(2);
  ::_exit(1);
}

void note_for_crash(const std::string& program, const std::string& command, std::uint64_t seed) {
  const std::string text = fmt::format("{}: seed {}: the process ended by a signal\n  replay: {}\n", program, seed, command);
  std::snprintf(crash.replay, sizeof crash.replay, "%s", text.c_str());
}

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

SeedRange range_of(const std::string& text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return {.first = 1, .last = std::stoull(text)};
  return {.first = std::stoull(text.substr(0, dots)), .last = std::stoull(text.substr(dots + 2))};
}

std::string first_difference(const std::string& one, const std::string& other) {
  std::size_t at = 0;
  while (at < one.size() && at < other.size() && one[at] == other[at]) ++at;
  const std::size_t line = at == 0 ? 0 : one.rfind('\n', at - 1) + 1;
  return fmt::format("the same seed gave two traces; first difference at byte {}: \"{}\" and \"{}\"", at,
                     one.substr(line, 120), other.substr(line, 120));
}

bool switch_on(const std::string& name) {
#ifdef JUXMEM_MUTANTS
  return switch_mutant_on(name);
#else
  return name.empty();
#endif
}

}  // namespace

int seeds_main(int argc, char** argv, const std::string& program, const SeedRun& run) {
  std::string seeds = "200";
  std::string mutant_name;
  options::options_description known("Simulates worlds from seeds; exit code 1 if a rule was broken");
  known.add_options()("help", "this text")("seeds", options::value(&seeds), "N for 1..N, or A..B")(
      "seed", options::value<std::uint64_t>(), "this one, with its trace")(
      "mutant", options::value(&mutant_name), "switch a known bug on (build with JUXMEM_MUTANTS)")(
      "verify-replay", "run every seed twice and compare the traces")("quiet", "print failures only");
  options::variables_map given;
  SeedRange range;
  try {
    options::store(options::parse_command_line(argc, argv, known), given);
    options::notify(given);
    range = range_of(seeds);
  } catch (const std::exception& mistake) {
    std::cerr << program << ": " << mistake.what() << "\n" << known;
    return 2;
  }
  if (given.contains("help")) {
    std::cout << known;
    return 0;
  }
  if (!switch_on(mutant_name)) {
    std::cerr << program << ": no such mutant, or built without them: " << mutant_name << "\n";
    return 2;
  }
  const bool one_seed = given.contains("seed");
  if (one_seed) range.first = range.last = given["seed"].as<std::uint64_t>();
  const bool twice = given.contains("verify-replay");
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, on_crash);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t caught_up = 0;
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) {
    const std::string command =
        fmt::format("{} --seed {}{}", argv[0], seed, mutant_name.empty() ? "" : " --mutant " + mutant_name);
    note_for_crash(program, command, seed);
    SeedOutcome outcome = run(seed, one_seed || twice);
    if (one_seed) std::cout << outcome.trace;
    if (twice && outcome.violation.empty()) {
      const SeedOutcome again = run(seed, true);
      if (again.trace != outcome.trace) outcome.violation = first_difference(outcome.trace, again.trace);
    }
    if (outcome.caught_up) ++caught_up;
    if (outcome.violation.empty()) continue;
    std::cout << program << ": seed " << seed << ": " << outcome.violation << "\n  replay: " << command << "\n";
    return 1;
  }
  if (!given.contains("quiet")) {
    const auto taken = std::chrono::steady_clock::now() - start;
    fmt::print("{}: {} seeds, no rule broken ({} ms)\n", program, range.last - range.first + 1,
               std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
    if (caught_up > 0) fmt::print("{}: in {} of these seeds a member caught up by snapshot\n", program, caught_up);
  }
  return 0;
}

}  // namespace juxmem::sim

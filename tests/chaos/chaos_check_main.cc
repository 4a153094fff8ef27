// Judges what the clients of a chaos run wrote down: prints the numbers as JSON; exit code 1 if something cannot be explained.
//
//   chaos_check [--announced=FROM_NS:TO_NS]... HISTORY...
//
// Stalls that touch an announced outage are not counted as the longest.
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/chaos/history_file.h"

namespace {

using namespace juxmem;
using namespace juxmem::chaos;

constexpr double kNsPerMs = 1e6;
constexpr const char* kAnnounced = "--announced=";

[[noreturn]] void end_with(const std::string& what) {
  fmt::print(stderr, "chaos_check: {}\nusage: chaos_check [--announced=FROM_NS:TO_NS]... HISTORY...\n", what);
  std::exit(2);
}

Span span_of(const std::string& text) {
  Span span;
  char colon = 0;
  std::istringstream words(text);
  words >> span.began >> colon >> span.ended;
  if (!words || colon != ':') end_with("not of the form FROM_NS:TO_NS: " + text);
  return span;
}

void read(const std::string& path, Histories& into) {
  std::ifstream file(path);
  if (!file) end_with("cannot read " + path);
  const Status good = read_history(file, std::filesystem::path(path).filename().string(), into);
  if (!good) end_with(to_string(good.error()));
}

double length_ms(const Span& span) { return static_cast<double>(span.ended - span.began) / kNsPerMs; }

}  // namespace

int main(int argc, char** argv) {
  Histories histories;
  std::vector<Span> announced;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with(kAnnounced)) {
      announced.push_back(span_of(argument.substr(std::string(kAnnounced).size())));
    } else {
      read(argument, histories);
    }
  }
  if (histories.blocks.empty()) end_with("there is no history");
  const Judgement judgement = judge(histories);
  const Span longest = longest_outside(histories.acknowledged_spans, announced);
  const Span silence = longest_outside(silences(histories.acknowledged_spans), announced);
  const nlohmann::json document = {{"blocks", histories.blocks.size()},
                                   {"acknowledged", histories.acknowledged},
                                   {"lost", histories.lost},
                                   {"unknown", histories.unknown},
                                   {"refused", histories.refused},
                                   {"forgotten", histories.forgotten},
                                   {"longest_section_ms", length_ms(longest)},
                                   {"longest_section_began_ns", longest.began},
                                   {"longest_stall_ms", length_ms(silence)},
                                   {"longest_stall_began_ns", silence.began},
                                   {"too_hard", judgement.too_hard},
                                   {"problems", judgement.problems}};
  fmt::print("{}\n", document.dump(2));
  return judgement.problems.empty() ? 0 : 1;
}

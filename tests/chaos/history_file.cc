#include "tests/chaos/history_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <istream>
#include <sstream>
#include <utility>

namespace juxmem::chaos {
namespace {

constexpr std::array<std::pair<Outcome, const char*>, 5> kOutcomes = {{{Outcome::kOk, "ok"},
                                                                       {Outcome::kLost, "lost"},
                                                                       {Outcome::kUnknown, "unknown"},
                                                                       {Outcome::kNone, "none"},
                                                                       {Outcome::kForgotten, "forgotten"}}};

TimeNs now() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string text_of(const sim::PartValues& values) {
  std::string text;
  for (std::uint64_t value : values) text += value == sim::kNothing ? " -" : fmt::format(" {}", value);
  return text;
}

bool number_of(std::istream& words, std::uint64_t& value) {
  std::string word;
  if (!(words >> word)) return false;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

bool values_of(std::istream& words, sim::PartValues& values) {
  for (std::uint64_t& value : values) {
    words >> std::ws;
    if (words.peek() == '-') {
      words.get();
      value = sim::kNothing;
    } else if (!number_of(words, value)) {
      return false;
    }
  }
  return true;
}

bool outcome_of(std::istream& words, Outcome& outcome) {
  std::string word;
  words >> word;
  const auto found = std::ranges::find_if(kOutcomes, [&](const auto& row) { return row.second == word; });
  if (found == kOutcomes.end()) return false;
  outcome = found->first;
  return true;
}

struct OpenSection {
  std::uint64_t block = 0;
  sim::HistoryOp op;
};

// What for: one client's file. Thread safety: none. Ownership: adds to the histories it was given. Failure: add() is false for a bad line.
class Reader {
 public:
  Reader(std::string client, Histories& into) : client_(std::move(client)), into_(into) {}

  bool add(const std::string& line) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "call") return call(words);
    if (what == "done") return done(words);
    if (what == "torn") return torn(words);
    if (what == "counted") return counted(words);
    return false;
  }

  // Sections without an end may have happened.
  void finish() {
    for (auto& [number, section] : open_) keep(section, Outcome::kUnknown);
  }

 private:
  bool call(std::istream& words) {
    std::uint64_t number = 0;
    std::uint64_t time = 0;
    OpenSection section;
    if (!number_of(words, number) || !number_of(words, section.block) || !number_of(words, time)) return false;
    if (!values_of(words, section.op.written)) return false;
    section.op.who = fmt::format("{}/{}", client_, number);
    section.op.called = static_cast<TimeNs>(time);
    return open_.emplace(number, std::move(section)).second;
  }

  bool done(std::istream& words) {
    std::uint64_t number = 0;
    std::uint64_t time = 0;
    Outcome outcome = Outcome::kNone;
    if (!number_of(words, number) || !number_of(words, time) || !outcome_of(words, outcome)) return false;
    const auto found = open_.find(number);
    if (found == open_.end() || !values_of(words, found->second.op.read)) return false;
    if (outcome != Outcome::kUnknown) found->second.op.returned = static_cast<TimeNs>(time);
    keep(found->second, outcome);
    open_.erase(found);
    return true;
  }

  bool torn(std::istream& words) {
    std::uint64_t number = 0;
    std::uint64_t part = 0;
    if (!number_of(words, number) || !number_of(words, part)) return false;
    into_.torn.push_back(fmt::format("section {}/{} saw a part of another section in part {}", client_, number, part));
    return true;
  }

  bool counted(std::istream& words) {
    std::uint64_t block = 0;
    std::uint64_t count = 0;
    if (!number_of(words, block) || !number_of(words, count)) return false;
    into_.blocks[block].counted = count;
    return true;
  }

  void keep(OpenSection& section, Outcome outcome) {
    BlockHistory& block = into_.blocks[section.block];
    const bool writes = section.op.written != sim::kNoValues;
    switch (outcome) {
      case Outcome::kNone:
        ++into_.refused;
        return;
      case Outcome::kForgotten:
        ++into_.forgotten;
        block.forgotten_at = std::min(block.forgotten_at.value_or(section.op.returned), section.op.returned);
        return;
      case Outcome::kLost:
        ++into_.lost;
        section.op.written = sim::kNoValues;
        break;
      case Outcome::kUnknown:
        ++into_.unknown;
        block.perhaps_written += writes ? 1 : 0;
        break;
      case Outcome::kOk: {
        ++into_.acknowledged;
        block.written += writes ? 1 : 0;
        into_.acknowledged_spans.push_back({section.op.called, section.op.returned});
        break;
      }
    }
    block.ops.push_back(std::move(section.op));
  }

  std::string client_;
  Histories& into_;
  std::map<std::uint64_t, OpenSection> open_;
};

}  // namespace

Result<HistoryWriter> HistoryWriter::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return fail(Code::kIo, "cannot make " + path);
  return HistoryWriter(file);
}

HistoryWriter::HistoryWriter(HistoryWriter&& other) noexcept : file_(std::exchange(other.file_, -1)), ops_(other.ops_) {}

HistoryWriter::~HistoryWriter() {
  if (file_ >= 0) ::close(file_);
}

std::uint64_t HistoryWriter::call(std::uint64_t block, const sim::PartValues& written) {
  put(fmt::format("call {} {} {}{}\n", ++ops_, block, now(), text_of(written)));
  return ops_;
}

void HistoryWriter::done(std::uint64_t op, Outcome outcome, const sim::PartValues& read) {
  const auto row = std::ranges::find(kOutcomes, outcome, &std::pair<Outcome, const char*>::first);
  put(fmt::format("done {} {} {}{}\n", op, now(), row->second, text_of(read)));
}

void HistoryWriter::torn(std::uint64_t op, std::size_t part) { put(fmt::format("torn {} {}\n", op, part)); }

void HistoryWriter::counted(std::uint64_t block, std::uint64_t count) { put(fmt::format("counted {} {}\n", block, count)); }

void HistoryWriter::put(const std::string& line) {
  if (::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size())) return;
  fmt::print(stderr, "the history cannot be written\n");
  std::exit(3);
}

Status read_history(std::istream& lines, const std::string& client, Histories& into) {
  Reader reader(client, into);
  for (std::string line; std::getline(lines, line);) {
    if (lines.eof()) break;
    if (!reader.add(line)) return fail(Code::kInvalid, fmt::format("client {}: not a line of a history: {}", client, line));
  }
  reader.finish();
  return {};
}

namespace {

// A section that somebody was served although the block had been forgotten before it began.
const sim::HistoryOp* began_after_forgotten(const BlockHistory& block) {
  if (!block.forgotten_at) return nullptr;
  const auto found = std::ranges::find_if(
      block.ops, [&](const sim::HistoryOp& op) { return op.returned != sim::kNever && op.called > *block.forgotten_at; });
  return found == block.ops.end() ? nullptr : &*found;
}

}  // namespace

Judgement judge(const Histories& histories) {
  Judgement found{histories.torn, 0};
  for (const auto& [id, block] : histories.blocks) {
    const sim::Verdict verdict = sim::check_linearizable(block.ops);
    if (verdict == sim::Verdict::kNot) {
      found.problems.push_back(fmt::format("block {:#x}: {} sections are not linearizable", id, block.ops.size()));
    }
    if (verdict == sim::Verdict::kTooHard) ++found.too_hard;
    if (const auto* again = began_after_forgotten(block)) {
      found.problems.push_back(
          fmt::format("block {:#x}: section {} was served after the block was forgotten", id, again->who));
    }
    if (!block.counted) continue;
    if (*block.counted < block.written || *block.counted > block.written + block.perhaps_written) {
      found.problems.push_back(fmt::format("block {:#x} counts {} sections; {} were acknowledged, {} may have happened", id,
                                           *block.counted, block.written, block.perhaps_written));
    }
  }
  return found;
}

Span longest_outside(const std::vector<Span>& spans, const std::vector<Span>& announced) {
  Span longest;
  for (const Span& span : spans) {
    const bool touches = std::ranges::any_of(
        announced, [&](const Span& outage) { return span.began < outage.ended && outage.began < span.ended; });
    if (!touches && span.ended - span.began > longest.ended - longest.began) longest = span;
  }
  return longest;
}

std::vector<Span> silences(const std::vector<Span>& acknowledged) {
  std::vector<TimeNs> times;
  for (const Span& span : acknowledged) times.push_back(span.ended);
  std::ranges::sort(times);
  std::vector<Span> found;
  for (std::size_t i = 1; i < times.size(); ++i) found.push_back({times[i - 1], times[i]});
  return found;
}

}  // namespace juxmem::chaos

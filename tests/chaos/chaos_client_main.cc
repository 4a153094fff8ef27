// A client of a chaos run.
//
//   chaos_client load URI HISTORY NUMBER        sections on the blocks that it is told on standard input, until that ends; each line is a
//                                               number and the blocks, BLOCK:KIND. It prints the number when it has left those before
//   chaos_client last URI HISTORY NUMBER BLOCK:KIND...   reads every block once, as a section that must succeed
//   chaos_client allocate URI KIND COUNT SITES NODES DURABILITY     prints the blocks
//   chaos_client free URI BLOCK...
//   chaos_client forgotten URI BLOCK...         the grid must say of every block that it was lost with the providers' memory
//
// KIND: counter (exclusive sections that add one), register (one-shot reads and writes of 8 bytes), pages (three parts of two pages each),
// large (three parts of 1 MiB: more than one log entry takes). DURABILITY: memory or disk.
#include <fmt/core.h>
#include <juxmem/juxmem.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/history_file.h"

namespace juxmem::chaos {
namespace {

using sim::kNothing;
using sim::kParts;
using sim::PartValues;

constexpr std::int64_t kLoadLimitMs = 10'000;
constexpr std::int64_t kSureLimitMs = 60'000;
constexpr auto kPause = std::chrono::milliseconds(2);

enum class Kind : std::uint8_t { kCounter, kRegister, kPages, kLarge };

struct KindFacts {
  const char* name;
  Kind kind;
  std::uint64_t part_bytes;
  std::uint32_t weight;  // how often such a block is chosen
};
constexpr std::array kKinds = {KindFacts{"counter", Kind::kCounter, 8, 20}, KindFacts{"register", Kind::kRegister, 8, 20},
                               KindFacts{"pages", Kind::kPages, 8192, 20}, KindFacts{"large", Kind::kLarge, 1 << 20, 1}};

const KindFacts* kind_named(const std::string& name) {
  const auto found = std::ranges::find_if(kKinds, [&](const KindFacts& row) { return name == row.name; });
  return found == kKinds.end() ? nullptr : &*found;
}

[[noreturn]] void end_with(const std::string& what) {
  fmt::print(stderr, "chaos_client: {}\n", what);
  std::exit(1);
}

struct CloseGrid {
  void operator()(juxmem_grid* grid) const { juxmem_close(grid); }
};
using Grid = std::unique_ptr<juxmem_grid, CloseGrid>;

// Providers may be away: tries until the limit.
Grid open_grid(const char* uri, std::int64_t call_limit_ms) {
  juxmem_options options;
  juxmem_options_init(&options);
  options.call_limit_ms = call_limit_ms;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSureLimitMs);
  for (;;) {
    juxmem_grid* grid = nullptr;
    const int code = juxmem_open(uri, &options, &grid);
    if (code == JUXMEM_OK) return Grid(grid);
    if (std::chrono::steady_clock::now() > deadline) end_with(std::string("cannot open the grid: ") + juxmem_last_error());
  }
}

// What for: a block, its mapping, and what is read and written in it. Thread safety: none.
// Ownership: the mapping goes with the grid's handle. Failure: of calls, as codes of juxmem.h.
// A counter's first 8 bytes are a value never written twice, the second ones the count.
class Block {
 public:
  Block(juxmem_grid* grid, juxmem_id id, const KindFacts& facts) : grid_(grid), id_(id), facts_(&facts) {}

  juxmem_id id() const { return id_; }
  const KindFacts& facts() const { return *facts_; }
  std::size_t parts() const { return facts_->part_bytes > sizeof(std::uint64_t) ? kParts : 1; }
  static std::uint64_t bytes_of(const KindFacts& facts) {
    return facts.part_bytes > sizeof(std::uint64_t) ? kParts * facts.part_bytes : 2 * sizeof(std::uint64_t);
  }
  juxmem_grid* grid() const { return grid_; }

  int map() {
    void* memory = nullptr;
    const int code = words_ != nullptr ? JUXMEM_OK : juxmem_mmap(grid_, id_, 0, 0, &memory);
    if (memory != nullptr) words_ = static_cast<std::uint64_t*>(memory);
    return code;
  }
  void unmap() {
    if (words_ != nullptr) juxmem_munmap(grid_, words_);
  }

  std::uint64_t value(std::size_t part) const { return first(part)[0]; }
  bool is_whole(std::size_t part) const {
    return std::all_of(first(part), first(part) + part_words(), [&](std::uint64_t word) { return word == value(part); });
  }
  void fill(std::size_t part, std::uint64_t value) { std::fill_n(first(part), part_words(), value); }
  std::uint64_t count() const { return words_[1]; }
  void add_one() { ++words_[1]; }

 private:
  std::size_t part_words() const { return facts_->part_bytes / sizeof(std::uint64_t); }
  std::uint64_t* first(std::size_t part) const { return words_ + part * part_words(); }

  juxmem_grid* grid_;
  juxmem_id id_;
  const KindFacts* facts_;
  std::uint64_t* words_ = nullptr;
};

Block block_of(juxmem_grid* grid, const std::string& text) {
  const std::size_t colon = text.find(':');
  const KindFacts* facts = colon == std::string::npos ? nullptr : kind_named(text.substr(colon + 1));
  if (facts == nullptr) end_with("'" + text + "' is not of the form BLOCK:KIND");
  return {grid, std::strtoull(text.c_str(), nullptr, 10), *facts};
}

// What for: sections on blocks, written down. Thread safety: none. Ownership: none of the blocks. Failure: becomes an outcome in the history.
class Worker {
 public:
  Worker(HistoryWriter history, std::uint64_t number) : history_(std::move(history)), number_(number), dice_(number) {}

  void one_of(std::vector<Block>& blocks) {
    std::uint32_t weights = 0;
    for (const Block& block : blocks) weights += block.facts().weight;
    std::uint64_t chosen = dice_() % weights;
    for (Block& block : blocks) {
      if (chosen < block.facts().weight) return something_with(block);
      chosen -= block.facts().weight;
    }
  }

  // Whether the whole block was read.
  bool read_all(Block& block) {
    if (block.map() != JUXMEM_OK) return false;
    const std::uint64_t op = history_.call(block.id(), sim::kNoValues);
    if (juxmem_acquire_read(block.grid(), block.id()) != JUXMEM_OK) {
      history_.done(op, Outcome::kNone, sim::kNoValues);
      return false;
    }
    const PartValues read = see(block, op);
    const bool is_counter = block.facts().kind == Kind::kCounter;
    const std::uint64_t count = is_counter ? block.count() : 0;
    const int code = juxmem_release(block.grid(), block.id());
    history_.done(op, code == JUXMEM_OK ? Outcome::kOk : Outcome::kNone, read);
    if (code == JUXMEM_OK && is_counter) history_.counted(block.id(), count);
    return code == JUXMEM_OK;
  }

 private:
  // Of a section that never began.
  static Outcome without_effect(int code) { return code == JUXMEM_ELOST ? Outcome::kForgotten : Outcome::kNone; }

  std::uint64_t new_value() { return number_ << 40 | ++values_; }

  void something_with(Block& block) {
    const bool reads = dice_() % 3 == 0;
    if (block.facts().kind == Kind::kRegister) {
      reads ? read_once(block) : write_once(block);
    } else if (block.map() == JUXMEM_OK) {
      reads ? (void)read_all_parts(block) : change(block);
    }
  }

  PartValues see(const Block& block, std::uint64_t op) {
    PartValues read = sim::kNoValues;
    for (std::size_t part = 0; part < block.parts(); ++part) {
      read[part] = block.value(part);
      if (!block.is_whole(part)) history_.torn(op, part);
    }
    return read;
  }

  void read_all_parts(Block& block) {
    const std::uint64_t op = history_.call(block.id(), sim::kNoValues);
    const int acquired = juxmem_acquire_read(block.grid(), block.id());
    if (acquired != JUXMEM_OK) return history_.done(op, without_effect(acquired), sim::kNoValues);
    const PartValues read = see(block, op);
    // What a reader saw is of the time of its acquire, also if it lost the block before the release.
    (void)juxmem_release(block.grid(), block.id());
    history_.done(op, Outcome::kOk, read);
  }

  void change(Block& block) {
    PartValues wanted = sim::kNoValues;
    const std::uint64_t chosen = block.parts() == 1 ? 1 : 1 + dice_() % ((1U << kParts) - 1);
    for (std::size_t part = 0; part < block.parts(); ++part) {
      if ((chosen >> part & 1) != 0) wanted[part] = new_value();
    }
    const std::uint64_t op = history_.call(block.id(), wanted);
    const int acquired = juxmem_acquire(block.grid(), block.id());
    if (acquired != JUXMEM_OK) return history_.done(op, without_effect(acquired), sim::kNoValues);
    const PartValues read = see(block, op);
    for (std::size_t part = 0; part < block.parts(); ++part) {
      if (wanted[part] != kNothing) block.fill(part, wanted[part]);
    }
    if (block.facts().kind == Kind::kCounter) block.add_one();
    const int code = juxmem_release(block.grid(), block.id());
    const Outcome outcome = code == JUXMEM_OK           ? Outcome::kOk
                            : code == JUXMEM_EOWNERDEAD ? Outcome::kLost
                                                        : Outcome::kUnknown;
    history_.done(op, outcome, read);
  }

  void write_once(Block& block) {
    PartValues wanted = sim::kNoValues;
    wanted[0] = new_value();
    const std::uint64_t op = history_.call(block.id(), wanted);
    const int code = juxmem_write(block.grid(), block.id(), 0, wanted.data(), sizeof wanted[0]);
    history_.done(op, code == JUXMEM_OK ? Outcome::kOk : Outcome::kUnknown, sim::kNoValues);
  }

  void read_once(Block& block) {
    PartValues read = sim::kNoValues;
    const std::uint64_t op = history_.call(block.id(), sim::kNoValues);
    const int code = juxmem_read(block.grid(), block.id(), 0, read.data(), sizeof read[0]);
    history_.done(op, code == JUXMEM_OK ? Outcome::kOk : without_effect(code), read);
  }

  HistoryWriter history_;
  std::uint64_t number_;
  std::uint64_t values_ = 0;
  std::mt19937_64 dice_;
};

Worker worker_of(char** arguments) {
  auto history = HistoryWriter::create(arguments[0]);
  if (!history) end_with(to_string(history.error()));
  return {std::move(*history), std::strtoull(arguments[1], nullptr, 10)};
}

// What for: lines of standard input, without waiting for them. Thread safety: none. Ownership: none. Failure: the end of the input ends it.
class Orders {
 public:
  // The last whole line that has come, if any.
  std::optional<std::string> newest(int wait_ms) {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    while (!ended_ && ::poll(&input, 1, wait_ms) > 0) {
      std::array<char, 4096> bytes = {};
      const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
      ended_ = got <= 0;
      if (got > 0) text_.append(bytes.data(), static_cast<std::size_t>(got));
      wait_ms = 0;
    }
    const std::size_t end = text_.rfind('\n');
    if (end == std::string::npos) return std::nullopt;
    const std::size_t before = end == 0 ? std::string::npos : text_.rfind('\n', end - 1);
    std::string line =
        text_.substr(before == std::string::npos ? 0 : before + 1, end - (before == std::string::npos ? 0 : before + 1));
    text_.erase(0, end + 1);
    return line;
  }
  bool ended() const { return ended_; }

 private:
  std::string text_;
  bool ended_ = false;
};

int load(char** arguments) {
  const Grid grid = open_grid(arguments[0], kLoadLimitMs);
  Worker worker = worker_of(arguments + 1);
  Orders orders;
  std::vector<Block> blocks;
  while (!orders.ended()) {
    if (const auto line = orders.newest(blocks.empty() ? 100 : 0)) {
      for (Block& block : blocks) block.unmap();
      blocks.clear();
      std::istringstream words(*line);
      std::string number;
      words >> number;
      fmt::print("{}\n", number);
      std::fflush(stdout);
      for (std::string word; words >> word;) blocks.push_back(block_of(grid.get(), word));
    }
    if (blocks.empty()) continue;
    worker.one_of(blocks);
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

int last(char** arguments, int count) {
  const Grid grid = open_grid(arguments[0], kSureLimitMs);
  Worker worker = worker_of(arguments + 1);
  for (int i = 3; i < count; ++i) {
    Block block = block_of(grid.get(), arguments[i]);
    bool is_read = worker.read_all(block);
    if (!is_read) is_read = worker.read_all(block);
    if (!is_read) end_with(fmt::format("block {:#x} cannot be read: {}", block.id(), juxmem_last_error()));
    block.unmap();
  }
  return 0;
}

int allocate(char** arguments) {
  const Grid grid = open_grid(arguments[0], kSureLimitMs);
  const KindFacts* facts = kind_named(arguments[1]);
  if (facts == nullptr) end_with(std::string("no such kind: ") + arguments[1]);
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.sites = static_cast<std::uint32_t>(std::atoi(arguments[3]));
  attr.nodes_per_site = static_cast<std::uint32_t>(std::atoi(arguments[4]));
  attr.durability = std::strcmp(arguments[5], "disk") == 0 ? JUXMEM_DISK : JUXMEM_MEMORY;
  for (int i = 0; i < std::atoi(arguments[2]); ++i) {
    juxmem_id id = 0;
    if (juxmem_malloc(grid.get(), Block::bytes_of(*facts), &attr, &id) != JUXMEM_OK)
      end_with(std::string("malloc: ") + juxmem_last_error());
    fmt::print("{}\n", id);
  }
  return 0;
}

// Whoever would read or write them.
int forgotten(char** arguments, int count) {
  const Grid grid = open_grid(arguments[0], kSureLimitMs);
  for (int i = 1; i < count; ++i) {
    const juxmem_id block = std::strtoull(arguments[i], nullptr, 10);
    std::uint64_t word = 0;
    const int read = juxmem_read(grid.get(), block, 0, &word, sizeof word);
    const int written = juxmem_write(grid.get(), block, 0, &word, sizeof word);
    if (read != JUXMEM_ELOST || written != JUXMEM_ELOST) {
      end_with(fmt::format("block {:#x} ought to be forgotten; a read says {}, a write {}", block, juxmem_strerror(read),
                           juxmem_strerror(written)));
    }
  }
  return 0;
}

int free_blocks(char** arguments, int count) {
  const Grid grid = open_grid(arguments[0], kSureLimitMs);
  for (int i = 1; i < count; ++i) {
    const int code = juxmem_free(grid.get(), std::strtoull(arguments[i], nullptr, 10));
    if (code != JUXMEM_OK && code != JUXMEM_ENOENT) end_with(std::string("free: ") + juxmem_last_error());
  }
  return 0;
}

}  // namespace
}  // namespace juxmem::chaos

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "load" && argc == 5) return juxmem::chaos::load(argv + 2);
  if (what == "last" && argc > 5) return juxmem::chaos::last(argv + 2, argc - 2);
  if (what == "allocate" && argc == 8) return juxmem::chaos::allocate(argv + 2);
  if (what == "free" && argc > 3) return juxmem::chaos::free_blocks(argv + 2, argc - 2);
  if (what == "forgotten" && argc > 3) return juxmem::chaos::forgotten(argv + 2, argc - 2);
  fmt::print(stderr, "usage: chaos_client load|last|allocate|free|forgotten ..., as the head of its source says\n");
  return 2;
}

// The write-ahead log against bare fdatasync calls on the same disk: how much group commit gains.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/bench/bare_syncs.h"
#include "juxmem/env/real_disk.h"
#include "juxmem/storage/log/write_ahead_log.h"

namespace juxmem {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kEntryBytes = 128;
constexpr int kPatienceMs = 10'000;
constexpr int kTurns = 10;
constexpr StreamId kStream{1, 1};

class MachineClock final : public Clock {
 public:
  TimeNs now() const override { return std::chrono::nanoseconds(SteadyClock::now().time_since_epoch()).count(); }
};

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// What for: so many writers, each of which appends an entry, waits until it is durable, and appends the next.
// Failure: error() says what the log or disk said.
class LogBench final : private LogListener {
 public:
  LogBench(const std::string& folder, DiskEngine engine) : folder_(folder) {
    auto disk = RealDisk::open({.folder = folder, .engine = engine});
    if (!disk) {
      error_ = disk.error();
      return;
    }
    disk_ = std::move(*disk);
    LogListener& listener = *this;
    log_ = std::make_unique<WriteAheadLog>(*disk_, clock_, listener, LogOptions{.identity = {1, 1, 1}});
    if (Status opened = log_->open(); !opened) error_ = opened.error();
    while (!error_ && !log_->is_open()) wait();
    // The segments that are being made ahead would take part in the measurement.
    while (!error_ && disk_->in_flight() > 0) wait();
  }

  // Appends that became durable per second.
  double run(std::size_t writers, double seconds) {
    const std::uint64_t before = durable_;
    const auto start = SteadyClock::now();
    for (std::size_t i = 0; i < writers; ++i) append();
    log_->end_turn();
    while (!error_ && seconds_since(start) < seconds) {
      wait();
      release();
      for (; ready_ > 0; --ready_) append();
      log_->end_turn();
    }
    const double rate = static_cast<double>(durable_ - before) / seconds_since(start);
    while (!error_ && disk_->in_flight() > 0) wait();
    ready_ = 0;
    return rate;
  }

  const std::optional<Error>& error() const { return error_; }
  const char* engine() const { return disk_->engine() == DiskEngine::kRing ? "io_uring" : "threads"; }

 private:
  void on_log_record(const PlacedRecord&) override {}
  void on_log_open(const LogReport&) override {}
  void on_log_durable(Lsn up_to) override {
    while (!waiting_.empty() && waiting_.front() <= up_to) {
      waiting_.erase(waiting_.begin());
      ++ready_;
      ++durable_;
    }
  }
  void on_log_dead(const Error& error) override { error_ = error; }
  void on_log_room() override {}

  void wait() {
    if (!disk_->wait(kPatienceMs)) error_ = Error{Code::kTimedOut, "the disk does not answer"};
  }
  void append() {
    const wire::Entry entry{{1, 1}, wire::EntryKind::kCommand, Buffer::copy_of(std::string(kEntryBytes, 'x')), {}};
    const auto lsn = log_->append({kStream, AcceptedRecord{++instance_, entry}});
    if (lsn) {
      waiting_.push_back(*lsn);
    } else if (lsn.error().code == Code::kOverloaded) {
      ++ready_later_;
    } else {
      error_ = lsn.error();
    }
  }
  // Keeps the log short, as checkpoints do; writers that were refused try again.
  void release() {
    if (instance_ >= next_release_) {
      next_release_ = instance_ + 100'000;
      (void)log_->append({kStream, ReleasedRecord{log_->durable_up_to()}});
    }
    ready_ += std::exchange(ready_later_, 0);
  }

  std::string folder_;
  MachineClock clock_;
  std::unique_ptr<RealDisk> disk_;
  std::unique_ptr<WriteAheadLog> log_;
  std::optional<Error> error_;
  std::vector<Lsn> waiting_;
  std::uint64_t durable_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t ready_later_ = 0;
  Instance instance_ = 0;
  Instance next_release_ = 100'000;
};

// The disk may serve others, too: floor and log take turns, so that both get the same share of it.
int run(const std::string& folder, double seconds, DiskEngine engine) {
  auto bare = bench::BareSyncs::create(folder);
  LogBench bench(folder + "/log", engine);
  std::optional<Error> error = bench.error();
  if (!bare) error = bare.error();
  for (const std::size_t writers : {1U, 8U, 64U}) {
    double floor = 0;
    double rate = 0;
    for (int turn = 0; turn < kTurns && !error; ++turn) {
      const auto syncs = bare->run(seconds / kTurns);
      floor += syncs.value_or(0) / kTurns;
      rate += bench.run(writers, seconds / kTurns) / kTurns;
      error = syncs ? bench.error() : syncs.error();
    }
    if (error) break;
    fmt::print(
        "log ({}), {:>2} writers, {} bytes each: {:.0f} durable appends per second; bare fdatasync {:.0f}; ratio {:.2f}\n",
        bench.engine(), writers, kEntryBytes, rate, floor, rate / floor);
  }
  if (!error) return 0;
  fmt::print(stderr, "log_bench: {}\n", to_string(*error));
  return 1;
}

}  // namespace
}  // namespace juxmem

int main(int argc, char** argv) {
  juxmem::DiskEngine engine = juxmem::DiskEngine::kBest;
  std::vector<std::string> operands;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--threads") {
      engine = juxmem::DiskEngine::kThreads;
    } else {
      operands.emplace_back(argument);
    }
  }
  const double seconds = operands.size() > 1 ? std::atof(operands[1].c_str()) : 5;
  if (operands.size() > 2 || seconds <= 0 || (!operands.empty() && operands[0].starts_with("-"))) {
    fmt::print(
        "usage: log_bench [FOLDER [SECONDS]] [--threads]\n"
        "Measures in a new folder below FOLDER (default: the present one), whose disk is what counts.\n");
    return 2;
  }
  std::string folder = (operands.empty() ? std::string(".") : operands[0]) + "/log-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    fmt::print(stderr, "log_bench: cannot make {}\n", folder);
    return 1;
  }
  const int code = juxmem::run(folder, seconds, engine);
  std::filesystem::remove_all(folder);
  return code;
}

// A log on a simulated disk, driven by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/storage/log/write_ahead_log.h"
#include "tests/sim/disk/sim_disk.h"

namespace juxmem {

class HandClock final : public Clock {
 public:
  TimeNs now() const override { return now_; }
  TimeNs now_ = 1;
};

inline LogOptions small_log() {
  LogOptions options;
  options.identity = {5, 7, 1};
  options.segment_bytes = 64U << 10;
  options.batch_bytes = 16U << 10;
  options.pending_bytes = 40U << 10;
  options.fill_segments = false;
  return options;
}

inline const StreamId kStream{3, 1};
inline const StreamId kOtherStream{4, 2};

inline LogRecord accepted(StreamId stream, Instance instance, std::size_t bytes = 100) {
  const std::string text(bytes, static_cast<char>('a' + instance % 26));
  return {stream,
          AcceptedRecord{instance, {{1, 7}, wire::EntryKind::kCommand, Buffer::copy_of("command"), Buffer::copy_of(text)}}};
}

struct LogHarness : LogListener {
  explicit LogHarness(LogOptions log_options = small_log()) : options(log_options) {}

  void on_log_record(const PlacedRecord& record) override { found.push_back(record); }
  void on_log_open(const LogReport& found_report) override { report = found_report; }
  void on_log_durable(Lsn up_to) override { durable.push_back(up_to); }
  void on_log_dead(const Error& error) override { dead = error; }
  void on_log_room() override { ++rooms; }

  // Until the disk has nothing to do.
  void drain() {
    while (disk.next_due() != sim::SimDisk::kNever) {
      clock.now_ = std::max(clock.now_, disk.next_due());
      disk.deliver_due();
    }
  }
  // Begins a life.
  void open() {
    found.clear();
    durable.clear();
    report.reset();
    dead.reset();
    log = std::make_unique<WriteAheadLog>(disk, clock, *this, options);
    ASSERT_TRUE(log->open());
    drain();
  }
  void crash(sim::Crash kind = sim::Crash::kPower) {
    log.reset();
    disk.crash(kind);
  }
  void restart(sim::Crash kind = sim::Crash::kPower) {
    crash(kind);
    open();
  }
  // Appends and makes durable.
  Lsn keep(const LogRecord& record) {
    const Result<Lsn> lsn = log->append(record);
    EXPECT_TRUE(lsn) << to_string(lsn.error());
    log->end_turn();
    drain();
    return lsn.value_or(0);
  }
  const StreamTrust* trust(StreamId stream) const {
    for (const StreamTrust& trust : report->streams) {
      if (trust.stream == stream) return &trust;
    }
    return nullptr;
  }
  bool has_fault(LogFaultKind kind) const {
    for (const LogFault& fault : report->faults) {
      if (fault.kind == kind) return true;
    }
    return false;
  }

  LogOptions options;
  HandClock clock;
  sim::SimDisk disk{{}, clock};
  std::unique_ptr<WriteAheadLog> log;
  std::vector<PlacedRecord> found;
  std::vector<Lsn> durable;
  std::optional<LogReport> report;
  std::optional<Error> dead;
  int rooms = 0;
};

}  // namespace juxmem

// LogWorld: the lives of one node's log on a faulty disk, and a model of what must be left.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "juxmem/base/random.h"
#include "juxmem/storage/log/write_ahead_log.h"
#include "tests/sim/disk/sim_disk.h"

namespace juxmem::sim {

class SimClock final : public Clock {
 public:
  TimeNs now() const override { return now_; }
  void advance_to(TimeNs when) { now_ = std::max(now_, when); }

 private:
  TimeNs now_ = 1;
};

// What for: random appends, releases, crashes and faults of the disk from one seed; after every start the model says whether
//   what was found is right.
// Rules checked: every record that was reported durable and is needed is found again, or reported as lost, and its stream is
// not called
//   whole. Nothing is found that was not appended, nothing in another order. Without damage nothing is reported as lost. A
//   log whose sync failed takes nothing any more. What a full disk refused is taken when there is room.
// Thread safety: none. Failure: the first broken rule ends the run, see violation().
class LogWorld final : private LogListener {
 public:
  LogWorld(std::uint64_t seed, bool keep_trace);
  ~LogWorld() override;

  void run();
  const std::string& violation() const { return violation_; }
  const std::string& trace() const { return trace_; }

 private:
  struct Kept {
    LogRecord record;
    bool durable = false;
    bool given_up = false;  // lost, and its stream is known to be gone: it may be found or not
  };
  // What the disk does to this seed.
  struct Plan {
    bool power_failures = false;
    bool process_kills = false;
    bool rot = false;
    bool sync_errors = false;
    bool full_disk = false;
    bool hangs = false;
  };

  void on_log_record(const PlacedRecord& record) override;
  void on_log_open(const LogReport& report) override;
  void on_log_durable(Lsn up_to) override;
  void on_log_dead(const Error& error) override;
  void on_log_room() override { note("room again"); }

  // Lives.
  void live();
  void start();
  void act();
  void end_life();
  bool wait_until_open();
  void advance();
  void drain();

  // What the node does.
  void append(const LogRecord& record);
  LogRecord random_record();
  void release();
  void remove_stream();
  void repair();
  void prove_alive();

  // Faults, in log_faults.cc.
  void damage();
  void disturb();
  void refill();

  // The model.
  void check_found(const LogReport& report);
  bool is_needed(Lsn lsn, const LogRecord& record, const LogReport& report) const;
  void check_missing(Lsn lsn, const LogRecord& record, const LogReport& report);
  void note(const std::string& line);
  void broken(const std::string& rule);

  Random random_;
  bool keep_trace_;
  Plan plan_;
  SimClock clock_;
  SimDisk disk_;
  LogOptions options_;
  std::unique_ptr<WriteAheadLog> log_;
  std::string violation_;
  std::string trace_;

  bool open_ = false;
  bool dead_ = false;
  bool damaged_ = false;       // bytes or files were destroyed, in this life's files or before
  bool sync_failed_ = false;   // in this life
  bool may_not_open_ = false;  // so much is destroyed that the log may refuse
  std::uint64_t full_capacity_ = 0;
  int life_ = 0;

  std::map<Lsn, Kept> appended_;       // that may or must be found
  std::map<Lsn, PlacedRecord> found_;  // at this start
  std::map<StreamId, Lsn> released_;   // by durable or found records
  std::set<StreamId> removed_;
  std::optional<LogReport> report_;
  Lsn last_found_ = 0;
  std::uint32_t next_epoch_ = 1;
  std::vector<StreamId> streams_;
};

}  // namespace juxmem::sim

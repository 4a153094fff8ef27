#include "tests/sim/log/log_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace juxmem::sim {
namespace {

constexpr int kLivesMax = 8;
constexpr int kActsMax = 300;
constexpr std::uint64_t kSegmentBytes = 64U << 10;
constexpr std::size_t kBatchBytes = 16U << 10;
constexpr int kStepsMax = 20'000;

SimDiskOptions disk_options(std::uint64_t seed) {
  SimDiskOptions options;
  options.seed = seed * 7919 + 1;
  options.capacity_bytes = 4U << 20;
  return options;
}

}  // namespace

LogWorld::LogWorld(std::uint64_t seed, bool keep_trace)
    : random_(seed),
      keep_trace_(keep_trace),
      disk_(disk_options(seed), clock_),
      full_capacity_(disk_options(seed).capacity_bytes) {
  plan_.power_failures = random_.chance(800'000);
  plan_.process_kills = !plan_.power_failures || random_.chance(500'000);
  plan_.rot = random_.chance(350'000);
  plan_.sync_errors = random_.chance(250'000);
  plan_.full_disk = random_.chance(200'000);
  plan_.hangs = random_.chance(100'000);
  options_.identity = {random_.next(), 7, 1};
  options_.segment_bytes = kSegmentBytes;
  options_.batch_bytes = kBatchBytes;
  options_.pending_bytes = 48U << 10;
  options_.segments_ahead = 2 + random_.below(2);
  options_.spares = random_.below(3);
  options_.fill_segments = random_.chance(300'000);
}

LogWorld::~LogWorld() = default;

void LogWorld::note(const std::string& line) {
  if (keep_trace_) trace_ += fmt::format("{} {}\n", clock_.now(), line);
}

void LogWorld::broken(const std::string& rule) {
  if (violation_.empty()) violation_ = fmt::format("life {}: {}", life_, rule);
  note("BROKEN " + rule);
}

void LogWorld::run() {
  const int lives = 2 + static_cast<int>(random_.below(kLivesMax - 1));
  for (life_ = 1; life_ <= lives && violation_.empty(); ++life_) live();
  if (violation_.empty()) {
    disk_.set_capacity(full_capacity_);
    start();
    if (wait_until_open()) prove_alive();
    log_.reset();
  }
}

// ---- one life ---------------------------------------------------------------------------------------------------------

void LogWorld::live() {
  start();
  // Some lives end before they have begun.
  if (random_.chance(100'000)) {
    for (std::uint64_t i = random_.below(60); i > 0 && !open_ && !dead_; --i) advance();
  } else if (wait_until_open()) {
    const int acts = static_cast<int>(random_.below(kActsMax));
    for (int i = 0; i < acts && violation_.empty() && !dead_; ++i) act();
  }
  if (violation_.empty()) end_life();
}

void LogWorld::start() {
  open_ = dead_ = sync_failed_ = false;
  found_.clear();
  last_found_ = 0;
  report_.reset();
  LogListener& listener = *this;
  log_ = std::make_unique<WriteAheadLog>(disk_, clock_, listener, options_);
  note(fmt::format("start of life {}", life_));
  for (const DiskEntry& file : disk_.files()) note(fmt::format("file {} of {} bytes", file.name, file.size_bytes));
  if (Status opened = log_->open(); !opened) broken("the log does not open: " + to_string(opened.error()));
}

bool LogWorld::wait_until_open() {
  for (int i = 0; i < kStepsMax && !open_ && !dead_ && violation_.empty(); ++i) advance();
  if (dead_ && !sync_failed_ && !may_not_open_ && !plan_.full_disk) broken("the log could not be opened");
  if (!open_ && !dead_ && violation_.empty()) broken("the log does not open, though the disk answers");
  return open_ && violation_.empty();
}

void LogWorld::advance() {
  const TimeNs due = disk_.next_due();
  if (due == SimDisk::kNever) {
    disk_.hang(false);
    clock_.advance_to(clock_.now() + 1'000'000);
    return;
  }
  clock_.advance_to(due);
  disk_.deliver_due();
}

// Until the disk has nothing to do.
void LogWorld::drain() {
  disk_.hang(false);
  log_->end_turn();
  for (int i = 0; i < kStepsMax && disk_.next_due() != SimDisk::kNever; ++i) advance();
}

void LogWorld::act() {
  const std::uint64_t dice = random_.below(100);
  if (dice < 50) {
    append(random_record());
  } else if (dice < 62) {
    log_->end_turn();
  } else if (dice < 88) {
    advance();
  } else if (dice < 92) {
    release();
  } else if (dice < 93) {
    remove_stream();
  } else if (dice < 95) {
    drain();
  } else if (dice < 97) {
    if (report_ && !report_->complete()) repair();
  } else {
    disturb();
  }
}

void LogWorld::end_life() {
  log_.reset();
  const bool power = plan_.power_failures && (!plan_.process_kills || random_.chance(500'000));
  disk_.crash(power ? Crash::kPower : Crash::kProcess);
  note(power ? "power failure" : "killed");
  damage();
  refill();
}

// ---- what the node does ------------------------------------------------------------------------------------------------

LogRecord LogWorld::random_record() {
  if (streams_.empty() || (streams_.size() < 4 && random_.chance(30'000))) {
    streams_.push_back({static_cast<GroupId>(1 + random_.below(3)), next_epoch_++});
    return {streams_.back(), OpenedRecord{Buffer::copy_of("members of " + to_string(streams_.back()))}};
  }
  const StreamId stream = streams_[random_.below(streams_.size())];
  const Ballot ballot{1 + random_.below(9), 1};
  const std::uint64_t dice = random_.below(10);
  if (dice == 0) return {stream, PromiseRecord{ballot}};
  if (dice == 1) return {stream, DecidedRecord{random_.next(), random_.below(5)}};
  if (dice == 2) return {stream, CheckpointRecord{random_.below(100), 5, random_.next()}};
  std::vector<std::byte> bytes(random_.chance(100'000) ? random_.below(kBatchBytes - 200) : random_.below(1500));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_.next());
  const Buffer data = Buffer::take(std::move(bytes));
  const std::size_t cut = data.size() / 3;
  return {stream,
          AcceptedRecord{random_.next(),
                         {ballot, wire::EntryKind::kCommand, data.slice(0, cut), data.slice(cut, data.size() - cut)}}};
}

void LogWorld::append(const LogRecord& record) {
  const Result<Lsn> lsn = log_->append(record);
  if (!lsn) {
    note("refused: " + to_string(lsn.error()));
    if (lsn.error().code == Code::kNoSpace && !plan_.full_disk) broken("an append was refused for lack of space");
    return;
  }
  if (sync_failed_ && dead_) broken("a dead log takes appends");
  note(fmt::format("append {}: {}", *lsn, to_string(record)));
  const auto found = appended_.find(*lsn);
  if (found != appended_.end() && found->second.durable) broken(fmt::format("number {} was given twice", *lsn));
  appended_[*lsn] = {record, false};
}

void LogWorld::release() {
  if (streams_.empty()) return;
  const StreamId stream = streams_[random_.below(streams_.size())];
  append({stream,
          ReleasedRecord{random_.chance(300'000) ? log_->appended_up_to() + 1 : random_.below(log_->appended_up_to() + 2)}});
}

void LogWorld::remove_stream() {
  if (streams_.size() < 2) return;
  const StreamId stream = streams_[random_.below(streams_.size())];
  const Lsn before = log_->appended_up_to();
  append({stream, RemovedRecord{}});
  if (log_->appended_up_to() != before) std::erase(streams_, stream);
}

// As a node does that has got everything from its peers again: fresh state, and what was before is not needed.
void LogWorld::repair() {
  note("repair");
  for (StreamId stream : streams_) {
    const Lsn before = log_->appended_up_to();
    append({stream, OpenedRecord{Buffer::copy_of("repaired")}});
    if (log_->appended_up_to() == before) return;
    append({stream, ReleasedRecord{before + 1}});
  }
  drain();
  if (dead_ || log_->durable_up_to() != log_->appended_up_to()) return;
  // Streams of which nothing was left are known to others.
  std::set<StreamId> known(streams_.begin(), streams_.end());
  for (auto& [lsn, kept] : appended_) kept.given_up = kept.given_up || !known.contains(kept.record.stream);
  log_->settle_losses();
  report_.reset();
}

void LogWorld::prove_alive() {
  for (int i = 0; i < kStepsMax && violation_.empty(); ++i) {
    const Lsn before = log_->appended_up_to();
    append({{1, next_epoch_}, PromiseRecord{{1, 1}}});
    if (log_->appended_up_to() != before) break;
    if (!streams_.empty()) append({streams_[random_.below(streams_.size())], ReleasedRecord{before + 1}});
    log_->settle_losses();
    log_->end_turn();
    advance();
  }
  drain();
  if (!dead_ && log_->durable_up_to() != log_->appended_up_to()) broken("what was appended does not become durable");
  if (!dead_ && found_.empty() && log_->appended_up_to() == 0) broken("nothing can be appended, though all is well");
}

// ---- what the log says -------------------------------------------------------------------------------------------------

void LogWorld::on_log_durable(Lsn up_to) {
  note(fmt::format("durable {}", up_to));
  for (auto& [lsn, kept] : appended_) {
    if (lsn > up_to || kept.durable) continue;
    kept.durable = true;
    if (const auto* released = std::get_if<ReleasedRecord>(&kept.record.body)) {
      Lsn& low = released_[kept.record.stream];
      low = std::max(low, released->before);
    } else if (std::holds_alternative<RemovedRecord>(kept.record.body)) {
      removed_.insert(kept.record.stream);
    }
  }
}

void LogWorld::on_log_dead(const Error& error) {
  note("dead: " + to_string(error));
  dead_ = true;
  if (error.code == Code::kIo && plan_.sync_errors) sync_failed_ = true;
}

void LogWorld::on_log_record(const PlacedRecord& placed) {
  note(fmt::format("found {}: {}", placed.lsn, to_string(placed.record)));
  if (placed.lsn <= last_found_) broken(fmt::format("record {} comes after {}", placed.lsn, last_found_));
  last_found_ = placed.lsn;
  const auto known = appended_.find(placed.lsn);
  if (known == appended_.end()) {
    broken(fmt::format("record {} appears and was never appended, or was lost before: {}", placed.lsn,
                       to_string(placed.record)));
  } else if (known->second.record != placed.record) {
    broken(fmt::format("record {} was appended as {} and is found as {}", placed.lsn, to_string(known->second.record),
                       to_string(placed.record)));
  }
  found_.emplace(placed.lsn, placed);
}

void LogWorld::on_log_open(const LogReport& report) {
  open_ = true;
  report_ = report;
  for (const LogFault& fault : report.faults)
    note(fmt::format("fault: {} in segment {}: {}", to_string(fault.kind), fault.segment, fault.detail));
  for (const LsnRange& range : report.lost) note(fmt::format("lost {}..{}", range.first, range.last));
  for (const StreamTrust& trust : report.streams) {
    note(fmt::format("stream {}: {} to {}, released before {}, {}", to_string(trust.stream), trust.first, trust.last,
                     trust.released_before, trust.whole() ? "whole" : "records lost"));
  }
  check_found(report);
}

// ---- the model ---------------------------------------------------------------------------------------------------------

bool LogWorld::is_needed(Lsn lsn, const LogRecord& record, const LogReport& report) const {
  if (removed_.contains(record.stream)) return false;
  const auto low = released_.find(record.stream);
  if (low != released_.end() && lsn < low->second) return false;
  return std::ranges::none_of(report.streams, [&](const StreamTrust& trust) {
    return trust.stream == record.stream && lsn < trust.released_before;
  });
}

void LogWorld::check_missing(Lsn lsn, const LogRecord& record, const LogReport& report) {
  const std::string what = fmt::format("record {} ({}) was durable and is not found", lsn, to_string(record));
  if (!damaged_) return broken(what);
  if (std::ranges::none_of(report.lost, [&](const LsnRange& range) { return range.contains(lsn); }))
    return broken(what + ", nor reported as lost");
  for (const StreamTrust& trust : report.streams) {
    if (trust.stream == record.stream && trust.whole()) return broken(what + ", yet its stream is called whole");
  }
}

void LogWorld::check_found(const LogReport& report) {
  for (const auto& [lsn, placed] : found_) {
    if (std::holds_alternative<RemovedRecord>(placed.record.body)) removed_.insert(placed.record.stream);
  }
  for (auto& [lsn, kept] : appended_) {
    if (!kept.durable || kept.given_up || found_.contains(lsn) || !is_needed(lsn, kept.record, report)) continue;
    check_missing(lsn, kept.record, report);
  }
  if (!damaged_) {
    if (!report.complete()) broken("records are reported as lost, though nothing was damaged");
    for (const LogFault& fault : report.faults) {
      if (fault.kind != LogFaultKind::kTornTail)
        broken(fmt::format("a fault is reported, though nothing was damaged: {}", fault.detail));
    }
  }
  // From here on, what was found is what there is.
  std::erase_if(appended_, [&](const auto& item) { return !found_.contains(item.first) && !item.second.durable; });
  streams_.clear();
  for (auto& [lsn, placed] : found_) {
    appended_[lsn].durable = true;
    if (std::holds_alternative<ReleasedRecord>(placed.record.body)) {
      Lsn& low = released_[placed.record.stream];
      low = std::max(low, std::get<ReleasedRecord>(placed.record.body).before);
    }
  }
  for (const StreamTrust& trust : report.streams) streams_.push_back(trust.stream);
}

}  // namespace juxmem::sim

#include "apps/juxmem/inspect_command_read.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "juxmem/env/real_disk.h"
#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/checkpoint_store.h"
#include "juxmem/storage/log/file_reader.h"
#include "juxmem/storage/log/format.h"

namespace juxmem {
namespace {

constexpr int kPatienceMs = 30'000;

// Submits requests and waits for their answers: a program has no loop of its own.
class Waiter {
 public:
  explicit Waiter(RealDisk& disk) : disk_(disk) {}

  template <typename T, typename Submit>
  Result<T> answer(Submit submit) {
    auto got = std::make_shared<std::optional<Result<T>>>();
    submit([got](Result<T> result) { *got = std::move(result); });
    while (!*got) {
      if (!disk_.wait(kPatienceMs)) return fail(Code::kTimedOut, "the disk does not answer");
    }
    return std::move(**got);
  }

 private:
  RealDisk& disk_;
};

void note(StreamFacts& facts, const LogBody& body) {
  ++facts.records;
  if (const auto* promise = std::get_if<PromiseRecord>(&body)) facts.promised = std::max(facts.promised, promise->ballot);
  if (const auto* accepted = std::get_if<AcceptedRecord>(&body)) {
    facts.accepted = std::max(facts.accepted, accepted->instance);
    facts.promised = std::max(facts.promised, accepted->entry.ballot);
  }
  if (const auto* decided = std::get_if<DecidedRecord>(&body)) facts.decided = std::max(facts.decided, decided->decided);
  if (const auto* checkpoint = std::get_if<CheckpointRecord>(&body)) {
    facts.checkpoint = std::max(facts.checkpoint, checkpoint->instance);
  }
}

Status read_log(RealDisk& disk, Waiter& waiter, const RecordSink& sink, Inspection& inspection) {
  InspectedLog log;
  wal::LogRecovery recovery(disk, [&](const PlacedRecord& placed) {
    note(log.streams[placed.record.stream], placed.record.body);
    if (std::holds_alternative<RemovedRecord>(placed.record.body)) log.streams.erase(placed.record.stream);
    sink(placed);
  });
  auto found = waiter.answer<wal::FoundLog>([&](const auto& done) { recovery.start(done); });
  if (!found) return std::unexpected(found.error());
  if (found->fresh) return {};
  log.report = std::move(found->report);
  log.segments = std::move(found->segments);
  log.first_lsns = std::move(found->end.first_lsns);
  log.prepared = found->prepared.size();
  log.next_lsn = found->end.next_lsn;
  inspection.log = std::move(log);
  return {};
}

Result<InspectedCheckpoint> read_checkpoint(RealDisk& disk, Waiter& waiter, const DiskEntry& entry) {
  InspectedCheckpoint checkpoint{entry.name, entry.size_bytes};
  CheckpointReader reader(disk, entry.name);
  auto header = waiter.answer<wal::CheckpointHeader>([&](const auto& done) { reader.open(done); });
  if (header) checkpoint.header = *header;
  if (!header) checkpoint.problem = header.error();
  while (!checkpoint.problem) {
    const auto piece = waiter.answer<std::optional<Buffer>>([&](const auto& done) { reader.next(done); });
    if (!piece) checkpoint.problem = piece.error();
    if (piece && !*piece) break;
    if (piece) ++checkpoint.pieces;
  }
  if (checkpoint.problem && checkpoint.problem->code == Code::kTimedOut) return std::unexpected(*checkpoint.problem);
  return checkpoint;
}

Status read_segment(RealDisk& disk, Waiter& waiter, const DiskEntry& entry, const RecordSink& sink, Inspection& inspection) {
  wal::FileReader reader(disk);
  auto image = waiter.answer<wal::FileImage>(
      [&](const auto& done) { reader.read(entry.name, std::min(entry.size_bytes, wal::kSegmentBytesMax), done); });
  if (!image) return std::unexpected(image.error());
  const auto header =
      wal::decode_header(image->bytes.bytes().first(std::min(image->bytes.size(), wal::kSegmentHeaderBytes)));
  if (!header) return fail(header.error().code, entry.name + ": " + header.error().detail);
  InspectedSegment segment{*header, {}};
  segment.findings = wal::scan_segment({header->number, image->bytes, image->unreadable}, wal::tag_of(header->identity), {});
  for (const wal::FoundBatch& batch : segment.findings.batches) {
    for (const PlacedRecord& placed : wal::read_batch(batch).records) sink(placed);
  }
  inspection.segment = std::move(segment);
  return {};
}

bool is_locked(const std::string& folder) {
  const int fd = ::open((folder + "/.lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return locked;
}

Status read_folder(RealDisk& disk, Waiter& waiter, const std::vector<DiskEntry>& entries, const RecordSink& sink,
                   Inspection& inspection) {
  if (Status log = read_log(disk, waiter, sink, inspection); !log) return log;
  for (const DiskEntry& entry : entries) {
    if (wal::is_unfinished_checkpoint(entry.name)) inspection.unfinished.push_back(entry.name);
    if (!wal::checkpoint_of(entry.name)) continue;
    auto checkpoint = read_checkpoint(disk, waiter, entry);
    if (!checkpoint) return std::unexpected(checkpoint.error());
    inspection.checkpoints.push_back(std::move(*checkpoint));
  }
  if (inspection.log || !inspection.checkpoints.empty()) return {};
  return fail(Code::kIo, inspection.path + " holds neither a log nor checkpoints");
}

Status read_file(RealDisk& disk, Waiter& waiter, const DiskEntry& entry, const RecordSink& sink, Inspection& inspection) {
  if (wal::segment_number(entry.name)) return read_segment(disk, waiter, entry, sink, inspection);
  if (wal::checkpoint_of(entry.name)) {
    auto checkpoint = read_checkpoint(disk, waiter, entry);
    if (!checkpoint) return std::unexpected(checkpoint.error());
    inspection.checkpoints.push_back(std::move(*checkpoint));
    return {};
  }
  return fail(Code::kInvalid, entry.name + " is neither a segment (log-N) nor a checkpoint (checkpoint-G-E-I)");
}

}  // namespace

bool Inspection::has_faults() const {
  const auto is_fault = [](const LogFault& fault) { return fault.kind != LogFaultKind::kTornTail; };
  if (log && (std::ranges::any_of(log->report.faults, is_fault) || !log->report.complete())) return true;
  if (std::ranges::any_of(checkpoints, [](const InspectedCheckpoint& c) { return c.problem.has_value(); })) return true;
  if (!segment) return false;
  return segment->findings.end_damaged || std::ranges::any_of(segment->findings.batches, [](const wal::FoundBatch& batch) {
           return batch.unknown_before > 0 || (!batch.whole() && !batch.torn());
         });
}

Result<Inspection> inspect(const std::string& path, const RecordSink& sink) {
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(path, ignored);
  const std::filesystem::path given(path);
  const std::string folder = is_file ? (given.has_parent_path() ? given.parent_path().string() : ".") : path;
  auto disk = RealDisk::open({.folder = folder, .read_only = true, .threads = 1});
  if (!disk && disk.error().code == Code::kNotFound) return fail(Code::kIo, path + ": there is no such folder or file");
  if (!disk) return std::unexpected(disk.error());
  Waiter waiter(**disk);
  const auto entries = waiter.answer<std::vector<DiskEntry>>([&](const auto& done) { (*disk)->list(done); });
  if (!entries) return std::unexpected(entries.error());
  Inspection inspection{path};
  inspection.in_use = is_locked(folder);
  Status status;
  if (is_file) {
    const auto entry = std::ranges::find(*entries, given.filename().string(), &DiskEntry::name);
    status = entry == entries->end() ? fail(Code::kInvalid, path + " is no file of a log")
                                     : read_file(**disk, waiter, *entry, sink, inspection);
  } else {
    status = read_folder(**disk, waiter, *entries, sink, inspection);
  }
  if (!status) return std::unexpected(status.error());
  return inspection;
}

}  // namespace juxmem

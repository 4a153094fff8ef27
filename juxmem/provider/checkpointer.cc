#include "juxmem/provider/checkpointer.h"

#include <algorithm>
#include <utility>

#include "juxmem/base/timing.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kBytesBetween = 32U << 20;
constexpr std::uint64_t kSegmentsMax = 16;  // of the log; then whoever holds the oldest writes a checkpoint
constexpr std::int64_t kAgainMs = 1000;

}  // namespace

bool Checkpointer::is_due(TimeNs now) const {
  if (writer_ || now < again_at_) return false;
  if (wanted_ || log_.bytes_since_checkpoint() >= kBytesBetween || log_.trouble()) return true;
  // A full disk has room again for the log once nothing old is needed of it.
  const WriteAheadLog& log = log_.journal().log();
  const LogStatus status = log.status();
  return (status.no_room || status.segments > kSegmentsMax) && log.oldest_holder() == log_.stream();
}

void Checkpointer::consider(TimeNs now, StateMachine& machine, const StreamFacts& facts) {
  now_ = now;
  if (!log_.journal().is_open() || !is_due(now)) return;
  wanted_ = false;
  machine_ = &machine;
  snapshot_ = machine.open_snapshot();
  cursor_ = {};
  id_ = {facts.stream, machine.applied()};
  log_.checkpoint_begins();
  writer_ = log_.journal().checkpoints().write(id_);
  writer_->add(encode(facts), alive_.guard([this](const Status& added) {
    if (!added) return end(false);
    write_next();
  }));
}

void Checkpointer::write_next() {
  Result<SnapshotPart> part = machine_->read_snapshot(snapshot_, cursor_);
  if (!part) return end(false);
  cursor_ = part->next;
  writer_->add(part->piece, alive_.guard([this, is_last = part->last](const Status& added) {
    if (!added) return end(false);
    if (is_last) return finish();
    write_next();
  }));
}

void Checkpointer::finish() {
  writer_->finish(alive_.guard([this](const Result<CheckpointRecord>& record) { made(record); }));
}

void Checkpointer::made(const Result<CheckpointRecord>& record) {
  if (!record) return end(false);
  log_.checkpoint_made(*record, std::min(id_.instance, log_first_() - 1));
  if (last_ && *last_ != id_) log_.journal().checkpoints().remove(*last_, [](const Status&) {});
  last_ = id_;
  end(!log_.awaits_state());
}

void Checkpointer::end(bool good) {
  if (machine_ != nullptr) machine_->close_snapshot(snapshot_);
  machine_ = nullptr;
  // It may be this very writer's completion that is running.
  std::unique_ptr<CheckpointWriter> writer = std::move(writer_);
  log_.journal().retire(std::move(writer));
  if (good) return;
  wanted_ = true;
  again_at_ = now_ + ms_to_ns(kAgainMs);
}

void Checkpointer::abandon() {
  if (!writer_) return;
  alive_ = {};
  end(false);
}

}  // namespace juxmem

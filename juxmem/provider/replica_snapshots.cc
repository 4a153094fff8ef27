// A replica that lacks entries nobody keeps any more gets the state from another member; and gives its own to those that ask.
#include <algorithm>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/provider/replica.h"

namespace juxmem {

void Replica::use(std::unique_ptr<StateMachine> machine) {
  machine_ = std::move(machine);
  blocks_ = dynamic_cast<BlockMachine*>(machine_.get());
  catalog_ = dynamic_cast<CatalogMachine*>(machine_.get());
  JUXMEM_CHECK((blocks_ != nullptr) != (catalog_ != nullptr));
}

// ---- giving ------------------------------------------------------------------------------------------------------------

void Replica::serve(NodeId from, const wire::ReadSnapshot& request) {
  if (is_catching_up() || lacks_state() || request.epoch != epoch()) {
    wire::SnapshotReply reply;
    reply.group = group();
    reply.code = request.snapshot == 0 ? Code::kTryAgain : Code::kSnapshotGone;
    reply.snapshot = request.snapshot;
    reply.piece = request.piece;
    host_.send(from, wire::GroupMessage(std::move(reply)));
    return;
  }
  const StreamStatus status = stream_.status(host_.now());
  const SnapshotServer::Log log{status.log_first, status.log_last, status.log_bytes, config_.limits.kept_bytes};
  snapshots_.on_request(host_.now(), from, request, *machine_, log);
}

// ---- getting -----------------------------------------------------------------------------------------------------------

// Until the first piece has come the state is still whole: a later coordinator may have kept what this member lacks. A state that is on its way comes
// to its end also if the log does not reach back to it any more: the next one then only brings what has changed since.
void Replica::look_if_left_behind() {
  const TimeNs now = host_.now();
  if (lacks_state() && !is_catching_up()) fetch_.want(now, 1);
  if (stream_.is_left_behind() && !(fresh_ && machine_->takes_changes())) {
    const StreamStatus status = stream_.status(now);
    const Instance since = machine_->takes_changes() && !fresh_ ? machine_->applied() : 0;
    fetch_.want(now, std::max(status.keep_from - 1, status.decided), since);
  } else if (is_catching_up() && !fresh_ && !lacks_state()) {
    fetch_.stop();
  }
}

void Replica::serve(NodeId from, wire::SnapshotReply& reply) {
  for (const SnapshotFetch::Piece& piece : fetch_.on_reply(host_.now(), from, std::move(reply))) {
    if (piece.is_first && !begin_state(piece)) return;
    if (fresh_) take_in(piece);
  }
}

// The memory of the old blocks is needed for the new ones, and nobody may read them any more; those that come as changes are changed. The
// catalog stays until it is replaced: others look at it. False: this state is not newer than the one that is there.
bool Replica::begin_state(const SnapshotFetch::Piece& first) {
  const TimeNs now = host_.now();
  if (first.since != 0 && !fresh_ && machine_->applied() > first.at) {
    fetch_.want(now, machine_->applied());
    return false;
  }
  snapshots_.clear(*machine_);
  if (checkpointer_) checkpointer_->abandon();
  stream_.await_snapshot(now);
  if (first.since != 0) {
    if (!fresh_) {
      fresh_ = std::move(machine_);
      use(make_machine_());
    }
    fresh_->begin_changes();
    return true;
  }
  fresh_.reset();
  if (blocks_ != nullptr) use(make_machine_());
  fresh_ = make_machine_();
  return true;
}

void Replica::take_in(const SnapshotFetch::Piece& piece) {
  if (const Status taken = fresh_->restore(piece.data); !taken) return refuse_snapshot(taken.error());
  if (piece.is_last) install(piece);
}

void Replica::refuse_snapshot(const Error& why) {
  ++stats_.snapshots_refused;
  host_.on_replica_trouble(
      group(), "the state that node " + std::to_string(fetch_.server()) + " gave cannot be used: " + to_string(why));
  fresh_ = make_machine_();
  fetch_.refuse(host_.now());
}

void Replica::install(const SnapshotFetch::Piece& last) {
  const TimeNs now = host_.now();
  const Instance at = last.at;
  if (fresh_->applied() != at) return refuse_snapshot({Code::kProtocol, "its last piece is missing"});
  if (!stream_.install_snapshot(now, at)) {
    fetch_.stop();
    fetch_.want(now, at + 1, fresh_->takes_changes() ? at : 0);
    return;
  }
  if (checkpointer_) checkpointer_->abandon();
  use(std::move(fresh_));
  if (checkpointer_) checkpointer_->want();
  fetch_.stop();
  installed_at_ = at;
  ++stats_.snapshots_installed;
  if (last.since != 0) ++stats_.changes_installed;
  for (auto& [key, request] : page_waits_.take_up_to(at)) host_.send(key.node, wire::GroupMessage(read_pages(request)));
  host_.on_replica_changed(group());
}

}  // namespace juxmem

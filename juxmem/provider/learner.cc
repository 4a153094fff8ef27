#include "juxmem/provider/learner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "juxmem/base/check.h"

namespace juxmem {
namespace {

constexpr std::int64_t kPollMs = 10;  // while nothing new is decided
constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

}  // namespace

Learner::Learner(const StreamId& stream, std::vector<NodeId> servers, const Timing& timing, Send send,
                 MachineMaker make_machine)
    : stream_(stream),
      servers_(std::move(servers)),
      timing_(timing),
      send_(std::move(send)),
      make_machine_(std::move(make_machine)),
      fetch_(stream.group, servers_, timing, [this](NodeId to, wire::ReadSnapshot request) {
        request.epoch = stream_.epoch;
        send_(to, request);
      }) {
  JUXMEM_CHECK(!servers_.empty());
}

void Learner::start(TimeNs now) {
  given_at_ = now;
  fetch_anew(now);
}

// What nobody keeps the log of any more comes as changes of the state that is there: so a group that goes on being written to is caught up with.
void Learner::fetch_anew(TimeNs now) {
  is_following_ = false;
  const Instance since = machine_ && machine_->takes_changes() ? machine_->applied() : 0;
  fetched_at_ = 0;
  fetch_.stop();
  fetch_.want(now, 0, since);
  tell_at_ = now;
}

// Without changes to it the old state only takes the new one's memory.
void Learner::begin_state(const SnapshotFetch::Piece& piece) {
  fetched_at_ = piece.at;
  if (piece.since != 0) return machine_->begin_changes();
  machine_.reset();
  machine_ = make_machine_();
}

void Learner::on_snapshot(TimeNs now, NodeId from, wire::SnapshotReply reply) {
  if (is_following_ || end_) return;
  for (const SnapshotFetch::Piece& piece : fetch_.on_reply(now, from, std::move(reply))) {
    given_at_ = now;
    if (piece.is_first) begin_state(piece);
    if (machine_) take_in(now, piece);
  }
}

void Learner::take_in(TimeNs now, const SnapshotFetch::Piece& piece) {
  Status taken = machine_->restore(piece.data);
  if (taken && piece.is_last && machine_->applied() != piece.at) taken = fail(Code::kProtocol, "its last piece is missing");
  if (!taken) {
    trouble_ =
        "the state that node " + std::to_string(fetch_.server()) + " gave cannot be used: " + to_string(taken.error());
    machine_.reset();
    return fetch_.refuse(now);
  }
  if (!piece.is_last) return;
  fetch_.stop();
  is_following_ = true;
  refusals_ = 0;
  ask(now);
}

void Learner::ask(TimeNs now) {
  send_(server(),
        wire::ReadLog{
            .group = stream_.group, .epoch = stream_.epoch, .after = applied(), .has_state = true, .wants_entries = true});
  ask_at_ = now + ms_to_ns(timing_.resend_ms);
  if (give_up_at_ == 0) give_up_at_ = now + 3 * ms_to_ns(timing_.resend_ms);
}

// What comes after it is kept by whoever coordinates, now or next.
void Learner::tell_position() {
  const Instance after = is_following_ ? applied() : fetched_at_;
  for (NodeId node : servers_) {
    send_(node, wire::ReadLog{.group = stream_.group,
                              .epoch = stream_.epoch,
                              .after = after,
                              .has_state = is_following_,
                              .wants_entries = false});
  }
}

void Learner::next_server(TimeNs now) {
  ++turn_;
  give_up_at_ = 0;
  ask(now);
}

void Learner::on_log(TimeNs now, NodeId from, const wire::LogReply& reply) {
  if (!is_following_ || end_ || from != server() || reply.epoch != stream_.epoch || reply.after != applied()) return;
  if (reply.code == Code::kSnapshotGone) return fetch_anew(now);
  if (reply.code != Code::kOk) {
    // One after the other, with a pause after each round.
    if (++refusals_ % servers_.size() != 0) return next_server(now);
    ++turn_;
    ask_at_ = now + ms_to_ns(timing_.resend_ms);
    return;
  }
  refusals_ = 0;
  given_at_ = now;
  give_up_at_ = 0;
  if (!stops_are_sound(stream_, reply.entries)) return next_server(now);
  for (const wire::Entry& entry : reply.entries) {
    if (applied() < reply.decided) machine_->apply(applied() + 1, entry);
    if (entry.kind != wire::EntryKind::kStop) continue;
    end_ = decode_stop_sign(stream_, entry.command);
    return;
  }
  if (applied() < reply.decided) return ask(now);
  ask_at_ = now + ms_to_ns(kPollMs);
}

void Learner::tick(TimeNs now) {
  if (end_) return;
  fetch_.tick(now);
  if (is_following_ && now >= ask_at_) {
    if (give_up_at_ != 0 && now >= give_up_at_) {
      next_server(now);
    } else {
      ask(now);
    }
  }
  if (now >= tell_at_) {
    tell_at_ = now + ms_to_ns(timing_.heartbeat_ms);
    tell_position();
  }
}

TimeNs Learner::next_tick() const {
  if (end_) return kNever;
  const TimeNs next = std::min(fetch_.next_tick(), tell_at_);
  return is_following_ ? std::min(next, ask_at_) : next;
}

bool Learner::is_forsaken(TimeNs now) const {
  return !end_ && (refusals_ >= servers_.size() || now - given_at_ >= ms_to_ns(timing_.stall_ms));
}

}  // namespace juxmem

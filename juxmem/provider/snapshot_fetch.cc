#include "juxmem/provider/snapshot_fetch.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace juxmem {
namespace {

constexpr std::uint64_t kWindow = 4;           // pieces
constexpr std::uint32_t kSilentRoundsMax = 6;  // then another server is asked
constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

}  // namespace

SnapshotFetch::SnapshotFetch(GroupId group, std::vector<NodeId> servers, const Timing& timing, Send send)
    : group_(group), servers_(std::move(servers)), timing_(timing), send_(std::move(send)), next_tick_(kNever) {}

void SnapshotFetch::use_servers(std::vector<NodeId> servers) {
  stop();
  servers_ = std::move(servers);
  turn_ = 0;
}

void SnapshotFetch::want(TimeNs now, Instance at_least, Instance since) {
  if (phase_ == Phase::kIdle) since_ = since;
  at_least_ = std::max({at_least_, at_least, since_});
  if (servers_.empty()) return;
  const bool reaches = phase_ == Phase::kAsking || (phase_ == Phase::kFetching && at_ >= at_least_);
  if (reaches) return;
  turn_ = 0;
  ask_first(now);
}

void SnapshotFetch::stop() {
  phase_ = Phase::kIdle;
  next_tick_ = kNever;
  at_least_ = since_ = 0;
  early_.clear();
}

// ---- asking ------------------------------------------------------------------------------------------------------------

void SnapshotFetch::ask_first(TimeNs now) {
  phase_ = Phase::kAsking;
  silent_rounds_ = 0;
  percent_ = 0;
  early_.clear();
  send_(server(), {.group = group_, .snapshot = 0, .piece = 0, .at_least = at_least_, .since = since_});
  next_tick_ = now + ms_to_ns(timing_.resend_ms);
}

void SnapshotFetch::next_server(TimeNs now) {
  ++turn_;
  ask_first(now);
}

void SnapshotFetch::refuse(TimeNs now) {
  if (phase_ == Phase::kIdle) return;
  ++turn_;
  since_ = 0;
  phase_ = Phase::kAsking;
  silent_rounds_ = kSilentRoundsMax;
  early_.clear();
  next_tick_ = now + ms_to_ns(timing_.resend_ms);
}

void SnapshotFetch::ask(std::uint64_t piece) {
  send_(server(), {.group = group_, .snapshot = snapshot_, .piece = piece, .at_least = at_least_, .since = since_});
}

void SnapshotFetch::ask_ahead(TimeNs now) {
  while (!last_is_known_ && asked_ < next_ + kWindow) ask(asked_++);
  next_tick_ = now + ms_to_ns(timing_.resend_ms);
}

void SnapshotFetch::repeat_questions() {
  for (std::uint64_t piece = next_; piece < asked_; ++piece) {
    if (!early_.contains(piece)) ask(piece);
  }
}

void SnapshotFetch::tick(TimeNs now) {
  if (phase_ == Phase::kIdle || now < next_tick_) return;
  if (++silent_rounds_ > kSilentRoundsMax) {
    // After refuse() the turn has moved already.
    if (phase_ == Phase::kFetching) ++turn_;
    return ask_first(now);
  }
  if (phase_ == Phase::kAsking) {
    next_server(now);
    return;
  }
  repeat_questions();
  next_tick_ = now + ms_to_ns(timing_.resend_ms);
}

// ---- answers -----------------------------------------------------------------------------------------------------------

std::vector<SnapshotFetch::Piece> SnapshotFetch::on_reply(TimeNs now, NodeId from, wire::SnapshotReply reply) {
  std::vector<Piece> ready;
  if (phase_ == Phase::kIdle || from != server()) return ready;
  if (phase_ == Phase::kAsking) {
    const bool fits = reply.since == 0 || reply.since == since_;
    if (reply.code != Code::kOk || reply.piece != 0 || reply.at < at_least_ || !fits) {
      // All of them, one after the other, with a pause after each round.
      const bool round_is_over = (turn_ + 1) % servers_.size() == 0;
      if (reply.code == Code::kTryAgain && !round_is_over) next_server(now);
      return ready;
    }
    phase_ = Phase::kFetching;
    snapshot_ = reply.snapshot;
    at_ = reply.at;
    since_ = reply.since;
    if (since_ != 0) at_least_ = at_;  // pages of it may be there from now on
    next_ = 0;
    asked_ = 1;
    last_is_known_ = false;
  }
  if (reply.snapshot != snapshot_) return ready;
  if (reply.code != Code::kOk) {
    if (reply.code == Code::kSnapshotGone) ask_first(now);
    return ready;
  }
  silent_rounds_ = 0;
  if (reply.piece < next_ || reply.piece >= asked_) return ready;
  early_.try_emplace(reply.piece, std::move(reply));
  for (auto first = early_.begin(); first != early_.end() && first->first == next_; first = early_.begin()) {
    wire::SnapshotReply& piece = first->second;
    percent_ = piece.percent;
    last_is_known_ |= piece.last;
    ready.push_back(
        {.is_first = next_ == 0, .is_last = piece.last, .at = at_, .since = piece.since, .data = std::move(piece.data)});
    early_.erase(first);
    ++next_;
  }
  ask_ahead(now);
  return ready;
}

}  // namespace juxmem

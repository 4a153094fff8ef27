#include "juxmem/provider/snapshot_server.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "juxmem/base/timing.h"

namespace juxmem {
namespace {

constexpr std::size_t kOpenMax = 2;
constexpr std::size_t kQuestionsMax = 256;
// One full piece takes a millisecond or two of the loop that serves everything else, too; most of the time is for that.
constexpr std::uint64_t kBytesPerServing = 512U << 10;
constexpr TimeNs kPauseNs = 8'000'000;        // between two servings
constexpr TimeNs kPausePerEntryNs = 400'000;  // more, for each entry applied since the one before: clients are at work
constexpr TimeNs kPauseMaxNs = 24'000'000;
constexpr std::uint64_t kLogShareMax = 4;      // a quarter of the log is filled: then there is no more time
constexpr std::int64_t kSharedMs = 1000;       // a snapshot not older than this is good for a further member
constexpr std::int64_t kForgottenMs = 10'000;  // nobody has asked for so long

}  // namespace

void SnapshotServer::on_request(TimeNs now, NodeId from, const wire::ReadSnapshot& request, StateMachine& machine,
                                const Log& log) {
  log_ = log;
  Question question{from, request};
  if (request.snapshot == 0) {
    const std::optional<SnapshotNumber> number = find_or_open(now, request, machine, log.first);
    if (!number) return refuse(question, Code::kTryAgain);
    question.request.snapshot = *number;
    question.request.piece = 0;
  }
  if (questions_.size() < kQuestionsMax) questions_.push_back(question);
  serve(now, machine);
}

std::optional<SnapshotNumber> SnapshotServer::find_or_open(TimeNs now, const wire::ReadSnapshot& request,
                                                           StateMachine& machine, Instance log_first) {
  if (machine.applied() < std::max(request.at_least, request.since)) return std::nullopt;
  const Instance since = machine.takes_changes() ? request.since : 0;
  for (auto& [number, open] : open_) {
    const std::optional<Instance> at = machine.snapshot_at(number);
    const bool is_young = now - open.opened_at < ms_to_ns(kSharedMs);
    if (at && is_young && open.since == since && *at >= request.at_least && *at + 1 >= log_first) return number;
  }
  if (open_.size() >= kOpenMax) {
    const auto idle = std::ranges::min_element(open_, {}, [](const auto& row) { return row.second.asked_at; });
    if (now - idle->second.asked_at < ms_to_ns(kSharedMs)) return std::nullopt;
    machine.close_snapshot(idle->first);
    open_.erase(idle);
  }
  const SnapshotNumber number = machine.open_snapshot();
  open_[number] = Open{.since = since,
                       .cursors = {wire::SnapshotCursor{.name = {}, .since = since}},
                       .last = {},
                       .opened_at = now,
                       .asked_at = now};
  return number;
}

void SnapshotServer::serve(TimeNs now, StateMachine& machine) {
  if (now < serve_at_) return;
  std::uint64_t sent_bytes = 0;
  while (!questions_.empty() && sent_bytes < kBytesPerServing) {
    const Question question = questions_.front();
    questions_.pop_front();
    sent_bytes += answer(now, question, machine);
  }
  if (sent_bytes > 0) serve_at_ = now + pause(machine);
}

TimeNs SnapshotServer::pause(const StateMachine& machine) {
  const Instance applied = machine.applied() - std::exchange(served_at_, machine.applied()).value_or(machine.applied());
  constexpr Instance kEntriesMax = (kPauseMaxNs - kPauseNs) / kPausePerEntryNs;
  return hurries_ ? kPauseNs : kPauseNs + static_cast<TimeNs>(std::min(applied, kEntriesMax)) * kPausePerEntryNs;
}

bool SnapshotServer::must_hurry(Instance at) const {
  if (log_.last <= at || log_.last < log_.first) return false;
  const Instance kept = log_.last - log_.first + 1;
  return log_.bytes / kept * std::min(log_.last - at, kept) > log_.bytes_max / kLogShareMax;
}

std::uint64_t SnapshotServer::answer(TimeNs now, const Question& question, StateMachine& machine) {
  const auto open = open_.find(question.request.snapshot);
  const std::optional<Instance> at = machine.snapshot_at(question.request.snapshot);
  if (open == open_.end() || !at) {
    refuse(question, Code::kSnapshotGone);
    return 0;
  }
  Open& snapshot = open->second;
  snapshot.asked_at = now;
  hurries_ = must_hurry(*at);
  const std::uint64_t piece = question.request.piece;
  // A piece whose beginning is not known yet comes after one that has not been asked for: the question came too early.
  if (piece >= snapshot.cursors.size() || (snapshot.last && piece > *snapshot.last)) return 0;
  Result<SnapshotPart> part = machine.read_snapshot(open->first, snapshot.cursors[piece]);
  if (!part) {
    refuse(question, part.error().code);
    return 0;
  }
  if (part->last) snapshot.last = piece;
  if (!part->last && piece + 1 == snapshot.cursors.size()) snapshot.cursors.push_back(part->next);
  const std::uint64_t bytes = part->piece.size();
  send_(question.from, {.group = question.request.group,
                        .code = Code::kOk,
                        .snapshot = open->first,
                        .piece = piece,
                        .at = *at,
                        .last = part->last,
                        .percent = part->percent,
                        .since = snapshot.since,
                        .data = std::move(part->piece)});
  return bytes;
}

void SnapshotServer::refuse(const Question& question, Code code) {
  send_(question.from, {.group = question.request.group,
                        .code = code,
                        .snapshot = question.request.snapshot,
                        .piece = question.request.piece,
                        .data = {}});
}

void SnapshotServer::tick(TimeNs now, StateMachine& machine) {
  serve(now, machine);
  std::erase_if(open_, [&](const auto& row) {
    const bool is_forgotten = now - row.second.asked_at >= ms_to_ns(kForgottenMs);
    if (is_forgotten) machine.close_snapshot(row.first);
    return is_forgotten;
  });
}

TimeNs SnapshotServer::next_tick() const {
  TimeNs next = std::numeric_limits<TimeNs>::max();
  if (!questions_.empty()) next = serve_at_;
  for (const auto& [number, open] : open_) next = std::min(next, open.asked_at + ms_to_ns(kForgottenMs));
  return next;
}

void SnapshotServer::clear(StateMachine& machine) {
  for (const Question& question : std::exchange(questions_, {})) refuse(question, Code::kSnapshotGone);
  for (const auto& [number, open] : std::exchange(open_, {})) machine.close_snapshot(number);
}

}  // namespace juxmem

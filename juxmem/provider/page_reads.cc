#include "juxmem/provider/page_reads.h"

#include <algorithm>
#include <utility>

#include "juxmem/provider/agent_catalog.h"

namespace juxmem {
namespace {

// The local replica lags by a notice at most while all is well; after this a remote one is asked.
constexpr std::int64_t kLocalPatienceNotices = 6;

}  // namespace

PageReads::~PageReads() {
  for (auto& [number, reading] : readings_) context_.timers.cancel(reading.timer);
}

std::uint64_t PageReads::read(const PagesWanted& wanted, TimeNs limit, Done done) {
  const std::uint64_t number = ++last_;
  Reading& reading = readings_[number];
  reading.wanted = wanted;
  reading.limit = limit;
  reading.done = std::move(done);
  if (LocalReplica* replica = context_.host.replica(group_of(wanted.block)); replica != nullptr) {
    if (replica->applied() < wanted.at_least && wanted.ballot != Ballot{}) {
      replica->learn_decided(wanted.ballot, wanted.at_least);
    }
    // What was just applied may have ended the reading already.
    const auto it = readings_.find(number);
    if (it == readings_.end() || try_local(number, it->second)) return 0;
    it->second.local = true;
    it->second.timer =
        context_.timers.at(after_ms(context_.now(), context_.timing.notice_ms * kLocalPatienceNotices), [this, number] {
          if (const auto waiting = readings_.find(number); waiting != readings_.end()) waiting->second.local = false;
          ask_next(number);
        });
    return number;
  }
  ask_next(number);
  return readings_.contains(number) ? number : 0;
}

void PageReads::cancel(std::uint64_t number) {
  const auto it = readings_.find(number);
  if (it == readings_.end()) return;
  context_.timers.cancel(it->second.timer);
  readings_.erase(it);
}

wire::ReadPages PageReads::request_of(std::uint64_t number, const PagesWanted& wanted) const {
  return wire::ReadPages{.block = wanted.block,
                         .tag = number,
                         .offset = wanted.offset,
                         .size_bytes = wanted.size_bytes,
                         .since = wanted.since,
                         .at_least = wanted.at_least};
}

// True if the local replica has answered.
bool PageReads::try_local(std::uint64_t number, Reading& reading) {
  LocalReplica* replica = context_.host.replica(group_of(reading.wanted.block));
  if (replica == nullptr || replica->applied() < reading.wanted.at_least) return false;
  wire::PagesReply reply = replica->read_pages(request_of(number, reading.wanted));
  // A replica that has applied enough and says there is no such block knows it.
  if (reply.code != Code::kOk && reply.code != Code::kNotFound && reply.code != Code::kOutOfRange) return false;
  finish(number, std::move(reply));
  return true;
}

void PageReads::ask_next(std::uint64_t number) {
  const auto it = readings_.find(number);
  if (it == readings_.end()) return;
  Reading& reading = it->second;
  if (context_.now() >= reading.limit) {
    return finish(number, fail(Code::kTryAgain, "no replica gave the block's data within the time limit"));
  }
  // A local replica that has caught up meanwhile is still the nearest.
  if (try_local(number, reading)) return;
  const std::vector<NodeId> candidates = by_distance(context_.host, group_of(reading.wanted.block));
  if (!candidates.empty()) {
    reading.asked = candidates[reading.tries % candidates.size()];
    ++reading.tries;
    context_.host.send(reading.asked, wire::GroupMessage(request_of(number, reading.wanted)));
  }
  context_.timers.cancel(reading.timer);
  const TimeNs again = after_ms(context_.now(), context_.timing.resend_ms);
  reading.timer =
      context_.timers.at(std::min(again, std::max(reading.limit, context_.now() + 1)), [this, number] { ask_next(number); });
}

void PageReads::on_pages(NodeId from, wire::PagesReply reply) {
  const auto it = readings_.find(reply.tag);
  if (it == readings_.end() || it->second.wanted.block != reply.block) return;
  Reading& reading = it->second;
  if (reply.code == Code::kOk && reply.version < reading.wanted.at_least) return;  // too old; somebody else is asked in time
  if (reply.code == Code::kOk || reply.code == Code::kNotFound || reply.code == Code::kOutOfRange) {
    return finish(reply.tag, std::move(reply));
  }
  // It lags or is no replica: the next one, unless all have been asked in this round.
  if (from != reading.asked || reading.tries % by_distance(context_.host, group_of(reply.block)).size() == 0) return;
  ask_next(reply.tag);
}

void PageReads::on_applied(GroupId group) {
  std::vector<std::uint64_t> waiting;
  for (const auto& [number, reading] : readings_) {
    if (reading.local && group_of(reading.wanted.block) == group) waiting.push_back(number);
  }
  for (const std::uint64_t number : waiting) {
    if (const auto it = readings_.find(number); it != readings_.end()) try_local(number, it->second);
  }
}

void PageReads::finish(std::uint64_t number, Result<wire::PagesReply> reply) {
  const auto it = readings_.find(number);
  Reading reading = std::move(it->second);
  readings_.erase(it);
  context_.timers.cancel(reading.timer);
  if (reply && reply->code != Code::kOk) reply = fail(reply->code, "the replica does not have the range");
  reading.done(std::move(reply));
}

}  // namespace juxmem

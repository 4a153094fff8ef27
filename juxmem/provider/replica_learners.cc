// Nodes that are to be members of the next epoch follow the present one: what they are told, and what is kept for them.
#include <algorithm>
#include <limits>

#include "consistency/paxos/entry_log.h"
#include "juxmem/provider/replica.h"

namespace juxmem {
namespace {

constexpr std::size_t kLearnersMax = kMembersMax;
constexpr Instance kCloseEntries = 256;  // a learner that lacks no more has them in a moment

}  // namespace

const Stream* Replica::stream_of(std::uint32_t of_epoch) const {
  if (of_epoch == epoch()) return &stream_;
  return of_epoch + 1 == epoch() ? former_stream() : nullptr;
}

void Replica::serve(NodeId from, const wire::ReadLog& request) {
  if (request.epoch == epoch() && (learners_.contains(from) || learners_.size() < kLearnersMax)) {
    learners_[from] = {request.after, request.has_state, host_.now()};
    keep_for_learners();
  }
  if (!request.wants_entries) return;
  wire::LogReply reply{.group = group(), .epoch = request.epoch, .code = Code::kOk, .after = request.after, .entries = {}};
  const Stream* stream = stream_of(request.epoch);
  if (stream == nullptr) {
    reply.code = Code::kWrongEpoch;
  } else {
    reply.decided = stream->decided();
    std::uint64_t bytes = 0;
    for (Instance i = request.after + 1; i <= reply.decided && reply.entries.size() < config_.limits.batch_entries; ++i) {
      const wire::Entry* entry = stream->entry_at(i);
      if (entry == nullptr) break;
      const std::uint64_t cost = cost_bytes(*entry);
      if (!reply.entries.empty() && bytes + cost > config_.limits.batch_bytes) break;
      bytes += cost;
      reply.entries.push_back(*entry);
    }
    if (reply.entries.empty() && request.after < reply.decided) reply.code = Code::kSnapshotGone;
    // A state that was fetched after the Stop has it already, but does not say what comes next.
    const wire::Entry* last = stream->entry_at(reply.decided);
    if (request.after == reply.decided && last != nullptr && last->kind == wire::EntryKind::kStop)
      reply.entries.push_back(*last);
  }
  host_.send(from, wire::GroupMessage(std::move(reply)));
}

void Replica::keep_for_learners() {
  const TimeNs silent_since = host_.now() - ms_to_ns(config_.timing.stall_ms);
  std::erase_if(learners_, [&](const auto& row) { return row.second.heard < silent_since; });
  Instance have = std::numeric_limits<Instance>::max();
  for (const auto& [node, learner] : learners_) have = std::min(have, learner.after);
  stream_.keep_for_learners(have);
}

bool Replica::learner_is_close(NodeId node) const {
  const auto found = learners_.find(node);
  return found != learners_.end() && found->second.has_state && found->second.after + kCloseEntries >= stream_.last();
}

}  // namespace juxmem

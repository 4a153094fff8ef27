// How a replica goes from one epoch of its group to the next.
#include <algorithm>
#include <utility>
#include <variant>

#include "juxmem/base/check.h"
#include "juxmem/provider/replica.h"

namespace juxmem {
namespace {

constexpr std::size_t kEarlyMax = 64;  // what comes before this replica has seen the end of its epoch; more is sent again

}  // namespace

void Replica::on_stream(NodeId from, wire::StreamMessage message) {
  if (is_broken_) return;
  const std::uint32_t of = std::visit([](const auto& kind) { return kind.stream.epoch; }, message);
  if (of == epoch()) {
    stream_.receive(host_.now(), from, std::move(message));
  } else if (of + 1 == epoch() && former_) {
    former_->receive(host_.now(), from, std::move(message));
  } else if (of == epoch() + 1 && !is_retired() && early_.size() < kEarlyMax) {
    early_.emplace_back(from, std::move(message));
  }
}

Status Replica::change_members(std::vector<StreamMember> members) {
  if (!leads()) return fail(Code::kNotCoordinator);
  const auto self = std::ranges::find(members, host_.self(), &StreamMember::node);
  if (self != members.end()) std::rotate(members.begin(), self, self + 1);
  const Result<Instance> stop = stream_.propose_stop(host_.now(), std::move(members));
  return stop ? Status{} : std::unexpected(stop.error());
}

// Of two members both must accept what is decided.
bool Replica::knows_all_without(NodeId member) const {
  const bool is_one_of_two = config_.members.size() == 2 && member != host_.self() &&
                             std::ranges::find(config_.members, member, &StreamMember::node) != config_.members.end();
  if (!is_one_of_two || stream_.has_ended() || !is_state_stable() || is_catching_up()) return false;
  for (Instance i = stream_.decided() + 1; i <= stream_.last(); ++i) {
    const wire::Entry* entry = stream_.entry_at(i);
    if (entry != nullptr && entry->kind == wire::EntryKind::kStop) return false;
  }
  return true;
}

// The Stop is applied, so the state machine is where the next epoch begins. Whatever this node was in the old epoch has ended with it:
// the stream has told the change of role before.
void Replica::enter_next_epoch(const StreamEnd& end) {
  JUXMEM_CHECK(!coordinates_ && machine_->applied() == end.stop);
  const bool stays = std::ranges::find(end.next.members, host_.self(), &StreamMember::node) != end.next.members.end();
  if (!stays) {
    retired_to_ = end.next;
    early_.clear();
    return;
  }
  config_ = next_config(config_, end.stop, end.next);
  ++config_.seed;
  meet_new_members();
  if (log_) {
    former_epochs_.insert(end.next.next_epoch - 1);
    reopen_log();
  }
  former_ = std::exchange(stream_, Stream(config_));
  former_may_go_ = false;
  const TimeNs now = host_.now();
  if (log_) stream_.storage(now, storage_);
  stream_.tick(now);
  for (auto& [from, message] : std::exchange(early_, {})) stream_.receive(now, from, std::move(message));
}

// Ended streams have nothing but messages to give.
bool Replica::carry_out_former() {
  if (!former_) return false;
  const StreamOutput output = former_->take();
  for (const Outgoing& outgoing : output.messages) host_.send(outgoing.to, wire::Message(outgoing.message));
  if (former_may_go_ && former_->status(host_.now()).end_is_known) former_.reset();
  return !output.messages.empty();
}

// Whom to ask instead of this replica; 0: nobody is known. Until somebody leads a new epoch, that is whoever shall be the first, even if it is
// this node, which keeps the questions until then.
NodeId Replica::known_coordinator() const {
  const NodeId known = stream_.coordinator();
  if (known == 0 || is_retired()) return leads_next_;
  return known == host_.self() ? 0 : known;
}

}  // namespace juxmem

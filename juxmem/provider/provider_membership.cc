#include "juxmem/provider/provider_membership.h"

#include <algorithm>
#include <limits>

namespace juxmem {
namespace {

constexpr std::int64_t kReportsPerWatch = 4;

}  // namespace

Membership::Membership(Outbox& outbox, const Timing& timing, std::vector<std::string> managers, wire::JoinProvider what)
    : outbox_(outbox), timing_(timing), managers_(std::move(managers)), what_(std::move(what)) {}

void Membership::begin(NodeId wanted_node, bool as_manager) {
  has_begun_ = true;
  what_.node = wanted_node;
  what_.manager = as_manager;
}

bool Membership::on_joined(const wire::Joined& joined) {
  if (!has_begun_ || self_ != 0 || joined.incarnation != what_.incarnation) return false;
  if (joined.code != Code::kOk || joined.node == 0) {
    refusal_ = joined.detail.empty() ? text_of(joined.code) : joined.detail;
    return false;
  }
  self_ = joined.node;
  return true;
}

void Membership::on_root_coordinator(TimeNs now, NodeId coordinator) {
  if (coordinator == 0 || coordinator > managers_.size() || coordinator == coordinator_) return;
  coordinator_ = coordinator;
  if (has_begun_ && self_ == 0) join_at_ = now;
}

// A manager that was started again is an ordinary provider at a manager's address: it does not ask itself.
NodeId Membership::next_manager(NodeId& last) {
  for (std::size_t i = 0; i < managers_.size(); ++i) {
    last = last % static_cast<NodeId>(managers_.size()) + 1;
    if (managers_[last - 1] != what_.address || what_.manager) return last;
  }
  return 0;
}

void Membership::send_join() {
  const NodeId asked = coordinator_ != 0 ? coordinator_ : next_manager(last_reported_to_);
  if (asked != 0) outbox_.to_node(asked, wire::GroupMessage(wire::Join{what_}));
  coordinator_ = 0;  // asked once; another answer names it again
}

void Membership::tick(TimeNs now, std::uint64_t used_bytes, std::uint64_t catalog_version) {
  if (!has_begun_) return;
  if (self_ == 0) {
    if (now < join_at_) return;
    join_at_ = now + ms_to_ns(timing_.resend_ms);
    send_join();
    return;
  }
  if (now >= report_at_) {
    report_at_ = now + ms_to_ns(timing_.report_ms);
    const wire::Report report{.node = self_, .incarnation = what_.incarnation, .used_bytes = used_bytes, .progress = ++progress_};
    const NodeId other = next_manager(last_reported_to_);
    if (coordinator_ != 0) outbox_.to_node(coordinator_, wire::GroupMessage(report));
    if (other != 0 && other != coordinator_) outbox_.to_node(other, wire::GroupMessage(report));
  }
  if (!catalog_is_local_ && now >= watch_at_) {
    const bool is_known = catalog_version != 0;
    watch_at_ = now + ms_to_ns(is_known ? timing_.report_ms * kReportsPerWatch : timing_.resend_ms);
    if (const NodeId asked = next_manager(last_watched_); asked != 0) {
      outbox_.to_node(asked, wire::GroupMessage(wire::WatchCatalog{.have = catalog_version}));
    }
  }
}

TimeNs Membership::next_tick() const {
  if (!has_begun_) return std::numeric_limits<TimeNs>::max();
  if (self_ == 0) return join_at_;
  return catalog_is_local_ ? report_at_ : std::min(report_at_, watch_at_);
}

}  // namespace juxmem

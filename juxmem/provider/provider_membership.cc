#include "juxmem/provider/provider_membership.h"

#include <algorithm>
#include <limits>

namespace juxmem {
namespace {

constexpr std::int64_t kReportsPerWatch = 4;
constexpr std::size_t kContactsMax = 256;

}  // namespace

Membership::Membership(Outbox& outbox, const Timing& timing, std::vector<std::string> contacts, wire::JoinProvider what)
    : outbox_(outbox), timing_(timing), contacts_(std::move(contacts)), what_(std::move(what)) {}

void Membership::begin(NodeId wanted_node, bool as_manager) {
  has_begun_ = true;
  what_.node = wanted_node;
  what_.manager = as_manager;
}

void Membership::set_store(std::uint64_t store, std::uint64_t grid, bool whole, std::vector<GroupId> kept) {
  what_.store = store;
  what_.whole = whole;
  what_.kept = std::move(kept);
  grid_ = grid;
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
  if (coordinator == coordinator_ || std::ranges::find(managers_, coordinator) == managers_.end()) return;
  coordinator_ = coordinator;
  if (has_begun_ && self_ == 0) join_at_ = now;
}

void Membership::on_manager_list(TimeNs now, const wire::ManagerList& list) {
  if (self_ != 0) return;
  if (what_.manager) on_root_coordinator(now, list.coordinator);
  if (what_.manager && what_.store == 0) return;
  add_contacts(list.addresses);
  for (std::size_t i = 0; i < list.nodes.size(); ++i) {
    const std::string& address = list.addresses[i];
    if (list.nodes[i] != list.coordinator || address == asked_address_) continue;
    coordinators_address_ = address;
    join_at_ = now;
  }
}

void Membership::add_contacts(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    const bool is_known = std::ranges::find(contacts_, address) != contacts_.end();
    if (!is_known && contacts_.size() < kContactsMax) contacts_.push_back(address);
  }
}

// Who was a manager and is none any more may know of no other one.
NodeId Membership::next_manager(std::size_t& turn) const {
  for (std::size_t i = 0; i < managers_.size(); ++i) {
    const NodeId node = managers_[turn++ % managers_.size()];
    if (node != self_ || catalog_is_local_) return node;
  }
  return 0;
}

// A manager that was started again is an ordinary provider at the address of one: it does not ask itself.
const std::string* Membership::next_contact(std::size_t& turn) const {
  for (std::size_t i = 0; i < contacts_.size(); ++i) {
    const std::string& address = contacts_[turn++ % contacts_.size()];
    if (address != what_.address) return &address;
  }
  return nullptr;
}

void Membership::send_join() {
  const wire::GroupMessage join(wire::Join{what_, grid_});
  // Who remembers being a manager may have been none for long.
  const bool asks_managers = what_.manager && (what_.store == 0 || (++joins_ & 1) != 0);
  if (asks_managers) {
    const NodeId asked = coordinator_ != 0 ? coordinator_ : next_manager(reports_);
    if (asked != 0) outbox_.to_any_life(asked, join);
    coordinator_ = 0;  // asked once; another answer names it again
    return;
  }
  const std::string* contact = next_contact(reports_);
  if (coordinators_address_.empty() && contact != nullptr) coordinators_address_ = *contact;
  asked_address_ = std::exchange(coordinators_address_, {});
  if (!asked_address_.empty() && asked_address_ != what_.address) outbox_.to_address(asked_address_, join);
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
    if (disk_follows_) ++progress_;
    const wire::Report report{
        .node = self_, .incarnation = what_.incarnation, .used_bytes = used_bytes, .progress = progress_};
    const NodeId other = next_manager(reports_);
    if (coordinator_ != 0) outbox_.to_any_life(coordinator_, wire::GroupMessage(report));
    if (other != 0 && other != coordinator_) outbox_.to_any_life(other, wire::GroupMessage(report));
  }
  if (!catalog_is_local_ && now >= watch_at_) {
    const bool is_known = catalog_version != 0;
    watch_at_ = now + ms_to_ns(is_known ? timing_.report_ms * kReportsPerWatch : timing_.resend_ms);
    const wire::GroupMessage watch(wire::WatchCatalog{.have = catalog_version});
    // Until it has the catalog it may take for managers who are none any more.
    const bool asks_contact = !is_known && watches_ % 2 != 0;
    if (const NodeId asked = next_manager(watches_); asked != 0 && !asks_contact) {
      outbox_.to_any_life(asked, watch);
    } else if (const std::string* contact = next_contact(reports_)) {
      outbox_.to_address(*contact, watch);
    }
  }
}

TimeNs Membership::next_tick() const {
  if (!has_begun_) return std::numeric_limits<TimeNs>::max();
  if (self_ == 0) return join_at_;
  return catalog_is_local_ ? report_at_ : std::min(report_at_, watch_at_);
}

}  // namespace juxmem

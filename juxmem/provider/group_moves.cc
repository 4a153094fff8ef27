#include "juxmem/provider/group_moves.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "groups/node_lists.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kLagMax = 4096;  // entries that a member may lack and still counts as holding the log

bool holds_log(const StreamStatus& status, NodeId node) {
  const auto found = std::ranges::find(status.members, node, &MemberStatus::node);
  return found != status.members.end() && found->live && !found->left_behind && found->lag <= kLagMax;
}

// 0: it is not.
std::uint32_t seat_is_vacant_until(const wire::CatalogGroup& row, NodeId node) {
  const auto seat = std::ranges::find(row.vacant, node);
  return seat == row.vacant.end() ? 0 : row.vacant_until[static_cast<std::size_t>(seat - row.vacant.begin())];
}

// The members of the next epoch. An intent that was given up has left memory reserved behind: an epoch with the same members brings it back.
// An only manager that keeps the root on disk shares an epoch with the one that is to follow it: so it has the catalog until that one has
// it on disk and has voted, and can give it again to one that ended before.
std::vector<NodeId> wanted_members(const wire::CatalogGroup& row) {
  if (row.next.empty()) return row.members;
  const bool is_only_seat = row.group == kRootGroup && row.durability == Durability::kDisk && row.members.size() == 1;
  if (!is_only_seat || row.next == row.members) return row.next;
  return {row.members.front(), row.next.front()};
}

}  // namespace

GroupMoves::GroupMoves(Outbox& outbox, const Timing& timing) : outbox_(outbox), timing_(timing) {}

bool GroupMoves::is_due(TimeNs now) {
  if (now < next_tick_) return false;
  next_tick_ = now + ms_to_ns(timing_.report_ms) / 2;
  return true;
}

GroupMoves::Verdict GroupMoves::look_at(TimeNs now, Replica& replica, const CatalogView& catalog, NodeId self) {
  const wire::CatalogGroup* row = catalog.group(replica.group());
  if (row == nullptr) return Verdict::kStays;
  if (replica.epoch() >= row->epoch) {
    behind_since_.erase(replica.group());
    if (replica.epoch() == row->epoch) replica.forget_former_epoch();
    if (replica.is_retired() || !replica.leads()) return Verdict::kStays;
    if (replica.epoch() > row->epoch) {
      report(replica, catalog);
    } else if (!row->held.empty() || !row->next.empty()) {
      move(replica, *row, catalog);
    }
    return Verdict::kStays;
  }
  if (!contains(row->members, self)) return Verdict::kGoes;
  const TimeNs since = behind_since_.try_emplace(replica.group(), now).first->second;
  const bool others_teach = replica.epoch() + 1 == row->epoch && now - since < ms_to_ns(timing_.stall_ms);
  return others_teach && !replica.is_retired() ? Verdict::kStays : Verdict::kReplaced;
}

void GroupMoves::move(Replica& replica, const wire::CatalogGroup& row, const CatalogView& catalog) const {
  const std::vector<NodeId> wanted = wanted_members(row);
  const StreamStatus status = replica.stream_status();
  std::vector<StreamMember> next;
  std::uint64_t able = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    // The root's managers are all of one kind: a majority of them is a quorum.
    const SiteId site = row.group == kRootGroup ? 1 : catalog.site_of(wanted[i]);
    if (site == 0) return;
    next.push_back({wanted[i], site});
    const bool is_new = !contains(row.members, wanted[i]);
    const std::uint32_t vacant_until = seat_is_vacant_until(row, wanted[i]);
    if (vacant_until > row.epoch + 1) continue;  // takes no part in the next epoch either
    const bool votes_again = vacant_until > row.epoch;
    const bool has_state = is_new || votes_again ? replica.learner_is_close(wanted[i]) : holds_log(status, wanted[i]);
    const bool too_early = mutant("count_learners_too_early") || mutant("begin_without_state");
    const bool is_awaited = is_new || (votes_again && catalog.is_up(wanted[i]));
    if (is_awaited && !has_state && !too_early) return;
    if (has_state || too_early) able |= 1ULL << i;
  }
  if (!check_members(next) || !QuorumSystem(next).is_quorum(able)) return;
  (void)replica.change_members(std::move(next));  // refused: tried again
}

void GroupMoves::report(const Replica& replica, const CatalogView& catalog) {
  if (mutant("keep_move_to_itself")) return;
  wire::ReportGroup report{.group = replica.group(), .epoch = replica.epoch(), .members = {}};
  for (const StreamMember& member : replica.members()) report.members.push_back(member.node);
  std::vector<NodeId> managers = catalog.root().members;
  if (replica.group() == kRootGroup) managers = report.members;
  for (NodeId manager : managers) outbox_.to_node(manager, wire::GroupMessage(report));
}

}  // namespace juxmem

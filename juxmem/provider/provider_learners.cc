// Groups that this provider is to be a member of: it follows them, and takes part once the epoch that names it begins.
#include <fmt/core.h>

#include <utility>

#include "groups/node_lists.h"
#include "groups/topology/topology.h"
#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"
#include "juxmem/provider/provider_core.h"

namespace juxmem {

// To be in the next epoch what it is not now: a member, or one that votes again. A former life of this node may have been told to be one, and
// have voted in an epoch that the catalog does not know yet: then its seat there is vacant.
bool ProviderCore::is_wanted_next(const wire::CatalogGroup& row) const {
  if (row.lost || !can_keep(row) || is_vacant_here(row, row.epoch + 1)) return false;
  if (contains(row.members, self_)) return is_vacant_here(row, row.epoch);
  return contains(row.held, self_);
}

void ProviderCore::make_learners() {
  if (!is_in_catalog()) return;
  for (const wire::CatalogGroup& row : catalog_.groups()) {
    if (is_wanted_next(row)) make_learner(row);
  }
  if (is_wanted_next(catalog_.root())) make_learner(catalog_.root());
}

void ProviderCore::make_learner(const wire::CatalogGroup& row) {
  const GroupId group = row.group;
  if (replicas_.contains(group)) return;
  if (mutant("begin_without_state")) {
    wire::CatalogGroup next = row;
    ++next.epoch;
    next.members = row.next;
    return make_replica(next);
  }
  if (const auto known = learners_.find(group); known != learners_.end()) {
    if (known->second.stream().epoch >= row.epoch) return;
    learners_.erase(known);
  }
  std::vector<NodeId> servers = nearest_first(catalog_, self_, row.members);
  std::erase(servers, self_);
  if (servers.empty()) return;
  Learner& learner =
      learners_
          .try_emplace(
              group, StreamId{group, row.epoch}, std::move(servers), options_.timing,
              [this](NodeId to, wire::GroupMessage message) { send(to, std::move(message)); }, machine_maker(group))
          .first->second;
  learner.start(now());
}

// Those whose group has moved on without them, or went on with them and left nobody to learn from.
void ProviderCore::drop_learners(TimeNs time) {
  std::vector<GroupId> to_replace;
  std::erase_if(learners_, [&](const auto& entry) {
    const auto& [group, learner] = entry;
    const wire::CatalogGroup* row = catalog_.group(group);
    if (row == nullptr) return true;
    if (row->epoch <= learner.stream().epoch) return !is_wanted_next(*row);
    const bool is_member = contains(row->members, self_);
    const bool goes_on = is_member && row->epoch == learner.stream().epoch + 1 && !learner.is_forsaken(time);
    if (is_member && !goes_on) to_replace.push_back(group);
    return !goes_on;
  });
  for (GroupId group : to_replace) make_replica(*catalog_.group(group));
  make_learners();
}

void ProviderCore::learn(TimeNs time) {
  std::vector<GroupId> ended;
  for (auto& [group, learner] : learners_) {
    learner.tick(time);
    if (learner.end()) ended.push_back(group);
  }
  for (GroupId group : ended) become_member(group);
}

void ProviderCore::become_member(GroupId group) {
  const auto found = learners_.find(group);
  Learner& learner = found->second;
  const StopSign& next = *learner.end();
  const bool is_member = std::ranges::find(next.members, self_, &StreamMember::node) != next.members.end();
  if (!is_member || learner.applied() == 0) return;  // others were chosen: the catalog will say so
  StreamConfig config = stream_config({group, next.next_epoch});
  config.members = next.members;
  config.base = learner.applied();
  config.round_floor = next.round;
  config.preferred = next.members.front().node;
  std::unique_ptr<StateMachine> state = learner.take_state();
  learners_.erase(found);
  const Durability durability = catalog_.group(group)->durability;
  begin_replica(config, machine_maker(group), durability, std::move(state));
  if (group == kRootGroup) say(Notice::Severity::kInfo, "this provider is a manager now");
}

}  // namespace juxmem

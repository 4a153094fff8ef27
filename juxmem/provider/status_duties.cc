#include "juxmem/provider/status_duties.h"

#include <algorithm>
#include <limits>

namespace juxmem {
namespace {

constexpr std::int64_t kGatherMs = 700;
constexpr std::size_t kGatheringsMax = 64;

bool knows_better(const wire::GroupStatus& one, const wire::GroupStatus& other) {
  const bool one_leads = one.reporter == one.coordinator;
  const bool other_leads = other.reporter == other.coordinator;
  if (one_leads != other_leads) return one_leads;
  if (one.ballot != other.ballot) return one.ballot > other.ballot;
  return one.decided > other.decided;
}

}  // namespace

void StatusDuties::send(const ReturnPath& to, wire::StatusReply reply) {
  if (to.peer != 0) {
    outbox_.to_peer(to.peer, wire::GroupMessage(std::move(reply)));
  } else {
    outbox_.to_node(to.node, wire::GroupMessage(std::move(reply)));
  }
}

void StatusDuties::on_request(TimeNs now, const ReturnPath& from, const wire::StatusRequest& request,
                              const CatalogView& catalog, wire::StatusReply own) {
  own.tag = request.tag;
  if (!request.gather) {
    send(from, std::move(own));
    return;
  }
  if (gatherings_.size() >= kGatheringsMax) {
    own.code = Code::kTryAgain;
    send(from, std::move(own));
    return;
  }
  const std::uint64_t tag = ++last_tag_;
  Gathering& gathering = gatherings_[tag];
  gathering.from = from;
  gathering.tag = request.tag;
  gathering.until = now + ms_to_ns(kGatherMs);
  for (const wire::CatalogProvider& provider : catalog.providers()) {
    if (provider.node == own.answered_by || !provider.up) continue;
    gathering.missing.insert(provider.node);
    outbox_.to_node(provider.node, wire::GroupMessage(wire::StatusRequest{.tag = tag, .gather = false}));
  }
  own.catalog = catalog.snapshot();
  gathering.reply = std::move(own);
  if (gathering.missing.empty()) finish(tag);
}

void StatusDuties::on_reply(NodeId from, const wire::StatusReply& reply) {
  const auto found = gatherings_.find(reply.tag);
  if (found == gatherings_.end() || found->second.missing.erase(from) == 0) return;
  take_in(found->second.reply, reply);
  if (found->second.missing.empty()) finish(reply.tag);
}

void StatusDuties::take_in(wire::StatusReply& into, const wire::StatusReply& reply) {
  into.providers.insert(into.providers.end(), reply.providers.begin(), reply.providers.end());
  for (const wire::GroupStatus& group : reply.groups) {
    const auto known = std::find_if(into.groups.begin(), into.groups.end(),
                                    [&](const wire::GroupStatus& row) { return row.group == group.group; });
    if (known == into.groups.end()) {
      into.groups.push_back(group);
      continue;
    }
    // Who catches up says so itself.
    std::vector<wire::CatchUpStatus> catching_up = std::move(known->catching_up);
    catching_up.insert(catching_up.end(), group.catching_up.begin(), group.catching_up.end());
    if (knows_better(group, *known)) *known = group;
    known->catching_up = std::move(catching_up);
  }
}

void StatusDuties::finish(std::uint64_t tag) {
  Gathering gathering = std::move(gatherings_.at(tag));
  gatherings_.erase(tag);
  wire::StatusReply& reply = gathering.reply;
  reply.tag = gathering.tag;
  std::sort(reply.providers.begin(), reply.providers.end(),
            [](const auto& one, const auto& other) { return one.node < other.node; });
  std::sort(reply.groups.begin(), reply.groups.end(),
            [](const auto& one, const auto& other) { return one.group < other.group; });
  for (wire::GroupStatus& group : reply.groups) std::ranges::sort(group.catching_up, {}, &wire::CatchUpStatus::node);
  send(gathering.from, std::move(reply));
}

void StatusDuties::tick(TimeNs now) {
  std::vector<std::uint64_t> overdue;
  for (const auto& [tag, gathering] : gatherings_) {
    if (gathering.until <= now) overdue.push_back(tag);
  }
  for (std::uint64_t tag : overdue) finish(tag);
}

TimeNs StatusDuties::next_tick() const {
  TimeNs next = std::numeric_limits<TimeNs>::max();
  for (const auto& [tag, gathering] : gatherings_) next = std::min(next, gathering.until);
  return next;
}

}  // namespace juxmem

#include "juxmem/provider/root_duties.h"

#include <algorithm>
#include <utility>

#include "groups/node_lists.h"
#include "groups/placement/replacement.h"
#include "juxmem/provider/catalog_machine.h"

namespace juxmem {
namespace {

constexpr std::int64_t kTickMs = 50;
constexpr std::int64_t kBetweenPushesMs = 20;  // so that many changes at once are told together
constexpr std::int64_t kWatchReports = 12;     // a watch lasts that many times report_ms
constexpr std::size_t kWatchersMax = 65536;
constexpr std::size_t kJoiningMax = 4096;
constexpr std::size_t kPeersPerJoinMax = 8;

}  // namespace

RootDuties::RootDuties(Outbox& outbox, const Timing& timing, Replica& root, NodeId self, std::uint64_t grid,
                       std::vector<std::uint64_t> members)
    : outbox_(outbox),
      timing_(timing),
      root_(root),
      self_(self),
      grid_(grid),
      members_(std::move(members)),
      detector_(timing),
      healer_(timing) {}

const Catalog& RootDuties::catalog() const { return root_.catalog()->catalog(); }

// A manager's number belongs to the life the managers agreed on, and to no other, unless that one has left a data folder.
bool RootDuties::is_welcome(const wire::Join& request) const {
  const wire::JoinProvider& provider = request.provider;
  if (provider.name.empty() || provider.site.empty() || provider.address.empty() || provider.incarnation == 0) return false;
  if (!provider.manager) return provider.node == 0 || provider.store != 0;
  if (provider.store != 0 && request.grid == grid_) return provider.node != 0;
  return provider.node >= 1 && provider.node <= members_.size() && members_[provider.node - 1] == provider.incarnation;
}

void RootDuties::answer(PeerId peer, wire::GroupMessage message) {
  if (peer == 0) {
    outbox_.to_node(self_, std::move(message));
  } else {
    outbox_.to_peer(peer, std::move(message));
  }
}

void RootDuties::on_join(PeerId peer, const wire::Join& request) {
  const wire::JoinProvider& provider = request.provider;
  if (!is_welcome(request)) {
    ++refused_;
    return;
  }
  if (!root_.leads()) return;
  if (request.grid != 0 && request.grid != grid_) {
    wire::Joined refusal;
    refusal.code = Code::kInvalid;
    refusal.detail = "its data folder belongs to another grid";
    refusal.incarnation = provider.incarnation;
    return answer(peer, refusal);
  }
  const std::pair key{provider.name, provider.incarnation};
  const auto found = joining_.find(key);
  if (found != joining_.end()) {
    std::vector<PeerId>& peers = found->second;
    const bool is_known = std::find(peers.begin(), peers.end(), peer) != peers.end();
    if (!is_known && peers.size() < kPeersPerJoinMax) peers.push_back(peer);
    return;
  }
  if (joining_.size() >= kJoiningMax) return;
  wire::Command command;
  command.action = provider;
  const auto done = [this, key](const wire::Reply& reply) {
    wire::Joined joined;
    joined.code = reply.code;
    joined.detail = reply.detail;
    joined.node = reply.number;
    joined.incarnation = key.second;
    joined.grid = grid_;
    for (PeerId waiting : joining_[key]) answer(waiting, joined);
    joining_.erase(key);
  };
  joining_[key].push_back(peer);
  if (!root_.propose_own(command, done)) joining_.erase(key);
}

void RootDuties::on_report(TimeNs now, NodeId from, std::uint64_t incarnation, const wire::Report& report) {
  if (report.node != from || report.incarnation != incarnation) {
    ++refused_;
    return;
  }
  if (root_.leads()) {
    detector_.on_report(now, catalog().providers(), report);
    return;
  }
  if (root_.coordinator() == 0 || root_.coordinator() == self_) return;
  wire::Redirect redirect;
  redirect.group = kRootGroup;
  redirect.coordinator = root_.coordinator();
  redirect.epoch = root_.epoch();
  outbox_.to_node(from, wire::GroupMessage(redirect));
}

void RootDuties::on_report_group(NodeId from, const wire::ReportGroup& report) {
  if (!root_.leads()) return;
  const auto found = catalog().groups().find(report.group);
  const bool is_known = report.group == kRootGroup || found != catalog().groups().end();
  if (!is_known || !contains(report.members, from)) {
    ++refused_;
    return;
  }
  const wire::CatalogGroup& row = report.group == kRootGroup ? catalog().root() : found->second;
  if (report.epoch <= row.epoch) return;
  wire::Command command;
  command.action = wire::GroupMoved{.group = report.group, .epoch = report.epoch, .members = report.members};
  (void)root_.propose_own(command);  // no room: the group reports again
}

bool RootDuties::leads_or_redirects(PeerId peer, std::uint64_t tag) {
  if (root_.leads()) return true;
  wire::Redirect redirect;
  redirect.group = kRootGroup;
  redirect.tag = tag;
  redirect.coordinator = root_.coordinator() == self_ ? 0 : root_.coordinator();
  redirect.epoch = root_.epoch();
  answer(peer, redirect);
  return false;
}

// The present life.
const wire::CatalogProvider* RootDuties::provider_named(const std::string& name) const {
  const wire::CatalogProvider* found = nullptr;
  for (const auto& [node, provider] : catalog().providers()) {
    if (provider.name == name && (found == nullptr || provider.incarnation > found->incarnation)) found = &provider;
  }
  return found;
}

void RootDuties::answer(PeerId peer, std::uint64_t tag, Code code, std::string detail) {
  answer(peer, wire::AdminReply{.tag = tag, .code = code, .detail = std::move(detail)});
}

void RootDuties::carry_out(PeerId peer, std::uint64_t tag, wire::Action action) {
  wire::Command command;
  command.action = std::move(action);
  const auto done = [this, peer, tag](const wire::Reply& executed) { answer(peer, tag, executed.code, executed.detail); };
  if (!root_.propose_own(command, done)) answer(peer, tag, Code::kTryAgain);
}

void RootDuties::on_drain(PeerId peer, const wire::DrainRequest& request) {
  if (!leads_or_redirects(peer, request.tag)) return;
  const wire::CatalogProvider* found = provider_named(request.provider);
  if (found == nullptr) return answer(peer, request.tag, Code::kNotFound, "there is no provider '" + request.provider + "'");
  carry_out(peer, request.tag, wire::DrainProvider{.node = found->node, .draining = !request.cancel});
}

// Asked again, because the answer was lost, it is on its way or done.
void RootDuties::on_move(PeerId peer, const wire::MoveRequest& request) {
  if (!leads_or_redirects(peer, request.tag)) return;
  const wire::CatalogSnapshot rows = catalog().snapshot();
  const auto group = std::ranges::find(rows.groups, request.group, &wire::CatalogGroup::group);
  if (request.group != kRootGroup && group == rows.groups.end()) {
    return answer(peer, request.tag, Code::kNotFound, "there is no group " + std::to_string(request.group));
  }
  const wire::CatalogGroup& row = request.group == kRootGroup ? rows.root : *group;
  const wire::CatalogProvider* from = provider_named(request.from);
  const wire::CatalogProvider* to = provider_named(request.to);
  if (from == nullptr || to == nullptr) {
    return answer(peer, request.tag, Code::kNotFound,
                  "there is no provider '" + (from == nullptr ? request.from : request.to) + "'");
  }
  const bool is_under_way = row.asked && contains(row.next, to->node) && !contains(row.next, from->node);
  if (is_under_way) return answer(peer, request.tag, Code::kOk);
  Result<std::vector<NodeId>> next = members_moved(rows.providers, row, from->node, to->node);
  if (!next) return answer(peer, request.tag, next.error().code, next.error().detail);
  carry_out(peer, request.tag,
            wire::MoveGroup{.group = row.group, .epoch = row.epoch, .next = std::move(*next), .asked = true});
}

void RootDuties::on_watch(TimeNs now, NodeId from, const wire::WatchCatalog& request) {
  if (!watchers_.contains(from) && watchers_.size() >= kWatchersMax) {
    ++refused_;
    return;
  }
  Watcher& watcher = watchers_[from];
  watcher.until = now + ms_to_ns(timing_.report_ms * kWatchReports);
  watcher.told = request.have;
  if (catalog().version() > request.have) {
    watcher.told = catalog().version();
    outbox_.to_node(from, wire::GroupMessage(catalog().snapshot()));
  }
}

void RootDuties::on_root_changed(TimeNs now) {
  const Ballot leads_under = root_.leads() ? root_.stream().ballot() : Ballot{};
  if (leads_under != led_under_) {
    led_under_ = leads_under;
    joining_.clear();  // whoever waits asks again
    if (leads_under != Ballot{}) {
      detector_.start();
      healer_.start();
    }
  }
  if (catalog().version() != told_version_ && now >= told_at_ + ms_to_ns(kBetweenPushesMs)) tell_watchers(now);
  if (catalog().version() != told_version_) next_tick_ = std::min(next_tick_, told_at_ + ms_to_ns(kBetweenPushesMs));
}

void RootDuties::tell_watchers(TimeNs now) {
  told_version_ = catalog().version();
  told_at_ = now;
  const wire::CatalogSnapshot snapshot = catalog().snapshot();
  for (auto& [node, watcher] : watchers_) {
    if (watcher.told >= snapshot.version) continue;
    watcher.told = snapshot.version;
    outbox_.to_node(node, wire::GroupMessage(snapshot));
  }
}

// A first manager that was started anew and has forgotten the grid listens whether there is one; it may be nobody's manager any more.
void RootDuties::greet_silent(TimeNs now) {
  if (timing_.listen_ms == 0 || now < greet_at_) return;
  greet_at_ = now + ms_to_ns(timing_.report_ms) / 2;
  const wire::Redirect greeting{.group = kRootGroup, .coordinator = self_, .epoch = root_.epoch()};
  for (NodeId node : detector_.silent(now, ms_to_ns(timing_.report_ms) * 3 / 2)) {
    if (node != self_) outbox_.to_any_life(node, wire::GroupMessage(greeting));
  }
}

void RootDuties::tick(TimeNs now) {
  if (now < next_tick_) return;
  next_tick_ = now + ms_to_ns(kTickMs);
  on_root_changed(now);
  std::erase_if(watchers_, [now](const auto& row) { return row.second.until <= now; });
  if (!root_.leads()) return;
  greet_silent(now);
  for (const wire::ProviderState& state : detector_.tick(now, catalog().providers())) {
    wire::Command command;
    command.action = state;
    // Refused for want of room only; the detector proposes it again.
    (void)root_.propose_own(command);
  }
  for (wire::MoveGroup& move : healer_.tick(now, catalog().providers(), catalog().groups(), catalog().root())) {
    wire::Command command;
    command.action = std::move(move);
    (void)root_.propose_own(command);  // as above
  }
}

}  // namespace juxmem

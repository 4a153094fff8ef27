#include "juxmem/provider/quota_settler.h"

#include <algorithm>

#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr std::int64_t kLooksPerWait = 8;

}  // namespace

QuotaSettler::QuotaSettler(AgentContext& context) : context_(context) { look(); }

QuotaSettler::~QuotaSettler() { context_.timers.cancel(timer_); }

void QuotaSettler::look() {
  const std::int64_t pause_ms = std::max<std::int64_t>(context_.timing.quota_settle_ms / kLooksPerWait, 1);
  timer_ = context_.timers.at(after_ms(context_.now(), pause_ms), [this] { look(); });
  if (mutant("forget_unspent_reservations")) return;
  for (auto& [group, difference] : differences_) difference.seen = false;
  for (const GroupId group : context_.host.catalog().groups_of(context_.host.self())) look_at(group);
  std::erase_if(differences_, [](const auto& row) { return !row.second.seen && !row.second.settling; });
}

void QuotaSettler::look_at(GroupId group) {
  const LocalReplica* replica = context_.host.replica(group);
  if (replica == nullptr || replica->coordinator() != context_.host.self()) return;
  const CatalogView& catalog = context_.host.catalog();
  if (catalog.group(group)->reserved_bytes == replica->quota_bytes()) return;
  const auto [it, is_new] = differences_.try_emplace(group);
  Difference& difference = it->second;
  difference.seen = true;
  if (is_new) {
    difference.since = context_.now();
    difference.version = catalog.version();
  } else if (!difference.settling && context_.now() - difference.since >= ms_to_ns(context_.timing.quota_settle_ms)) {
    close(group);
  }
}

void QuotaSettler::close(GroupId group) {
  Difference& difference = differences_.at(group);
  difference.settling = true;
  const TimeNs limit = after_ms(context_.now(), context_.timing.call_limit_ms);
  context_.links.link(group).submit(wire::CloseReservations{.up_to = difference.version}, {}, limit,
                                    [this, group](const wire::Executed& answer) { settle(group, answer.reply); });
}

void QuotaSettler::settle(GroupId group, const wire::Reply& closed) {
  if (closed.code != Code::kOk) {
    differences_.erase(group);
    return;
  }
  const wire::SettleQuota command{
      .group = group, .at = closed.version, .up_to = differences_.at(group).version, .quota_bytes = closed.amount};
  context_.links.link(kRootGroup)
      .submit(command, {}, after_ms(context_.now(), context_.timing.call_limit_ms),
              [this, group](const wire::Executed&) { differences_.erase(group); });
}

}  // namespace juxmem

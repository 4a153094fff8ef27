#include "consistency/sessions/session_leases.h"

#include <algorithm>

namespace juxmem {

SessionLeases::SessionLeases(const Timing& timing) : lease_ns_(ms_to_ns(timing.agent_lease_ms)) {}

void SessionLeases::start(TimeNs now, std::span<const SessionId> live) {
  leases_.clear();
  for (SessionId session : live) leases_[session] = Lease{.until = now + lease_ns_, .expiring = false};
}

void SessionLeases::clear() { leases_.clear(); }

void SessionLeases::opened(TimeNs now, SessionId session) {
  leases_.try_emplace(session, Lease{.until = now + lease_ns_, .expiring = false});
}

void SessionLeases::expired(SessionId session) { leases_.erase(session); }

Renewal SessionLeases::renew(TimeNs now, SessionId session) {
  const auto found = leases_.find(session);
  if (found == leases_.end()) return Renewal::kUnknown;
  if (found->second.expiring) return Renewal::kExpiring;
  found->second.until = std::max(found->second.until, now + lease_ns_);
  return Renewal::kRenewed;
}

std::vector<SessionId> SessionLeases::overdue(TimeNs now) {
  std::vector<SessionId> due;
  for (auto& [session, lease] : leases_) {
    if (now < lease.until) continue;
    lease.expiring = true;
    lease.until = now + lease_ns_;
    due.push_back(session);
  }
  return due;
}

std::optional<TimeNs> SessionLeases::next_deadline() const {
  std::optional<TimeNs> next;
  for (const auto& [session, lease] : leases_) {
    if (!next || lease.until < *next) next = lease.until;
  }
  return next;
}

void SessionLease::renewed(TimeNs sent_at, std::int64_t lease_ms) {
  constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;  // a lease from the network may be any number
  const TimeNs lease_ns = ms_to_ns(std::clamp<std::int64_t>(lease_ms, 0, kDayMs));
  const TimeNs shortened = lease_ns - (lease_ns / 1'000'000 + 1) * drift_ppm_;
  until_ = std::max(until_, sent_at + shortened);
}

}  // namespace juxmem

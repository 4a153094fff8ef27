#include "consistency/sessions/session_leases.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace juxmem {
namespace {

Timing timing_with_lease(std::int64_t lease_ms) {
  Timing timing;
  timing.agent_lease_ms = lease_ms;
  return timing;
}

const std::vector<SessionId> kNone;

TEST(SessionLeases, StartGivesEverySessionAFullLease) {
  SessionLeases leases(timing_with_lease(1000));
  const std::vector<SessionId> live{3, 5};
  leases.start(ms_to_ns(10'000), live);
  EXPECT_EQ(leases.overdue(ms_to_ns(11'000) - 1), kNone);
  EXPECT_EQ(leases.next_deadline(), ms_to_ns(11'000));
  EXPECT_EQ(leases.overdue(ms_to_ns(11'000)), live);
}

TEST(SessionLeases, RenewedSessionIsNotOverdue) {
  SessionLeases leases(timing_with_lease(1000));
  leases.opened(0, 3);
  leases.opened(0, 5);
  EXPECT_EQ(leases.renew(ms_to_ns(900), 3), Renewal::kRenewed);
  EXPECT_EQ(leases.overdue(ms_to_ns(1000)), std::vector<SessionId>{5});
  EXPECT_EQ(leases.overdue(ms_to_ns(1900)), std::vector<SessionId>{3});
}

TEST(SessionLeases, OverdueSessionIsNotRenewedAnyMore) {
  SessionLeases leases(timing_with_lease(1000));
  leases.opened(0, 3);
  ASSERT_EQ(leases.overdue(ms_to_ns(1000)).size(), 1U);
  EXPECT_EQ(leases.renew(ms_to_ns(1001), 3), Renewal::kExpiring);
  EXPECT_EQ(leases.overdue(ms_to_ns(1001)), kNone);
  EXPECT_EQ(leases.overdue(ms_to_ns(2000)), std::vector<SessionId>{3});
  leases.expired(3);
  EXPECT_EQ(leases.renew(ms_to_ns(2001), 3), Renewal::kUnknown);
  EXPECT_EQ(leases.next_deadline(), std::nullopt);
}

TEST(SessionLeases, OpenedAgainKeepsWhatItHas) {
  SessionLeases leases(timing_with_lease(1000));
  leases.opened(0, 3);
  leases.opened(ms_to_ns(500), 3);
  EXPECT_EQ(leases.overdue(ms_to_ns(1000)), std::vector<SessionId>{3});
}

TEST(SessionLease, EndsBeforeTheCoordinatorsView) {
  Timing timing;
  SessionLease agent(timing);
  SessionLeases coordinator(timing);
  coordinator.opened(0, 1);
  EXPECT_FALSE(agent.holds(0));
  ASSERT_EQ(coordinator.renew(ms_to_ns(3), 1), Renewal::kRenewed);
  agent.renewed(0, timing.agent_lease_ms);
  EXPECT_TRUE(agent.holds(ms_to_ns(1)));
  // The agent's clock runs slower by the rate allowed: 1000 ms of the coordinator are less than that on it.
  const TimeNs coordinator_end = *coordinator.next_deadline();
  const TimeNs on_agents_clock = coordinator_end - coordinator_end / 1'000'000 * timing.clock_drift_ppm;
  EXPECT_LE(agent.until(), on_agents_clock);
}

TEST(SessionLease, LateAnswerDoesNotShortenIt) {
  SessionLease agent{Timing{}};
  agent.renewed(ms_to_ns(500), 1000);
  const TimeNs until = agent.until();
  agent.renewed(ms_to_ns(100), 1000);
  EXPECT_EQ(agent.until(), until);
  agent.lost();
  EXPECT_FALSE(agent.holds(ms_to_ns(500)));
}

TEST(SessionLease, SurvivesAbsurdAnswers) {
  SessionLease agent{Timing{}};
  agent.renewed(0, std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(agent.holds(0));
  agent.renewed(0, std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(agent.holds(0));
}

}  // namespace
}  // namespace juxmem

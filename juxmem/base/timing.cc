#include "juxmem/base/timing.h"

namespace juxmem {

Status Timing::check() const {
  if (heartbeat_ms <= 0) return fail(Code::kInvalid, "heartbeat_ms must be positive");
  if (heartbeat_ms * 3 >= lease_ms) {
    return fail(Code::kInvalid, "heartbeat_ms must be less than a third of lease_ms");
  }
  if (election_min_ms < lease_ms) return fail(Code::kInvalid, "election_min_ms must be at least lease_ms");
  if (agent_lease_ms < lease_ms) return fail(Code::kInvalid, "agent_lease_ms must be at least lease_ms");
  if (agent_renew_ms * 3 >= agent_lease_ms) {
    return fail(Code::kInvalid, "agent_renew_ms must be less than a third of agent_lease_ms");
  }
  if (client_beat_ms * 3 >= client_lease_ms) {
    return fail(Code::kInvalid, "client_beat_ms must be less than a third of client_lease_ms");
  }
  if (report_ms * 3 >= provider_dead_ms) {
    return fail(Code::kInvalid, "report_ms must be less than a third of provider_dead_ms");
  }
  if (clock_drift_ppm < 0 || clock_drift_ppm > 100'000) {
    return fail(Code::kInvalid, "clock_drift_ppm must lie between 0 and 100000");
  }
  if (thrift_ms < 0 || thrift_ms >= retransmit_ms) {
    return fail(Code::kInvalid, "thrift_ms must lie between 0 and retransmit_ms");
  }
  if (relay_ms != 0 && relay_ms <= notice_ms) return fail(Code::kInvalid, "relay_ms must be 0 or more than notice_ms");
  if (follow_ms < 0) return fail(Code::kInvalid, "follow_ms must not be negative");
  if (disk_late_ms <= 0 || disk_late_ms > stall_ms) {
    return fail(Code::kInvalid, "disk_late_ms must be positive and at most stall_ms");
  }
  if (listen_ms != 0 && listen_ms < 2 * report_ms) {
    return fail(Code::kInvalid, "listen_ms must be 0 or at least twice report_ms");
  }
  if (heal_after_ms <= 0) return fail(Code::kInvalid, "heal_after_ms must be positive");
  if (election_spread_ms <= 0 || retransmit_ms <= 0 || notice_ms <= 0 || stall_ms <= 0 || transfer_ms <= 0 ||
      resend_ms <= 0 || recall_ms <= 0 || quota_settle_ms <= 0 || agent_silent_ms <= 0 || call_limit_ms <= 0 ||
      digest_every == 0) {
    return fail(Code::kInvalid, "every time must be positive");
  }
  return {};
}

}  // namespace juxmem

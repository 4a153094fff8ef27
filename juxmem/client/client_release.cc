// The client core's releases: published once or not at all.
#include <algorithm>
#include <memory>
#include <utility>

#include "juxmem/client/client_core.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {
namespace {

constexpr std::size_t kPartsInFlightMax = 8;
constexpr std::size_t kBulkBytesMax = 96U << 20;  // under way for all releases together

}  // namespace

std::shared_ptr<ClientCore::ReleaseCall> ClientCore::begin_release(Section& section, SectionId id, std::int64_t limit_ms) {
  if (section.release == nullptr) {
    section.release = std::make_shared<ReleaseCall>(
        ReleaseCall{.section = id, .deadline = deadline_after(limit_ms), .parts = {section.agent_section, section.block}});
  }
  return section.release;
}

void ClientCore::release_some(SectionId id, std::vector<Change> changes, std::int64_t limit_ms) {
  const auto found = sections_.find(id);
  if (stopped_ || found == sections_.end() || found->second.releasing || found->second.term != term_) return;
  const auto call = begin_release(found->second, id, limit_ms);
  call->parts.add(std::move(changes));
  send_parts(call);
}

void ClientCore::release(SectionId id, std::vector<Change> changes, std::int64_t limit_ms, Completion<Version> done) {
  if (refuse_after_stop(done)) return;
  const auto found = sections_.find(id);
  if (found == sections_.end() || found->second.releasing) {
    done(fail(Code::kNotHeld));
    return;
  }
  Section& section = found->second;
  if (section.term != term_) {
    sections_.erase(found);
    done(fail(Code::kOwnerDead));
    return;
  }
  const auto call = begin_release(section, id, limit_ms);
  call->parts.add(std::move(changes));
  call->parts.close();
  if (call->parts.is_empty() && agent_surely_knows_us(env_.clock().now())) {
    const Version version = section.version;
    wire::ReleaseRequest release;
    release.section = section.agent_section;
    release.block = section.block;
    release.answer = false;
    sections_.erase(found);
    send_one_way(std::move(release));
    done(version);
    return;
  }
  section.releasing = true;
  call->done = std::move(done);
  if (call->settled) return settle(call, std::move(call->outcome));
  send_parts(call);
}

// The last part goes when all the others have been answered: only then may the section take effect.
void ClientCore::send_parts(const std::shared_ptr<ReleaseCall>& call) {
  while (!call->settled && call->parts.has_next() && call->in_flight < kPartsInFlightMax) {
    // Every release has one part under way; together they stay below what an agent takes from one client.
    if (call->in_flight != 0 && bulk_bytes_ >= kBulkBytesMax) return;
    const bool last = call->parts.is_at_last();
    if (last && call->in_flight != 0) return;
    wire::ReleaseRequest part = call->parts.next();
    for (const Buffer& data : part.data) stats_.bytes_released += data.size();
    ++call->in_flight;
    if (last) call->final_sent = true;
    ask(std::move(part), call->deadline, AtLoss::kFail,
        [this, call, last](Answer answer) { on_part(call, last, std::move(answer)); });
  }
}

// Before the last part was sent: nothing takes effect, and the agent forgets what it has.
void ClientCore::give_up(const std::shared_ptr<ReleaseCall>& call, Error error) {
  const Section& section = sections_.at(call->section);
  error.detail += "; nothing was published";
  let_go(section.agent_section, section.block, deadline_after(-1));
  settle(call, std::unexpected(std::move(error)));
}

void ClientCore::on_part(const std::shared_ptr<ReleaseCall>& call, bool last, Answer answer) {
  --call->in_flight;
  if (call->settled) return;
  if (answer && !last) {
    send_parts(call);
    return;
  }
  if (answer) {
    const Section& section = sections_.at(call->section);
    settle(call, std::max(answer->version, section.version));
    return;
  }
  const Section& section = sections_.at(call->section);
  const bool agent_lost = section.term != term_;
  if (agent_lost && call->final_sent && section.op.counter != 0 && !stopped_) {
    ask_outcome(call);
    return;
  }
  Error error = answer.error();
  // Without its last part nothing takes effect, and an agent that has no such section has let it go.
  const bool nothing_happened = !agent_lost && !call->final_sent && error.code == Code::kTryAgain;
  if (agent_lost || error.code == Code::kNotHeld || error.code == Code::kSessionExpired || error.code == Code::kStale) {
    error.code = stopped_ ? Code::kClosed : Code::kOwnerDead;
  }
  if (nothing_happened) return give_up(call, std::move(error));
  settle(call, std::unexpected(std::move(error)));
}

// The agent that had the release is gone: another one finds out what the group decided.
void ClientCore::ask_outcome(const std::shared_ptr<ReleaseCall>& call) {
  const Section& section = sections_.at(call->section);
  ++stats_.releases_resolved;
  ask(wire::OutcomeRequest{.block = section.block, .op = section.op}, call->deadline, AtLoss::kAskAgain,
      [this, call](Answer answer) {
        if (call->settled) return;
        if (answer) {
          settle(call, answer->version);
        } else {
          settle(call, std::unexpected(answer.error()));
        }
      });
}

void ClientCore::settle(const std::shared_ptr<ReleaseCall>& call, Result<Version> outcome) {
  call->settled = true;
  if (!call->done) {
    call->outcome = std::move(outcome);
    return;
  }
  sections_.erase(call->section);
  call->done(std::move(outcome));
}

}  // namespace juxmem

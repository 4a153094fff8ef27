// The client core's releases: published once or not at all.
#include <algorithm>
#include <utility>

#include "juxmem/client/client_core.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kPartBytesMax = 4U << 20;
constexpr std::size_t kPartRangesMax = 4096;
constexpr std::size_t kPartsInFlightMax = 8;
constexpr std::size_t kBulkBytesMax = 96U << 20;  // under way for all releases together
static_assert(kPartRangesMax < wire::kRangesMax && kPartRangesMax < wire::kPacketFramesMax);

// Cuts the changes into messages. Pieces are as large as one log entry's data at most, so that nobody has to cut them again.
std::vector<wire::ReleaseRequest> cut_into_parts(std::uint64_t agent_section, BlockId block,
                                                 const std::vector<Change>& changes) {
  std::vector<wire::ReleaseRequest> parts;
  std::uint64_t bytes = 0;
  const auto begin_part = [&] {
    if (!parts.empty()) parts.back().more = true;
    wire::ReleaseRequest part;
    part.section = agent_section;
    part.block = block;
    part.part = static_cast<std::uint32_t>(parts.size());
    parts.push_back(std::move(part));
    bytes = 0;
  };
  begin_part();
  for (const Change& change : changes) {
    std::uint64_t done = 0;
    while (done < change.data.size()) {
      if (bytes == kPartBytesMax || parts.back().ranges.size() == kPartRangesMax) begin_part();
      const std::uint64_t size =
          std::min({wire::kEntryBytesMax, kPartBytesMax - bytes, std::uint64_t{change.data.size()} - done});
      parts.back().ranges.push_back({.offset = change.offset + done, .size_bytes = size});
      parts.back().data.push_back(change.data.slice(done, size));
      bytes += size;
      done += size;
    }
  }
  return parts;
}

}  // namespace

void ClientCore::release(SectionId id, std::vector<Change> changes, std::int64_t limit_ms, Completion<Version> done) {
  if (refuse_after_stop(done)) return;
  std::erase_if(changes, [](const Change& change) { return change.data.empty(); });
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
  if (changes.empty() && agent_surely_knows_us(env_.clock().now())) {
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
  auto call = std::make_shared<ReleaseCall>();
  call->section = id;
  call->deadline = deadline_after(limit_ms);
  call->parts = cut_into_parts(section.agent_section, section.block, changes);
  call->done = std::move(done);
  for (const Change& change : changes) stats_.bytes_released += change.data.size();
  send_parts(call);
}

// The last part goes when all the others have been answered: only then may the section take effect.
void ClientCore::send_parts(const std::shared_ptr<ReleaseCall>& call) {
  while (!call->settled && call->next_part < call->parts.size() && call->in_flight < kPartsInFlightMax) {
    // Every release has one part under way; together they stay below what an agent takes from one client.
    if (call->in_flight != 0 && bulk_bytes_ >= kBulkBytesMax) return;
    const bool last = call->next_part + 1 == call->parts.size();
    if (last && call->in_flight != 0) return;
    wire::ReleaseRequest part = std::move(call->parts[call->next_part++]);
    ++call->in_flight;
    if (last) call->final_sent = true;
    ask(std::move(part), call->deadline, AtLoss::kFail,
        [this, call, last](Answer answer) { on_part(call, last, std::move(answer)); });
  }
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
  if (agent_lost || error.code == Code::kNotHeld || error.code == Code::kSessionExpired ||
      error.code == Code::kStale) {
    error.code = stopped_ ? Code::kClosed : Code::kOwnerDead;
  }
  if (nothing_happened) {
    error.detail += "; nothing was published";
    let_go(section.agent_section, section.block, deadline_after(-1));
  }
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
  sections_.erase(call->section);
  call->done(std::move(outcome));
}

}  // namespace juxmem

// What agents ask of a replica, one function per kind of message.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/catalog_machine.h"
#include "juxmem/provider/replica.h"
#include "juxmem/provider/replica_checks.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::size_t kDeferredMax = 4096;
constexpr std::int64_t kOutcomeWaitMs = 5000;
constexpr std::int64_t kWatchMsMax = 60'000;

template <typename T>
constexpr bool kServed =
    std::is_same_v<T, wire::Propose> || std::is_same_v<T, wire::Outcome> || std::is_same_v<T, wire::RenewSession> ||
    std::is_same_v<T, wire::RequestOwnership> || std::is_same_v<T, wire::Yield> || std::is_same_v<T, wire::HoldingsReply> ||
    std::is_same_v<T, wire::ReadPages> || std::is_same_v<T, wire::ReadBlock> || std::is_same_v<T, wire::WatchBlock> ||
    std::is_same_v<T, wire::ReadSnapshot> || std::is_same_v<T, wire::SnapshotReply> || std::is_same_v<T, wire::ReadLog> ||
    std::is_same_v<T, wire::ReadNames> || std::is_same_v<T, wire::ReadCatalogVersion>;

// Whether any replica can answer, not only the coordinator.
template <typename T>
constexpr bool kServedByAll = std::is_same_v<T, wire::ReadPages> || std::is_same_v<T, wire::ReadSnapshot> ||
                              std::is_same_v<T, wire::SnapshotReply> || std::is_same_v<T, wire::ReadLog>;

}  // namespace

std::optional<GroupId> Replica::group_served_by(const wire::GroupMessage& message) {
  return std::visit(
      [](const auto& kind) -> std::optional<GroupId> {
        using T = std::decay_t<decltype(kind)>;
        if constexpr (!kServed<T>) {
          return std::nullopt;
        } else if constexpr (std::is_same_v<T, wire::ReadNames> || std::is_same_v<T, wire::ReadCatalogVersion>) {
          return kRootGroup;
        } else if constexpr (requires { kind.group; }) {
          return kind.group;
        } else {
          return group_of(kind.block);
        }
      },
      message);
}

void Replica::on_request(NodeId from, wire::GroupMessage message) {
  if (is_broken_) return;
  const bool is_for_all = std::visit([](const auto& kind) { return kServedByAll<std::decay_t<decltype(kind)>>; }, message);
  if (!is_for_all && may_serve_soon()) {
    if (deferred_.size() < kDeferredMax) deferred_.emplace_back(from, std::move(message));
    return;
  }
  std::visit(
      [&](auto& kind) {
        if constexpr (kServed<std::decay_t<decltype(kind)>>) serve(from, kind);
      },
      message);
}

// On the way to lead: a request is better kept for a moment than sent away.
bool Replica::may_serve_soon() const {
  if (is_broken_) return false;
  if (coordinates_) return !has_caught_up_;
  // Elected, too, as long as the change of role has not been carried out: until then entries are applied as a follower's.
  const StreamRole role = stream_.status(host_.now()).role;
  return role == StreamRole::kCandidate || role == StreamRole::kCoordinator;
}

void Replica::serve_deferred() {
  std::vector<Deferred> deferred;
  deferred.swap(deferred_);
  for (auto& [from, message] : deferred) on_request(from, std::move(message));
}

// ---- answers ------------------------------------------------------------------------------------------------------------

void Replica::redirect(NodeId to, std::uint64_t tag) {
  ++stats_.redirected;
  wire::Redirect redirect;
  redirect.group = group();
  redirect.tag = tag;
  redirect.coordinator = known_coordinator();
  redirect.epoch = next_epoch();
  host_.send(to, wire::GroupMessage(redirect));
}

bool Replica::lead_or_redirect(NodeId to, std::uint64_t tag) {
  if (leads()) return true;
  redirect(to, tag);
  return false;
}

void Replica::answer(NodeId to, std::uint64_t tag, Instance instance, wire::Reply reply, const Ballot& ballot) {
  wire::Executed executed;
  executed.group = group();
  executed.tag = tag;
  executed.instance = instance;
  executed.reply = std::move(reply);
  executed.ballot = ballot;
  host_.send(to, wire::GroupMessage(std::move(executed)));
}

bool Replica::is_session_of(NodeId from, SessionId session) const {
  const auto found = agents_.find(session);
  return found != agents_.end() && found->second == from;
}

// ---- operations -----------------------------------------------------------------------------------------------------------

void Replica::serve(NodeId from, wire::Propose& request) {
  if (!stream_.is_coordinator()) {
    redirect(from, request.tag);
    return;
  }
  if (proposals_.contains(from, request.tag)) {
    ++stats_.repeated;
    return;
  }
  auto command = wire::decode_command(request.command);
  Status valid =
      command ? check_agents_command(group(), from, *command, request.data.size()) : std::unexpected(command.error());
  if (!valid) {
    ++stats_.refused;
    wire::Reply refusal;
    refusal.code = valid.error().code;
    refusal.detail = valid.error().detail;
    answer(from, request.tag, machine_->applied(), std::move(refusal));
    return;
  }
  if (answer_without_entry(from, request.tag, command->op)) return;
  if (lacks_room_for(*command)) return refuse_for_lack_of_room(from, request.tag);
  Proposal proposal;
  proposal.from = from;
  proposal.tag = request.tag;
  proposal.command = std::move(*command);
  proposal.encoded = std::move(request.command);
  proposal.data = std::move(request.data);
  put(std::move(proposal));
}

// What the log has executed already needs no second entry; the state machine would refuse it anyway.
bool Replica::answer_without_entry(NodeId from, std::uint64_t tag, const OpId& op) {
  if (op.counter == 0) return false;
  const OpLookup found = machine_->sessions().begin(op);
  if (found.state != OpState::kRepeated) return false;
  ++stats_.repeated;
  answer(from, tag, machine_->applied(), *found.reply);
  return true;
}

// Where an agent is; what this provider proposes itself has no place.
SiteId Replica::site_of(NodeId agent) const {
  const auto member = std::ranges::find(config_.members, agent, &StreamMember::node);
  return agent == 0 || member == config_.members.end() ? host_.site_of(agent) : member->site;
}

void Replica::put(Proposal proposal) {
  if (proposals_.has_waiting()) {
    proposals_.wait(std::move(proposal));
    return;
  }
  wire::Entry entry;
  entry.kind = wire::EntryKind::kCommand;
  entry.command = proposal.encoded;
  entry.data = proposal.data;
  const auto instance = stream_.propose(host_.now(), std::move(entry), site_of(proposal.from));
  if (instance) {
    ++stats_.proposed;
    proposals_.place(*instance, stream_.ballot(), std::move(proposal));
  } else if (instance.error().code == Code::kOverloaded || instance.error().code == Code::kStopping) {
    proposals_.wait(std::move(proposal));
  } else if (proposal.from != 0) {
    redirect(proposal.from, proposal.tag);
  }
}

void Replica::put_waiting() {
  while (coordinates_ && proposals_.has_waiting()) {
    const Proposal& first = proposals_.first_waiting();
    if (lacks_room_for(first.command)) {
      const Proposal refused = proposals_.take_first_waiting();
      refuse_for_lack_of_room(refused.from, refused.tag);
      continue;
    }
    wire::Entry entry;
    entry.kind = wire::EntryKind::kCommand;
    entry.command = first.encoded;
    entry.data = first.data;
    const auto instance = stream_.propose(host_.now(), std::move(entry), site_of(first.from));
    if (!instance) return;
    ++stats_.proposed;
    proposals_.place(*instance, stream_.ballot(), proposals_.take_first_waiting());
  }
}

bool Replica::propose_own(const wire::Command& command, std::function<void(const wire::Reply&)> done) {
  if (is_broken_ || !coordinates_ || !stream_.is_coordinator() || proposals_.has_waiting()) return false;
  Proposal proposal;
  proposal.command = command;
  proposal.encoded = wire::encode_command(command);
  proposal.done = std::move(done);
  put(std::move(proposal));
  return true;
}

void Replica::expire(SessionId session) {
  wire::Command command;
  command.action = wire::ExpireSession{.session = session};
  if (propose_own(command)) ++stats_.sessions_expired;
}

void Replica::serve(NodeId from, const wire::Outcome& request) {
  if (!lead_or_redirect(from, request.tag)) return;
  if (answer_outcome(from, request)) return;
  const TimeNs until = host_.now() + ms_to_ns(kOutcomeWaitMs);
  if (!outcomes_.add({request.op.session, from, request.tag}, request, until)) ++stats_.refused;
}

bool Replica::answer_outcome(NodeId from, const wire::Outcome& request) {
  const OpOutcome outcome = machine_->sessions().outcome(request.op);
  wire::Reply reply;
  switch (outcome.state) {
    case OutcomeState::kPending:
      return false;
    case OutcomeState::kExecuted:
      reply = *outcome.reply;
      break;
    case OutcomeState::kNever:
      reply.code = Code::kOwnerDead;
      break;
    case OutcomeState::kForgotten:
      reply.code = Code::kStale;
      reply.detail = "so long ago that nobody knows";
      break;
  }
  answer(from, request.tag, machine_->applied(), std::move(reply));
  return true;
}

// ---- sessions and ownership -------------------------------------------------------------------------------------------------

void Replica::serve(NodeId from, const wire::RenewSession& request) {
  if (!leads()) {
    redirect(from, 0);
    return;
  }
  wire::SessionRenewed renewed;
  renewed.group = group();
  renewed.session = request.session;
  renewed.sent_at = request.sent_at;
  renewed.ballot = stream_.ballot();
  if (!machine_->sessions().is_alive(request.session)) {
    host_.send(from, wire::GroupMessage(renewed));
    return;
  }
  if (!is_session_of(from, request.session)) {
    ++stats_.refused;
    return;
  }
  if (directory_ && !directory_->may_renew(request.session)) return;
  if (leases_.renew(host_.now(), request.session) != Renewal::kRenewed) return;
  renewed.alive = true;
  const TimeNs gone = host_.now() - stream_.lend(host_.now());
  renewed.lease_ms = std::max<std::int64_t>(config_.timing.agent_lease_ms - (gone + ms_to_ns(1) - 1) / ms_to_ns(1), 0);
  host_.send(from, wire::GroupMessage(renewed));
}

void Replica::serve(NodeId from, const wire::RequestOwnership& request) {
  if (!lead_or_redirect(from, 0)) return;
  if (!directory_ || (request.mode != Mode::kShared && request.mode != Mode::kExclusive) ||
      !is_session_of(from, request.session)) {
    ++stats_.refused;
    return;
  }
  if (!blocks_->find(request.block)) {
    wire::Granted refusal;
    refusal.block = request.block;
    refusal.session = request.session;
    refusal.mode = request.mode;
    refusal.request = request.request;
    refusal.ballot = stream_.ballot();
    refusal.code = Code::kNotFound;
    host_.send(from, wire::GroupMessage(refusal));
    return;
  }
  directory_->on_request(host_.now(), request);
}

void Replica::serve(NodeId from, const wire::Yield& request) {
  if (!lead_or_redirect(from, 0)) return;
  if (!directory_ || !is_session_of(from, request.session)) {
    ++stats_.refused;
    return;
  }
  directory_->on_yield(host_.now(), request);
}

void Replica::serve(NodeId from, const wire::HoldingsReply& request) {
  if (!directory_ || !is_session_of(from, request.session)) {
    ++stats_.refused;
    return;
  }
  directory_->on_holdings(host_.now(), request);
}

// ---- data --------------------------------------------------------------------------------------------------------------------

wire::PagesReply Replica::read_pages(const wire::ReadPages& request) {
  if (blocks_ != nullptr && !is_broken_ && !is_catching_up() && request.at_least <= machine_->applied()) {
    return blocks_->read_pages(request, wire::kReplyBytesMax);
  }
  wire::PagesReply reply;
  reply.block = request.block;
  reply.tag = request.tag;
  reply.code = Code::kTryAgain;
  return reply;
}

void Replica::serve(NodeId from, const wire::ReadPages& request) {
  if (blocks_ == nullptr) {
    ++stats_.refused;
    return;
  }
  if (request.at_least > machine_->applied() && !is_catching_up()) {
    const TimeNs until = host_.now() + ms_to_ns(config_.timing.resend_ms * 2);
    if (!page_waits_.add({request.at_least, from, request.tag}, request, until)) ++stats_.refused;
    return;
  }
  host_.send(from, wire::GroupMessage(read_pages(request)));
}

void Replica::serve(NodeId from, const wire::ReadBlock& request) {
  if (!lead_or_redirect(from, request.tag)) return;
  if (blocks_ == nullptr) {
    ++stats_.refused;
    return;
  }
  host_.send(from, wire::GroupMessage(blocks_->facts(request)));
}

void Replica::serve(NodeId from, const wire::WatchBlock& request) {
  if (!lead_or_redirect(from, 0)) return;
  if (blocks_ == nullptr) {
    ++stats_.refused;
    return;
  }
  wire::BlockChanged changed;
  changed.block = request.block;
  const auto block = blocks_->find(request.block);
  if (!block) {
    changed.code = Code::kNotFound;
  } else if (block->version > request.than) {
    changed.version = block->version;
  } else {
    const std::int64_t for_ms = std::min<std::int64_t>(request.for_ms, kWatchMsMax);
    if (!watches_.add({request.block, from, 0}, request, host_.now() + ms_to_ns(for_ms))) ++stats_.refused;
    return;
  }
  host_.send(from, wire::GroupMessage(changed));
}

void Replica::serve(NodeId from, const wire::ReadNames& request) {
  if (!lead_or_redirect(from, request.tag)) return;
  if (catalog_ == nullptr) {
    ++stats_.refused;
    return;
  }
  host_.send(from, wire::GroupMessage(catalog_->catalog().read_names(request)));
}

void Replica::serve(NodeId from, const wire::ReadCatalogVersion& request) {
  if (!lead_or_redirect(from, request.tag)) return;
  if (catalog_ == nullptr) {
    ++stats_.refused;
    return;
  }
  host_.send(from, wire::GroupMessage(wire::CatalogVersion{.tag = request.tag, .version = catalog_->catalog().version()}));
}

}  // namespace juxmem

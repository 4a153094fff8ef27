#include "juxmem/provider/group_link.h"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "juxmem/provider/agent_catalog.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// What may be on its way to one coordinator without an answer.
constexpr std::uint64_t kWindowBytes = 16ULL << 20;
// Redirects followed at once; a further one waits for the next resending.
constexpr std::uint32_t kRedirectsAtOnce = 2;
constexpr std::int64_t kResendGrowth = 4;

// The answers that say "not now" rather than what became of the operation.
bool asks_for_patience(Code code) {
  return code == Code::kNotCoordinator || code == Code::kOverloaded || code == Code::kTryAgain || code == Code::kWrongEpoch;
}

Code code_of(const wire::GroupMessage& answer) {
  return std::visit(
      [](const auto& message) {
        using M = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<M, wire::Executed>)
          return message.reply.code;
        else if constexpr (std::is_same_v<M, wire::BlockFacts> || std::is_same_v<M, wire::NamesReply>)
          return message.code;
        else
          return Code::kOk;
      },
      answer);
}

void set_tag(wire::GroupMessage& question, std::uint64_t tag) {
  std::visit(
      [tag](auto& message) {
        if constexpr (requires { message.tag; }) message.tag = tag;
      },
      question);
}

}  // namespace

GroupLink::GroupLink(AgentHost& host, const Timing& timing, AgentTimers& timers, GroupLinkEvents& events, GroupId group)
    : host_(host), timing_(timing), timers_(timers), events_(events), group_(group), lease_(timing) {}

GroupLink::~GroupLink() {
  timers_.cancel(renew_timer_);
  for (auto& [tag, pending] : pending_) {
    timers_.cancel(pending.resend);
    timers_.cancel(pending.limit);
  }
}

// ---- who leads ----------------------------------------------------------------------------------------------------

NodeId GroupLink::coordinator() {
  if (coordinator_ != 0) return coordinator_;
  if (LocalReplica* replica = host_.replica(group_)) {
    const NodeId followed = replica->coordinator();
    if (followed != 0 && followed != suspected_) return followed;
  }
  const std::vector<NodeId> candidates = members_of(host_, group_);
  if (candidates.empty()) return 0;
  NodeId chosen = candidates[next_member_ % candidates.size()];
  if (chosen == suspected_ && candidates.size() > 1) {
    ++next_member_;
    chosen = candidates[next_member_ % candidates.size()];
  }
  return chosen;
}

bool GroupLink::set_coordinator(NodeId node) {
  suspected_ = 0;
  if (coordinator_ == node) return false;
  coordinator_ = node;
  events_.on_coordinator(*this);
  return true;
}

// The node gave no answer in time: somebody else may lead by now.
void GroupLink::suspect(NodeId node) {
  if (node == 0 || (coordinator_ != 0 && coordinator_ != node)) return;
  coordinator_ = 0;
  suspected_ = node;
  ++next_member_;
}

void GroupLink::heard_coordinator(NodeId node) {
  heard_at_ = host_.now();
  if (set_coordinator(node)) resend_all();
}

// The replica next door hears of a new coordinator before this agent can: the operations go there at once.
void GroupLink::on_local_coordinator(NodeId node) {
  if (node == 0 || node == coordinator_ || node == local_hint_) return;
  local_hint_ = node;
  if (set_coordinator(node)) resend_all();
}

void GroupLink::on_news() {
  admit_waiting();
  for (auto& [tag, pending] : pending_) {
    if (pending.sendings == 0 && pending.resend.number != 0) send(pending);
  }
}

// ---- session ------------------------------------------------------------------------------------------------------

bool GroupLink::lease_holds() const { return session_ != 0 && lease_.holds(host_.now()); }

void GroupLink::want_session() {
  if (session_ == 0 && !opening_) open_session();
}

void GroupLink::open_session() {
  opening_ = true;
  open_sent_ = host_.now();
  Pending pending;
  pending.kind = Kind::kOpen;
  pending.command = wire::encode_command(
      wire::Command{.op = {}, .action = wire::OpenSession{.node = host_.self(), .incarnation = host_.incarnation()}});
  pending.op_done = [this](const wire::Executed& answer) {
    if (answer.reply.code != Code::kOk || answer.reply.session == 0) {
      timers_.cancel(renew_timer_);
      renew_timer_ = timers_.at(after_ms(host_.now(), timing_.resend_ms), [this] { open_session(); });
      return;
    }
    opening_ = false;
    session_ = answer.reply.session;
    lease_.renewed(open_sent_, timing_.agent_lease_ms);
    renewed_ = open_sent_;
    if (slots_of_ != session_) {
      slots_.clear();
      free_slots_.clear();
      slots_of_ = session_;
    }
    timers_.cancel(renew_timer_);
    renew();
    events_.on_session_opened(*this);
    admit_waiting();
  };
  start(std::move(pending));
}

void GroupLink::renew() {
  timers_.cancel(renew_timer_);
  if (session_ == 0) return;
  send_renewal();
  renew_timer_ = timers_.at(after_ms(host_.now(), timing_.agent_renew_ms), [this] { on_renew_time(); });
}

// Only here: one that was named just now must be asked before it is suspected.
void GroupLink::on_renew_time() {
  if (host_.now() - renewed_ > ms_to_ns(2 * timing_.agent_renew_ms)) suspect(coordinator());
  renewals_redirected_ = 0;
  renew();
}

void GroupLink::send_renewal() {
  if (session_ == 0) return;
  tell(wire::RenewSession{.group = group_, .session = session_, .sent_at = host_.now()});
}

void GroupLink::on_renewed(NodeId from, const wire::SessionRenewed& renewed) {
  if (renewed.session != session_ || session_ == 0) return;
  if (renewed.sent_at > host_.now()) return;  // not from this clock
  heard_coordinator(from);
  if (!renewed.alive) return session_lost(session_);
  lease_.renewed(renewed.sent_at, std::min(renewed.lease_ms, timing_.agent_lease_ms));
  renewed_ = std::max(renewed_, renewed.sent_at);
  events_.on_session_renewed(*this);
}

void GroupLink::session_lost(SessionId lost) {
  if (session_ != lost || lost == 0) return;
  session_ = 0;
  lease_.lost();
  timers_.cancel(renew_timer_);
  events_.on_session_lost(*this, lost);
  if (!slotless_.empty()) want_session();
}

std::optional<OpId> GroupLink::reserve_slot() {
  if (session_ == 0) return std::nullopt;
  if (free_slots_.empty()) {
    if (slots_.size() >= wire::kSlotsPerSessionMax) return std::nullopt;
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t number = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[number];
  slot.taken = true;
  return OpId{.session = session_, .slot = number, .counter = ++slot.counter};
}

bool GroupLink::has_issued(const OpId& op) const {
  return op.session == session_ && session_ != 0 && op.slot < slots_.size() && op.counter != 0 &&
         op.counter <= slots_[op.slot].counter;
}

void GroupLink::free_slot(const OpId& op) {
  if (op.session != session_ || session_ == 0 || op.slot >= slots_.size()) return;
  Slot& slot = slots_[op.slot];
  if (!slot.taken || slot.counter != op.counter) return;
  slot.taken = false;
  free_slots_.push_back(op.slot);
  if (!slotless_.empty()) admit_waiting();
}

std::optional<OpId> GroupLink::next_in_slot(const OpId& op) {
  if (op.session != session_ || session_ == 0 || op.slot >= slots_.size()) return std::nullopt;
  Slot& slot = slots_[op.slot];
  if (!slot.taken || slot.counter != op.counter) return std::nullopt;
  return OpId{.session = session_, .slot = op.slot, .counter = ++slot.counter};
}

// ---- operations and questions ---------------------------------------------------------------------------------------

void GroupLink::submit(wire::Action action, Buffer data, TimeNs limit, OpDone done) {
  Pending pending;
  pending.kind = Kind::kOwnSlot;
  pending.action = std::move(action);
  pending.data = std::move(data);
  pending.op_done = std::move(done);
  pending.limit_at = limit;
  want_session();
  start(std::move(pending));
}

void GroupLink::submit_as(const OpId& op, wire::Action action, Buffer data, TimeNs limit, OpDone done) {
  Pending pending;
  pending.kind = Kind::kFixed;
  pending.op = op;
  pending.command = wire::encode_command(wire::Command{.op = op, .action = std::move(action)});
  pending.data = std::move(data);
  pending.op_done = std::move(done);
  pending.limit_at = limit;
  start(std::move(pending));
}

void GroupLink::ask(wire::GroupMessage question, TimeNs limit, AskDone done) {
  Pending pending;
  pending.kind = Kind::kAsk;
  pending.question = std::move(question);
  pending.ask_done = std::move(done);
  pending.limit_at = limit;
  start(std::move(pending));
}

void GroupLink::tell(wire::GroupMessage message) {
  if (const NodeId to = coordinator(); to != 0) host_.send(to, std::move(message));
}

void GroupLink::start(Pending pending) {
  const std::uint64_t tag = ++last_tag_;
  pending.tag = tag;
  if (pending.kind == Kind::kAsk) set_tag(pending.question, tag);
  if (pending.limit_at != kNever) pending.limit = timers_.at(pending.limit_at, [this, tag] { on_limit(tag); });
  const auto it = pending_.emplace(tag, std::move(pending)).first;
  place(it->second);
}

// Sends it, or puts it where it waits for what it lacks.
void GroupLink::place(Pending& pending) {
  if (pending.kind == Kind::kOwnSlot && pending.op.counter == 0) {
    const std::optional<OpId> op = reserve_slot();
    if (!op) {
      slotless_.push_back(pending.tag);
      want_session();
      return;
    }
    pending.op = *op;
    pending.command = wire::encode_command(wire::Command{.op = *op, .action = pending.action});
  }
  const std::uint64_t bytes = pending.command.size() + pending.data.size();
  if (window_bytes_ > 0 && window_bytes_ + bytes > kWindowBytes) {
    windowless_.push_back(pending.tag);
    return;
  }
  window_bytes_ += bytes;
  pending.in_window = true;
  send(pending);
}

void GroupLink::admit_waiting() {
  while (!slotless_.empty() && session_ != 0) {
    const auto it = pending_.find(slotless_.front());
    if (it != pending_.end() && free_slots_.empty() && slots_.size() >= wire::kSlotsPerSessionMax) break;
    slotless_.pop_front();
    if (it != pending_.end()) place(it->second);
  }
  while (!windowless_.empty()) {
    const auto it = pending_.find(windowless_.front());
    if (it != pending_.end()) {
      const std::uint64_t bytes = it->second.command.size() + it->second.data.size();
      if (window_bytes_ > 0 && window_bytes_ + bytes > kWindowBytes) break;
    }
    windowless_.pop_front();
    if (it != pending_.end()) place(it->second);
  }
}

void GroupLink::send(Pending& pending) {
  const NodeId to = coordinator();
  const std::uint64_t tag = pending.tag;
  pending.sent_at = host_.now();
  if (to != 0) {
    pending.sent_to = to;
    ++pending.sendings;
    ++pending.copies;
    if (pending.kind == Kind::kAsk) {
      host_.send(to, pending.question);
    } else {
      host_.send(to, wire::GroupMessage(
                         wire::Propose{.group = group_, .tag = tag, .command = pending.command, .data = pending.data}));
    }
  }
  const std::int64_t growth = std::clamp<std::int64_t>(pending.sendings, 1, kResendGrowth);
  timers_.cancel(pending.resend);
  pending.resend = timers_.at(after_ms(pending.sent_at, timing_.resend_ms * growth), [this, tag] { on_resend_time(tag); });
}

void GroupLink::resend_all() {
  for (auto& [tag, pending] : pending_) {
    if (pending.in_window && pending.sent_to != coordinator_) send(pending);
  }
}

void GroupLink::on_resend_time(std::uint64_t tag) {
  const auto it = pending_.find(tag);
  if (it == pending_.end()) return;
  Pending& pending = it->second;
  pending.redirects = 0;
  // A slow operation is no sign of a dead coordinator if others were answered meanwhile.
  if (heard_at_ < pending.sent_at) suspect(pending.sent_to);
  send(pending);
}

void GroupLink::on_limit(std::uint64_t tag) {
  const auto it = pending_.find(tag);
  if (it == pending_.end()) return;
  Pending pending = take(it);
  retire_slot(pending);
  if (pending.kind == Kind::kAsk) {
    pending.ask_done(fail(Code::kTryAgain, "the group's coordinator gave no answer"));
  } else {
    wire::Executed answer;
    answer.group = group_;
    answer.tag = tag;
    answer.reply.code = Code::kTryAgain;
    answer.reply.detail = "the group gave no answer";
    pending.op_done(answer);
  }
  admit_waiting();
}

// A slot of the link's own is free again: whatever arrives late under the old counter is refused by the group.
void GroupLink::retire_slot(Pending& pending) {
  if (pending.kind == Kind::kOwnSlot && pending.op.counter != 0) free_slot(pending.op);
}

GroupLink::Pending GroupLink::take(std::map<std::uint64_t, Pending>::iterator it) {
  Pending pending = std::move(it->second);
  pending_.erase(it);
  timers_.cancel(pending.resend);
  timers_.cancel(pending.limit);
  if (pending.in_window) window_bytes_ -= pending.command.size() + pending.data.size();
  return pending;
}

void GroupLink::on_executed(NodeId from, wire::Executed answer) {
  const auto it = pending_.find(answer.tag);
  if (it == pending_.end()) return;
  if (it->second.kind == Kind::kAsk) return on_answer(from, answer.tag, std::move(answer));
  heard_coordinator(from);
  if (asks_for_patience(answer.reply.code)) return;  // sent again when its time comes
  // No room for this copy; another one may have found some.
  const bool is_certain = it->second.kind != Kind::kFixed || it->second.copies <= 1;
  if (answer.reply.code == Code::kNoSpace && !is_certain) {
    --it->second.copies;
    return;
  }
  Pending pending = take(it);
  if (answer.reply.code == Code::kSessionExpired && has_op(pending.kind)) {
    const SessionId session = pending.op.session;
    learn_outcome(std::move(pending));
    session_lost(session);
  } else if (answer.reply.code == Code::kStale && pending.kind == Kind::kOwnSlot) {
    free_slot(pending.op);
    submit_again(std::move(pending));
  } else {
    retire_slot(pending);
    pending.op_done(answer);
  }
  admit_waiting();
}

// The session expired: before it did, the operation may have been executed and its answer lost. The log knows.
void GroupLink::learn_outcome(Pending pending) {
  const wire::Outcome question{.group = group_, .tag = 0, .op = pending.op};
  const TimeNs limit = pending.limit_at;
  auto waiting = std::make_shared<Pending>(std::move(pending));
  ask(question, limit, [this, waiting](Result<wire::GroupMessage> outcome) {
    wire::Executed answer;
    answer.group = group_;
    answer.tag = waiting->tag;
    if (!outcome) {
      answer.reply.code = outcome.error().code;
    } else if (const auto* executed = std::get_if<wire::Executed>(&*outcome)) {
      answer = *executed;
    }
    if (answer.reply.code == Code::kStale) answer.reply.code = Code::kTryAgain;
    if (answer.reply.code == Code::kOwnerDead && waiting->kind == Kind::kOwnSlot) return submit_again(std::move(*waiting));
    waiting->op_done(answer);
  });
}

// Certainly not executed: once more under a new OpId, and a new tag, so that late answers to the old one are not taken for it.
void GroupLink::submit_again(Pending pending) {
  pending.op = OpId{};
  pending.sendings = pending.copies = 0;
  pending.redirects = 0;
  pending.in_window = false;
  start(std::move(pending));
}

void GroupLink::on_answer(NodeId from, std::uint64_t tag, wire::GroupMessage answer) {
  const auto it = pending_.find(tag);
  if (it == pending_.end() || it->second.kind != Kind::kAsk) return;
  heard_coordinator(from);
  if (asks_for_patience(code_of(answer))) return;
  Pending pending = take(it);
  pending.ask_done(std::move(answer));
  admit_waiting();
}

void GroupLink::on_redirect(NodeId from, const wire::Redirect& redirect) {
  const TimeNs now = host_.now();
  redirected_at_[from] = now;
  if (coordinator_ == from) coordinator_ = 0;
  suspected_ = from;
  NodeId hint = redirect.coordinator;
  // Two nodes that name each other do not make this agent run in circles.
  if (const auto at = redirected_at_.find(hint);
      at != redirected_at_.end() && now - at->second < ms_to_ns(timing_.resend_ms)) {
    hint = 0;
  }
  if (hint == 0) {
    ++next_member_;
    return;
  }
  if (coordinator_ == 0 && set_coordinator(hint)) {
    resend_all();
    if (redirect.tag == 0 && renewals_redirected_++ < kRedirectsAtOnce) send_renewal();
  }
  const auto it = pending_.find(redirect.tag);
  if (it == pending_.end() || !it->second.in_window || it->second.sent_to != from) return;
  if (it->second.copies > 0) --it->second.copies;
  if (it->second.redirects++ < kRedirectsAtOnce) send(it->second);
}

}  // namespace juxmem

#include "juxmem/client/client_core.h"

#include <algorithm>
#include <type_traits>

#include "juxmem/base/check.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {
namespace {

constexpr std::int64_t kResendMsMax = 1000;
// Large requests are hardly ever lost, unlike time: they are sent again only when even a slow agent had answered.
constexpr std::size_t kBulkBytes = 64U << 10;
constexpr std::int64_t kBulkPatienceMs = 1000;
constexpr std::int64_t kBulkBytesPerMs = 1000;
constexpr std::size_t kPacketBytesTarget = 4U << 20;
constexpr std::size_t kPacketMessagesTarget = 1024;
constexpr std::uint64_t kUnconfirmedMax = 1024;
constexpr std::size_t kCancelledMax = 1024;  // older ones are repaired by the beat alone

std::size_t bulk_bytes(const wire::ClientRequestBody& body) {
  if (const auto* release = std::get_if<wire::ReleaseRequest>(&body)) {
    std::size_t bytes = 0;
    for (const Buffer& data : release->data) bytes += data.size();
    return bytes;
  }
  if (const auto* write = std::get_if<wire::WriteRequest>(&body)) return write->data.size();
  if (const auto* allocate = std::get_if<wire::MallocRequest>(&body)) return allocate->meta.size();
  return 0;
}

}  // namespace

ClientCore::ClientCore(Env& env, Options options) : env_(env), options_(std::move(options)), agents_(options_.addresses) {
  JUXMEM_CHECK(options_.client != 0);
  last_turn_ = env_.clock().now();
  turn_to_agent(last_turn_);
}

ClientCore::~ClientCore() = default;

TimeNs ClientCore::deadline_after(std::int64_t limit_ms) const {
  if (limit_ms < 0) limit_ms = options_.timing.call_limit_ms;
  limit_ms = std::min<std::int64_t>(limit_ms, wire::kTimeoutMsMax);
  return env_.clock().now() + ms_to_ns(limit_ms);
}

std::int64_t ClientCore::limit_until(TimeNs deadline) const {
  return std::max<std::int64_t>(0, (deadline - env_.clock().now()) / 1'000'000);
}

std::uint64_t ClientCore::confirmed() const { return (requests_.empty() ? next_request_ : requests_.begin()->first) - 1; }

std::uint64_t ClientCore::ask(wire::ClientRequestBody body, TimeNs deadline, AtLoss at_loss, AnswerHandler on_answer) {
  const std::uint64_t number = next_request_++;
  Request& request = requests_[number];
  request.number = number;
  request.bytes = bulk_bytes(body);
  bulk_bytes_ += request.bytes;
  request.body = std::move(body);
  request.deadline = deadline;
  request.at_loss = at_loss;
  request.on_answer = std::move(on_answer);
  limits_.emplace(deadline + ms_to_ns(kGraceMs), number);
  ++stats_.requests;
  if (welcomed_) send_request(request, env_.clock().now());
  return number;
}

wire::ClientRequest ClientCore::stamped(std::uint64_t number, TimeNs deadline, wire::ClientRequestBody body) const {
  wire::ClientRequest request;
  request.client = options_.client;
  request.request = number;
  request.confirmed = std::min(confirmed(), number - 1);
  const std::int64_t limit_ms = std::min<std::int64_t>(limit_until(deadline), wire::kTimeoutMsMax);
  request.limit_ms = static_cast<std::uint32_t>(limit_ms);
  request.body = std::move(body);
  return request;
}

void ClientCore::send_request(Request& request, TimeNs now) {
  if (request.term != term_) {
    request.term = term_;
    request.first_sent = now;
    request.resend_ms = options_.timing.resend_ms;
    if (request.bytes > kBulkBytes) {
      request.resend_ms += kBulkPatienceMs + static_cast<std::int64_t>(request.bytes) / kBulkBytesPerMs;
    }
  } else {
    ++stats_.requests_repeated;
    request.resend_ms = std::max(request.resend_ms, std::min(request.resend_ms * 2, kResendMsMax));
  }
  set_resend(request, now + ms_to_ns(request.resend_ms));
  post(stamped(request.number, request.deadline, request.body), request.bytes);
}

void ClientCore::set_resend(Request& request, TimeNs when) {
  if (request.resend_at != 0) resends_.erase({request.resend_at, request.number});
  request.resend_at = when;
  if (when != 0) resends_.emplace(when, request.number);
}

// Nobody waits for the answer, and there is none; what the agent may have missed, the next beat tells it.
void ClientCore::send_one_way(wire::ClientRequestBody body) {
  const std::uint64_t number = next_request_++;
  ++stats_.requests;
  post(stamped(number, env_.clock().now(), std::move(body)), 0);
}

void ClientCore::on_answer(wire::ClientAnswer answer) {
  const auto found = requests_.find(answer.request);
  if (found == requests_.end()) {
    // The caller of this acquire has gone: nobody will release it.
    const bool late_grant = cancelled_acquires_.erase(answer.request) != 0 && answer.code == Code::kOk;
    if (late_grant && answer.section != 0) {
      let_go(answer.section, answer.block, deadline_after(-1));
    }
    return;
  }
  if (found->second.term != term_) return;
  surely_heard_us_at_ = std::max(surely_heard_us_at_, found->second.first_sent);
  const std::uint64_t number = answer.request;
  if (answer.code != Code::kOk) {
    finish(number, fail(answer.code, std::move(answer.detail)));
  } else {
    finish(number, std::move(answer));
  }
  // Behind a request that takes long, answers are confirmed by beats only; the agent keeps so many.
  if (confirmed() < number && ++unconfirmed_ >= kUnconfirmedMax && welcomed_ && !stopped_) beat(env_.clock().now());
}

void ClientCore::on_operation(const wire::OperationNumber& told) {
  const auto found = requests_.find(told.request);
  if (found == requests_.end() || found->second.term != term_ || !found->second.on_operation) return;
  found->second.on_operation(told.op);
}

void ClientCore::finish(std::uint64_t number, Answer answer) {
  auto node = requests_.extract(number);
  JUXMEM_CHECK(!node.empty());
  Request& request = node.mapped();
  bulk_bytes_ -= request.bytes;
  limits_.erase({request.deadline + ms_to_ns(kGraceMs), number});
  if (request.resend_at != 0) resends_.erase({request.resend_at, number});
  request.on_answer(std::move(answer));
}

void ClientCore::remember_cancelled(std::uint64_t acquire) {
  cancelled_acquires_.insert(acquire);
  if (cancelled_acquires_.size() > kCancelledMax) cancelled_acquires_.erase(cancelled_acquires_.begin());
}

void ClientCore::expire_requests(TimeNs now) {
  while (!limits_.empty() && limits_.begin()->first <= now) {
    const std::uint64_t number = limits_.begin()->second;
    Request& request = requests_.at(number);
    if (request.term == term_) {
      if (std::holds_alternative<wire::AcquireRequest>(request.body)) remember_cancelled(number);
      // Sent once: if it gets lost, the beat's list of open requests says the same.
      wire::CancelRequest cancel{.cancelled = number};
      if (welcomed_) send_one_way(cancel);
    }
    std::string detail = welcomed_ ? "the provider gave no answer within the time limit"
                                   : "no provider of the grid could be reached within the time limit";
    if (!welcomed_ && !refusal_.empty()) detail += "; the last one said: " + refusal_;
    finish(number, fail(Code::kTryAgain, std::move(detail)));
  }
  for (std::size_t i = 0; i < connects_.size();) {
    if (connects_[i].first > now) {
      ++i;
      continue;
    }
    Completion<void> done = std::move(connects_[i].second);
    connects_.erase(connects_.begin() + static_cast<std::ptrdiff_t>(i));
    done(fail(Code::kUnreachable, refusal_.empty() ? "nobody answered within the time limit" : refusal_));
    i = 0;
  }
}

void ClientCore::resend_requests(TimeNs now) {
  while (welcomed_ && !resends_.empty() && resends_.begin()->first <= now) {
    send_request(requests_.at(resends_.begin()->second), now);
  }
}

void ClientCore::post(wire::ClientMessage message, std::size_t bytes) {
  if (agent_ == 0) return;
  if (!outgoing_.empty() && (outgoing_bytes_ + bytes > kPacketBytesTarget || outgoing_.size() >= kPacketMessagesTarget)) {
    flush();
  }
  outgoing_.emplace_back(std::move(message));
  outgoing_bytes_ += bytes;
}

void ClientCore::flush() {
  if (outgoing_.empty()) return;
  wire::Packet packet;
  packet.incarnation = options_.client;
  packet.messages = std::move(outgoing_);
  outgoing_ = {};
  outgoing_bytes_ = 0;
  env_.network().send(agent_, std::move(packet));
}

void ClientCore::on_packet(PeerId from, wire::Packet packet) {
  if (stopped_ || from != agent_) return;
  // A beat that waits for its answer has it by any sign of life.
  waiting_since_ = 0;
  for (wire::Message& message : packet.messages) {
    if (from != agent_ || stopped_) return;  // a completion may have changed that
    auto* mine = std::get_if<wire::ClientMessage>(&message);
    if (mine == nullptr) continue;
    if (auto* welcome = std::get_if<wire::ClientWelcome>(mine)) {
      if (welcome->client == options_.client) on_welcome(packet, std::move(*welcome));
    } else if (auto* beat = std::get_if<wire::AgentBeat>(mine)) {
      if (beat->client == options_.client) on_agent_beat(packet.incarnation, *beat);
    } else if (auto* answer = std::get_if<wire::ClientAnswer>(mine)) {
      const bool same_life = packet.incarnation == 0 || packet.incarnation == agent_incarnation_;
      if (answer->client == options_.client && welcomed_ && same_life) on_answer(std::move(*answer));
    } else if (const auto* told = std::get_if<wire::OperationNumber>(mine)) {
      const bool same_life = packet.incarnation == 0 || packet.incarnation == agent_incarnation_;
      if (told->client == options_.client && welcomed_ && same_life) on_operation(*told);
    }
  }
}

void ClientCore::on_timer() {
  if (stopped_) return;
  const TimeNs now = env_.clock().now();
  // Who slept himself cannot say that the others were silent.
  if (waiting_since_ != 0 && now - last_turn_ > ms_to_ns(options_.timing.agent_silent_ms) / 2) waiting_since_ = now;
  watch_agent(now);
  resend_requests(now);
  expire_requests(now);
}

void ClientCore::end_turn() {
  last_turn_ = env_.clock().now();
  flush();
  if (!stopped_) schedule();
}

void ClientCore::schedule() {
  TimeNs next = next_beat_;
  if (waiting_since_ != 0) next = std::min(next, waiting_since_ + ms_to_ns(options_.timing.agent_silent_ms));
  if (welcomed_ && !resends_.empty()) next = std::min(next, resends_.begin()->first);
  if (!limits_.empty()) next = std::min(next, limits_.begin()->first);
  for (const auto& [deadline, done] : connects_) next = std::min(next, deadline);
  env_.wake_at(next);
}

void ClientCore::stop() {
  if (stopped_) return;
  post(wire::ClientGoodbye{.client = options_.client}, 0);
  flush();
  stopped_ = true;
  finish_connects(fail(Code::kClosed));
  while (!requests_.empty()) finish(requests_.begin()->first, fail(Code::kClosed));
  sections_.clear();
}

}  // namespace juxmem

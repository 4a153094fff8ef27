#include "apps/juxmem/status_call.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "juxmem/env/real_env.h"

namespace juxmem {
namespace {

constexpr std::int64_t kRepeatMs = 500;
constexpr TimeNs kNsPerMs = 1'000'000;

// Repeats the question until one of the providers answers.
class StatusCall final : public Handler {
 public:
  StatusCall(RealEnv& env, std::vector<PeerId> peers, bool gather) : env_(env), peers_(std::move(peers)) {
    request_.tag = env.random() | 1;
    request_.gather = gather;
  }

  void ask() {
    for (PeerId peer : peers_) env_.network().send(peer, wire::Packet{0, 0, 0, 0, {wire::GroupMessage(request_)}});
    env_.wake_at(env_.clock().now() + kRepeatMs * kNsPerMs);
  }

  void on_packet(PeerId, wire::Packet packet) override {
    for (wire::Message& message : packet.messages) {
      auto* group = std::get_if<wire::GroupMessage>(&message);
      auto* reply = group != nullptr ? std::get_if<wire::StatusReply>(group) : nullptr;
      if (reply != nullptr && reply->tag == request_.tag && !answer_) answer_ = std::move(*reply);
    }
  }
  void on_peer_event(PeerId, PeerEvent event) override {
    is_refused_ = is_refused_ || event == PeerEvent::kKeyRefused || event == PeerEvent::kNoHandshake;
  }
  void on_timer() override { ask(); }
  void end_turn() override {}

  std::optional<wire::StatusReply>& answer() { return answer_; }
  bool is_refused() const { return is_refused_; }

 private:
  RealEnv& env_;
  std::vector<PeerId> peers_;
  wire::StatusRequest request_;
  std::optional<wire::StatusReply> answer_;
  bool is_refused_ = false;
};

}  // namespace

std::vector<std::string> split_addresses(const std::string& uri) {
  std::vector<std::string> addresses;
  std::istringstream parts(uri);
  for (std::string part; std::getline(parts, part, ',');) {
    if (!part.empty()) addresses.push_back(part);
  }
  return addresses;
}

Result<wire::StatusReply> ask_status(const std::vector<std::string>& addresses, bool gather, std::int64_t limit_ms) {
  auto key = key_of_environment();
  if (!key) return std::unexpected(key.error());
  RealEnvOptions options;
  options.key = std::move(*key);
  auto env = RealEnv::create(options);
  if (!env) return std::unexpected(env.error());
  std::vector<PeerId> peers;
  for (const std::string& address : addresses) {
    const PeerId peer = (*env)->network().dial(address);
    if (peer == 0) return fail(Code::kInvalid, fmt::format("'{}' is not an address like tcp://HOST:PORT or ipc://PATH", address));
    peers.push_back(peer);
  }
  StatusCall call(**env, std::move(peers), gather);
  (*env)->attach(call);
  call.ask();
  const TimeNs deadline = (*env)->clock().now() + limit_ms * kNsPerMs;
  while (!call.answer() && (*env)->clock().now() < deadline) (*env)->run_once(deadline);
  if (!call.answer() && call.is_refused()) {
    const char* what = options.key == nullptr ? "it wants a key: set JUXMEM_KEY_FILE" : "the key of JUXMEM_KEY_FILE is not admitted there";
    return fail(Code::kKeyRefused, fmt::format("{}: {}", fmt::join(addresses, ", "), what));
  }
  if (!call.answer()) {
    return fail(Code::kUnreachable, fmt::format("no answer within {} ms from {}", limit_ms, fmt::join(addresses, ", ")));
  }
  wire::StatusReply reply = std::move(*call.answer());
  if (reply.code != Code::kOk) return fail(reply.code, "the provider answered with an error");
  return reply;
}

}  // namespace juxmem

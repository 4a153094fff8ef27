// One question to a grid and its answer, over connections of its own.
#pragma once

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/env/real_env.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: asks all of several providers again and again until one has answered for good.
// Thread safety: none. Invariants: the first answer with the question's tag that is not kTryAgain counts, at the limit any.
// Ownership: borrows the environment. Failure: is_refused() tells that somebody does not admit our key.
template <typename Request, typename Reply>
class GridCall final : public Handler {
 public:
  GridCall(RealEnv& env, std::vector<PeerId> peers, Request request)
      : env_(env), peers_(std::move(peers)), request_(std::move(request)) {
    request_.tag = env.random() | 1;
  }

  void ask() {
    for (PeerId peer : peers_) env_.network().send(peer, wire::Packet{0, 0, 0, 0, {wire::GroupMessage(request_)}});
    env_.wake_at(env_.clock().now() + kRepeatNs);
  }

  void on_packet(PeerId, wire::Packet packet) override {
    for (wire::Message& message : packet.messages) {
      auto* group = std::get_if<wire::GroupMessage>(&message);
      auto* reply = group != nullptr ? std::get_if<Reply>(group) : nullptr;
      if (reply == nullptr || reply->tag != request_.tag || answer_) continue;
      auto& place = reply->code == Code::kTryAgain && !takes_any() ? not_now_ : answer_;
      place = std::move(*reply);
    }
  }
  void on_peer_event(PeerId, PeerEvent event) override {
    is_refused_ = is_refused_ || event == PeerEvent::kKeyRefused || event == PeerEvent::kNoHandshake;
  }
  void on_timer() override { ask(); }
  void end_turn() override {}

  std::optional<Reply>& answer() { return answer_; }
  std::optional<Reply>& not_now() { return not_now_; }
  bool is_refused() const { return is_refused_; }

 private:
  static constexpr TimeNs kRepeatNs = 500'000'000;
  // One provider's own status: that it has not joined is an answer, too.
  bool takes_any() const {
    if constexpr (std::is_same_v<Request, wire::StatusRequest>) return !request_.gather;
    return false;
  }

  RealEnv& env_;
  std::vector<PeerId> peers_;
  Request request_;
  std::optional<Reply> answer_;
  std::optional<Reply> not_now_;
  bool is_refused_ = false;
};

// Connects to the providers at `addresses`, with the key of the environment if there is one, and asks them. Blocks at most limit_ms. Errors:
// kInvalid (an address), kKeyRefused, kUnreachable (nobody answered), those of the key.
template <typename Reply, typename Request>
Result<Reply> ask_grid(const std::vector<std::string>& addresses, Request request, std::int64_t limit_ms) {
  auto key = key_of_environment();
  if (!key) return std::unexpected(key.error());
  RealEnvOptions options;
  options.key = std::move(*key);
  auto env = RealEnv::create(options);
  if (!env) return std::unexpected(env.error());
  std::vector<PeerId> peers;
  for (const std::string& address : addresses) {
    const PeerId peer = (*env)->network().dial(address);
    if (peer == 0)
      return fail(Code::kInvalid, fmt::format("'{}' is not an address like tcp://HOST:PORT or ipc://PATH", address));
    peers.push_back(peer);
  }
  GridCall<Request, Reply> call(**env, std::move(peers), std::move(request));
  (*env)->attach(call);
  call.ask();
  const TimeNs deadline = (*env)->clock().now() + limit_ms * 1'000'000;
  while (!call.answer() && (*env)->clock().now() < deadline) (*env)->run_once(deadline);
  if (call.answer()) return std::move(*call.answer());
  if (call.not_now()) return std::move(*call.not_now());
  if (call.is_refused()) {
    const char* what =
        options.key == nullptr ? "it wants a key: set JUXMEM_KEY_FILE" : "the key of JUXMEM_KEY_FILE is not admitted there";
    return fail(Code::kKeyRefused, fmt::format("{}: {}", fmt::join(addresses, ", "), what));
  }
  return fail(Code::kUnreachable, fmt::format("no answer within {} ms from {}", limit_ms, fmt::join(addresses, ", ")));
}

}  // namespace juxmem

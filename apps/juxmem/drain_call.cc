#include "apps/juxmem/drain_call.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "juxmem/env/real_env.h"

namespace juxmem {
namespace {

constexpr std::int64_t kRepeatMs = 500;
constexpr TimeNs kNsPerMs = 1'000'000;

// Repeats the wish until the root's coordinator has answered; managers that do not lead redirect, which needs no answer here, since
// all are asked.
class DrainCall final : public Handler {
 public:
  DrainCall(RealEnv& env, std::vector<PeerId> peers, wire::DrainRequest request)
      : env_(env), peers_(std::move(peers)), request_(std::move(request)) {
    request_.tag = env.random() | 1;
  }

  void ask() {
    for (PeerId peer : peers_) env_.network().send(peer, wire::Packet{0, 0, 0, 0, {wire::GroupMessage(request_)}});
    env_.wake_at(env_.clock().now() + kRepeatMs * kNsPerMs);
  }

  void on_packet(PeerId, wire::Packet packet) override {
    for (wire::Message& message : packet.messages) {
      auto* group = std::get_if<wire::GroupMessage>(&message);
      auto* reply = group != nullptr ? std::get_if<wire::DrainReply>(group) : nullptr;
      const bool is_final = reply != nullptr && reply->tag == request_.tag && reply->code != Code::kTryAgain;
      if (is_final && !answer_) answer_ = std::move(*reply);
    }
  }
  void on_timer() override { ask(); }
  void end_turn() override {}

  const std::optional<wire::DrainReply>& answer() const { return answer_; }

 private:
  RealEnv& env_;
  std::vector<PeerId> peers_;
  wire::DrainRequest request_;
  std::optional<wire::DrainReply> answer_;
};

}  // namespace

Status ask_drain(const std::vector<std::string>& addresses, const std::string& provider, bool cancel, std::int64_t limit_ms) {
  auto env = RealEnv::create({});
  if (!env) return std::unexpected(env.error());
  std::vector<PeerId> peers;
  for (const std::string& address : addresses) {
    const PeerId peer = (*env)->network().dial(address);
    if (peer == 0) return fail(Code::kInvalid, fmt::format("'{}' is not an address like tcp://HOST:PORT or ipc://PATH", address));
    peers.push_back(peer);
  }
  DrainCall call(**env, std::move(peers), wire::DrainRequest{.tag = 0, .provider = provider, .cancel = cancel});
  (*env)->attach(call);
  call.ask();
  const TimeNs deadline = (*env)->clock().now() + limit_ms * kNsPerMs;
  while (!call.answer() && (*env)->clock().now() < deadline) (*env)->run_once(deadline);
  if (!call.answer()) {
    return fail(Code::kUnreachable, fmt::format("no answer within {} ms from the managers at {}", limit_ms, fmt::join(addresses, ", ")));
  }
  if (call.answer()->code != Code::kOk) return fail(call.answer()->code, call.answer()->detail);
  return {};
}

std::optional<std::size_t> groups_on(const wire::CatalogSnapshot& catalog, const std::string& provider) {
  const wire::CatalogProvider* found = nullptr;
  for (const wire::CatalogProvider& row : catalog.providers) {
    if (row.name == provider && (found == nullptr || row.incarnation > found->incarnation)) found = &row;
  }
  if (found == nullptr) return std::nullopt;
  return static_cast<std::size_t>(std::ranges::count_if(catalog.groups, [&](const wire::CatalogGroup& group) {
    return std::ranges::find(group.members, found->node) != group.members.end();
  }));
}

}  // namespace juxmem

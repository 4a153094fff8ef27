// An agent without a provider, for tests that speak to replicas directly.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "juxmem/wire/codec.h"
#include "tests/unit/provider/provider_grid.h"

namespace juxmem {

// Speaks to replicas as an agent elsewhere does, one message at a time.
class FarAgent {
 public:
  FarAgent(ProviderGrid& grid, NodeId node) : grid_(grid), node_(node), listener_(grid.add_listener(index_)) {}

  void send(std::size_t provider, wire::GroupMessage message) {
    wire::Packet packet;
    packet.from = node_;
    packet.incarnation = 7000 + node_;
    packet.messages.push_back(std::move(message));
    grid_.send_from(index_, provider, std::move(packet));
  }

  // Waits for an answer of this kind, renewing the session that renew_with() named. A fresh nullopt: none came in time.
  template <typename T>
  std::optional<T> receive(const std::function<bool(const T&)>& wanted = nullptr, std::int64_t limit_ms = 5000) {
    std::optional<T> found;
    for (std::int64_t waited = 0; waited < limit_ms && !found; waited += 100) {
      grid_.run_until([&] { return (found = listener_.take<T>(wanted)).has_value(); }, 100);
      if (!found) renew();
    }
    return found;
  }

  std::uint64_t propose(std::size_t provider, GroupId group, const OpId& op, wire::Action action, Buffer data = {}) {
    wire::Propose request;
    request.group = group;
    request.tag = ++tag_;
    request.command = wire::encode_command({op, std::move(action)});
    request.data = std::move(data);
    send(provider, std::move(request));
    return tag_;
  }

  // Proposes and waits for the reply.
  std::optional<wire::Executed> execute(std::size_t provider, GroupId group, const OpId& op, wire::Action action,
                                        Buffer data = {}) {
    const std::uint64_t tag = propose(provider, group, op, std::move(action), std::move(data));
    return receive<wire::Executed>([tag](const wire::Executed& executed) { return executed.tag == tag; });
  }

  SessionId open(std::size_t provider, GroupId group) {
    const auto opened = execute(provider, group, {}, wire::OpenSession{node_, 7000 + node_});
    return opened ? opened->reply.session : 0;
  }

  // From now on the session is kept alive whenever this agent waits.
  void renew_with(std::size_t provider, GroupId group, SessionId session) {
    renew_provider_ = provider;
    renewal_.group = group;
    renewal_.session = session;
  }
  void stop_renewing() { renewal_.session = 0; }
  void renew() {
    if (renewal_.session != 0) send(renew_provider_, renewal_);
  }

  Listener& listener() { return listener_; }
  NodeId node() const { return node_; }

 private:
  ProviderGrid& grid_;
  NodeId node_;
  std::size_t index_ = 0;
  Listener& listener_;
  std::uint64_t tag_ = 0;
  std::size_t renew_provider_ = 0;
  wire::RenewSession renewal_;
};

}  // namespace juxmem

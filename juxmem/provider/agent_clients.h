// AgentClients: who the clients of this agent are, and which of their requests are under way or answered.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/provider/agent_context.h"
#include "juxmem/provider/agent_limits.h"

namespace juxmem {

// What the registry tells of its clients.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  // A request to be executed.
  virtual void on_request(const RequestCall& call, wire::ClientRequestBody body) = 0;
  // The client has the answer to this request, or will never ask for it.
  virtual void on_confirmed(const RequestKey& key) = 0;
  virtual void on_client_gone(std::uint64_t client) = 0;
};

struct ClientCounts {
  std::uint64_t expired = 0;
  std::uint64_t repeated = 0;  // requests that came again
  std::uint64_t refused = 0;   // beyond a limit
};

// What for: leases of clients, and that each request is executed once and answered as often as it is asked.
// Thread safety: none; the agent's event loop.
// Invariants: users_ is the sum of its clients; a request that is known is not executed again; an answer is kept until confirmed, without its bulk data.
// Ownership: owned by the agent; borrows host, timing and events.
// Failure: a client beyond the limits is refused (kLimit); one that is silent for its lease is forgotten.
class AgentClients : public AnswerSink {
 public:
  AgentClients(AgentHost& host, const Timing& timing, const AgentLimits& limits, ClientEvents& events)
      : host_(host), timing_(timing), limits_(limits), events_(events) {}

  void on_hello(PeerId from, const wire::ClientHello& hello);
  void on_beat(PeerId from, const wire::ClientBeat& beat);
  void on_goodbye(const wire::ClientGoodbye& goodbye);
  void on_request(PeerId from, wire::ClientRequest request);
  // Whether the client of a beat or request is known; tells it if it is not.
  bool greet_back(PeerId from, std::uint64_t client);

  // Forgets those whose lease has run out. When this process itself stood still, nobody is blamed for his silence.
  void expire_silent();
  void forget_all();
  // The client does not wait for this request; if it has not come yet, it will not be executed.
  void cancelled(const RequestKey& key);

  void answer(const RequestKey& key, wire::ClientAnswer answer, Keep keep) override;
  bool is_alive(std::uint64_t client) const override { return clients_.contains(client); }

  bool expects(const RequestKey& key) const override;
  void tell_operation(const RequestKey& key, const OpId& op) override;

  std::size_t size() const { return clients_.size(); }
  std::size_t under_way(std::uint64_t client) const;
  const ClientCounts& counts() const { return counts_; }

 private:
  struct Request {
    std::uint64_t bytes = 0;                   // of changes, while under way
    std::optional<wire::ClientAnswer> answer;  // set when answered
  };
  struct Client {
    PeerId peer = 0;
    std::string user;  // empty: counted for nobody
    std::string program;
    TimeNs heard = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t first_seen = 0;  // the first request that came here
    std::uint64_t bytes = 0;
    std::map<std::uint64_t, Request> requests;
  };

  // All clients of one admitted key.
  struct User {
    std::uint32_t clients = 0;
    std::uint64_t bytes = 0;
  };

  Status admits(const std::string& user) const;
  // Which limit these further changes exceed; empty: none.
  std::string excess(const Client& client, std::uint64_t bytes) const;
  void count_bytes(Client& client, std::int64_t bytes);
  void welcome(PeerId to, std::uint64_t client, Code code, std::string detail);
  void confirm_until(std::uint64_t uid, Client& client, std::uint64_t confirmed);
  void confirm(std::uint64_t uid, Client& client, std::map<std::uint64_t, Request>::iterator request);
  void forget(std::uint64_t uid);
  void send(const Client& client, wire::ClientMessage message) { host_.reply(client.peer, std::move(message)); }

  AgentHost& host_;
  const Timing& timing_;
  const AgentLimits limits_;
  ClientEvents& events_;
  std::map<std::uint64_t, Client> clients_;
  std::map<std::string, User> users_;  // of those clients that have one
  TimeNs last_check_ = 0;
  ClientCounts counts_;
};

}  // namespace juxmem

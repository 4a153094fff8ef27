#include "juxmem/provider/agent_clients.h"

#include <algorithm>
#include <utility>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// Data of an answer up to this size are kept with it.
constexpr std::uint64_t kKeptBytesMax = 1024;

std::uint64_t bytes_of(const wire::ClientRequestBody& body) {
  std::uint64_t bytes = 0;
  if (const auto* release = std::get_if<wire::ReleaseRequest>(&body)) {
    for (const Buffer& data : release->data) bytes += data.size();
  } else if (const auto* write = std::get_if<wire::WriteRequest>(&body)) {
    bytes = write->data.size();
  }
  return bytes;
}

std::uint64_t bytes_of(const wire::ClientAnswer& answer) {
  std::uint64_t bytes = 0;
  for (const Buffer& data : answer.data) bytes += data.size();
  return bytes;
}

}  // namespace

void AgentClients::on_hello(PeerId from, const wire::ClientHello& hello) {
  if (hello.client == 0) return;
  if (host_.self() == 0 || host_.catalog().version() == 0) {
    return welcome(from, hello.client, Code::kTryAgain, "this provider has not joined its grid yet");
  }
  if (!clients_.contains(hello.client)) {
    const std::string user = host_.user_of(from);
    if (Status ok = admits(user); !ok) {
      ++counts_.refused;
      return welcome(from, hello.client, ok.error().code, ok.error().detail);
    }
    clients_[hello.client].user = user;
    if (!user.empty()) ++users_[user].clients;
  }
  Client& client = clients_.at(hello.client);
  client.peer = from;
  client.program = hello.program;
  client.heard = host_.now();
  welcome(from, hello.client, Code::kOk, {});
}

Status AgentClients::admits(const std::string& user) const {
  if (clients_.size() >= limits_.clients_max) return fail(Code::kLimit, "this provider serves as many clients as it may");
  const auto found = users_.find(user);
  if (found == users_.end() || found->second.clients < limits_.user_clients_max) return {};
  return fail(Code::kLimit, "this provider serves as many clients of one key as it may");
}

std::string AgentClients::excess(const Client& client, std::uint64_t bytes) const {
  if (client.requests.size() >= limits_.client_requests_max || client.bytes + bytes > limits_.client_bytes_max) {
    return "too many requests of one client at once";
  }
  const auto user = users_.find(client.user);
  if (user == users_.end() || user->second.bytes + bytes <= limits_.user_bytes_max) return {};
  return "too many changes of one key's clients at once";
}

void AgentClients::count_bytes(Client& client, std::int64_t bytes) {
  client.bytes += static_cast<std::uint64_t>(bytes);
  if (const auto user = users_.find(client.user); user != users_.end())
    user->second.bytes += static_cast<std::uint64_t>(bytes);
}

void AgentClients::welcome(PeerId to, std::uint64_t client, Code code, std::string detail) {
  wire::ClientWelcome welcome;
  welcome.client = client;
  welcome.code = code;
  welcome.detail = std::move(detail);
  welcome.agent = host_.self();
  welcome.incarnation = host_.incarnation();
  welcome.client_lease_ms = timing_.client_lease_ms;
  for (const wire::CatalogProvider& row : host_.catalog().providers()) {
    if (row.node == host_.self()) welcome.site = row.site;
    welcome.providers.push_back(
        wire::ProviderAddress{.node = row.node, .site = row.site, .address = row.address, .up = row.up});
  }
  host_.reply(to, wire::ClientMessage(std::move(welcome)));
}

bool AgentClients::greet_back(PeerId from, std::uint64_t client) {
  const auto it = clients_.find(client);
  if (it == clients_.end()) {
    host_.reply(from, wire::ClientMessage(wire::AgentBeat{.client = client, .known = false}));
    return false;
  }
  it->second.peer = from;
  it->second.heard = host_.now();
  return true;
}

void AgentClients::on_beat(PeerId from, const wire::ClientBeat& beat) {
  if (!greet_back(from, beat.client)) return;
  Client& client = clients_.at(beat.client);
  confirm_until(beat.client, client, beat.confirmed);
  for (auto it = client.requests.begin(); it != client.requests.end() && it->first <= beat.last;) {
    const auto request = it++;
    if (request->second.answer && !std::ranges::binary_search(beat.open, request->first)) {
      confirm(beat.client, client, request);
    }
  }
  host_.reply(from, wire::ClientMessage(wire::AgentBeat{.client = beat.client, .known = true}));
}

void AgentClients::on_goodbye(const wire::ClientGoodbye& goodbye) { forget(goodbye.client); }

void AgentClients::on_request(PeerId from, wire::ClientRequest request) {
  if (!greet_back(from, request.client)) return;
  Client& client = clients_.at(request.client);
  confirm_until(request.client, client, request.confirmed);
  if (request.request == 0 || request.request <= client.confirmed) return;  // a late copy
  if (client.first_seen == 0) client.first_seen = request.request;
  const RequestKey key{.client = request.client, .request = request.request};
  if (const auto known = client.requests.find(request.request); known != client.requests.end()) {
    ++counts_.repeated;
    if (known->second.answer) send(client, *known->second.answer);
    return;
  }
  const std::uint64_t bytes = bytes_of(request.body);
  if (std::string detail = excess(client, bytes); !detail.empty()) {
    ++counts_.refused;
    wire::ClientAnswer refusal;
    refusal.client = key.client;
    refusal.request = key.request;
    refusal.code = Code::kLimit;
    refusal.detail = std::move(detail);
    return send(client, std::move(refusal));
  }
  client.requests.emplace(request.request, Request{.bytes = bytes, .answer = std::nullopt});
  count_bytes(client, static_cast<std::int64_t>(bytes));
  const std::int64_t limit_ms = std::min(request.limit_ms, wire::kTimeoutMsMax);
  const RequestCall call{.key = key, .limit = after_ms(host_.now(), limit_ms), .moved = client.first_seen > 1};
  events_.on_request(call, std::move(request.body));
}

void AgentClients::answer(const RequestKey& key, wire::ClientAnswer answer, Keep keep) {
  const auto it = clients_.find(key.client);
  if (it == clients_.end()) return;
  Client& client = it->second;
  const auto request = client.requests.find(key.request);
  if (request == client.requests.end() || request->second.answer) return;
  answer.client = key.client;
  answer.request = key.request;
  count_bytes(client, -static_cast<std::int64_t>(std::exchange(request->second.bytes, 0)));
  if (keep == Keep::kSilent || keep == Keep::kNothing) {
    client.requests.erase(request);
    if (keep == Keep::kNothing) send(client, std::move(answer));
    return;
  }
  wire::ClientAnswer kept = answer;
  if (bytes_of(kept) > kKeptBytesMax) {
    kept.ranges.clear();
    kept.data.clear();
    kept.covered_bytes = 0;
  }
  request->second.answer = std::move(kept);
  send(client, std::move(answer));
}

void AgentClients::cancelled(const RequestKey& key) {
  const auto it = clients_.find(key.client);
  if (it == clients_.end() || key.request <= it->second.confirmed || it->second.requests.contains(key.request)) return;
  if (it->second.requests.size() >= limits_.client_requests_max) return;
  wire::ClientAnswer answer;
  answer.client = key.client;
  answer.request = key.request;
  answer.code = Code::kTimedOut;
  it->second.requests.emplace(key.request, Request{.bytes = 0, .answer = std::move(answer)});
}

void AgentClients::confirm_until(std::uint64_t uid, Client& client, std::uint64_t confirmed) {
  client.confirmed = std::max(client.confirmed, confirmed);
  while (!client.requests.empty() && client.requests.begin()->first <= client.confirmed) {
    confirm(uid, client, client.requests.begin());
  }
}

void AgentClients::confirm(std::uint64_t uid, Client& client, std::map<std::uint64_t, Request>::iterator request) {
  const RequestKey key{.client = uid, .request = request->first};
  count_bytes(client, -static_cast<std::int64_t>(request->second.bytes));
  client.requests.erase(request);
  events_.on_confirmed(key);
}

void AgentClients::tell_operation(const RequestKey& key, const OpId& op) {
  const auto client = clients_.find(key.client);
  if (client == clients_.end()) return;
  host_.reply(client->second.peer,
              wire::ClientMessage(wire::OperationNumber{.client = key.client, .request = key.request, .op = op}));
}

bool AgentClients::expects(const RequestKey& key) const {
  const auto client = clients_.find(key.client);
  if (client == clients_.end()) return false;
  const auto request = client->second.requests.find(key.request);
  return request != client->second.requests.end() && !request->second.answer;
}

std::size_t AgentClients::under_way(std::uint64_t client) const {
  const auto it = clients_.find(client);
  return it == clients_.end() ? 0 : it->second.requests.size();
}

void AgentClients::forget(std::uint64_t uid) {
  const auto it = clients_.find(uid);
  if (it == clients_.end()) return;
  if (const auto user = users_.find(it->second.user); user != users_.end()) {
    user->second.bytes -= it->second.bytes;
    if (--user->second.clients == 0) users_.erase(user);
  }
  clients_.erase(it);
  events_.on_client_gone(uid);
}

void AgentClients::forget_all() {
  while (!clients_.empty()) forget(clients_.begin()->first);
}

void AgentClients::expire_silent() {
  const TimeNs now = host_.now();
  const TimeNs lease_ns = ms_to_ns(timing_.client_lease_ms);
  const bool stood_still = last_check_ != 0 && now - last_check_ > lease_ns / 2;
  last_check_ = now;
  std::vector<std::uint64_t> silent;
  for (auto& [uid, client] : clients_) {
    if (stood_still) client.heard = now;
    if (now - client.heard > lease_ns) silent.push_back(uid);
  }
  for (const std::uint64_t uid : silent) {
    ++counts_.expired;
    forget(uid);
  }
}

}  // namespace juxmem

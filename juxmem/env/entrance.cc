#include "juxmem/env/entrance.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "juxmem/env/socket_options.h"

namespace juxmem {
namespace {

constexpr std::size_t kVisitorsMax = 65536;

// What ZeroMQ knows about the connection.
std::string fact_of(const zmq::message_t& message, const char* what) {
  const char* fact = zmq_msg_gets(message.handle(), what);
  return fact != nullptr ? fact : "";
}

// Of a connection; AF_UNSPEC if it has ended.
int family_of(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 ? own.ss_family : AF_UNSPEC;
}

}  // namespace

Result<std::unique_ptr<Entrance>> Entrance::bind(zmq::context_t& context, const RealEnvOptions& options,
                                                 const KeyGuard* guard) {
  std::string address;
  try {
    zmq::socket_t socket(context, zmq::socket_type::router);
    set_common_options(socket, options);
    // Tells us when a visitor is gone instead of dropping silently.
    socket.set(zmq::sockopt::router_mandatory, true);
    std::vector<std::string> bound(options.listen.size());
    const auto bind_all = [&](bool tcp) {
      for (std::size_t i = 0; i < bound.size(); ++i) {
        if (options.listen[i].starts_with("tcp://") != tcp) continue;
        address = options.listen[i];
        set_address_family(socket, address);
        set_lock(socket, address, options);
        socket.bind(address);
        bound[i] = socket.get(zmq::sockopt::last_endpoint);
      }
    };
    bind_all(false);
    bind_all(true);
    std::unique_ptr<Entrance> entrance(new Entrance(std::move(socket), options, guard));
    entrance->addresses_ = std::move(bound);
    return entrance;
  } catch (const zmq::error_t& error) {
    const bool malformed = error.num() == EINVAL || error.num() == EPROTONOSUPPORT;
    return fail(malformed ? Code::kInvalid : Code::kIo, fmt::format("cannot listen at {}: {}", address, error.what()));
  }
}

Entrance::Entrance(zmq::socket_t socket, const RealEnvOptions& options, const KeyGuard* guard)
    : socket_(std::move(socket)), fd_(socket_.get(zmq::sockopt::fd)), options_(options), guard_(guard) {}

Entrance::Visitor* Entrance::receive(std::vector<Buffer>& parts, TimeNs now, PeerId& next_id) {
  put_out_the_revoked();
  for (;;) {
    zmq::message_t routing_id;
    if (zmq_msg_recv(routing_id.handle(), socket_.handle(), ZMQ_DONTWAIT) < 0) return nullptr;
    Visitor* visitor = visitor_of(routing_id, now, next_id);
    if (!routing_id.more() || !receive_parts(socket_, parts)) parts.clear();
    if (visitor != nullptr) return visitor;
    parts.clear();
  }
}

// Nullptr: it had been put out before this was read.
Entrance::Visitor* Entrance::visitor_of(const zmq::message_t& routing_id, TimeNs now, PeerId& next_id) {
  std::string key = routing_id.to_string();
  if (const auto found = by_routing_id_.find(key); found != by_routing_id_.end()) {
    Visitor& known = by_id_.at(found->second);
    known.last_heard = now;
    return &known;
  }
  if (by_id_.size() >= kVisitorsMax) forget_silent_half();
  Visitor visitor{.routing_id = key, .from = fact_of(routing_id, "Peer-Address")};
  if (visitor.from.empty()) visitor.from = "a local process";
  if (guard_ != nullptr) {
    visitor.fd = zmq_msg_get(routing_id.handle(), ZMQ_SRCFD);
    const int family = family_of(visitor.fd);
    // ZeroMQ writes a local process as "localhost:user:group:number", others as numbers.
    const std::string from = fact_of(routing_id, "Peer-Address");
    const bool is_local = family == AF_UNIX && (from.empty() || from.starts_with("localhost:"));
    // About local visitors no guard was asked: they may call themselves what they like, and are clients.
    if (!is_local) visitor.user = fact_of(routing_id, "User-Id");
    visitor.is_client = visitor.user != KeyGuard::kGridUser;
    const bool is_guarded = family == AF_INET || family == AF_INET6;
    if (!is_local && !(is_guarded && guard_->admits(visitor.user))) return nullptr;
  }
  visitor.last_heard = now;
  const PeerId id = visitor.id = next_id++;
  by_routing_id_.emplace(std::move(key), id);
  return &by_id_.emplace(id, std::move(visitor)).first->second;
}

void Entrance::put_out_the_revoked() {
  if (guard_ == nullptr || guard_->revocations() == revocations_) return;
  revocations_ = guard_->revocations();
  std::vector<PeerId> revoked;
  for (const auto& [id, visitor] : by_id_) {
    if (!visitor.user.empty() && !guard_->admits(visitor.user)) revoked.push_back(id);
  }
  for (const PeerId id : revoked) {
    // ZeroMQ cannot end a single connection. Should the descriptor belong to another one by now, that one connects again.
    ::shutdown(by_id_.at(id).fd, SHUT_RDWR);
    forget(id);
  }
}

std::string Entrance::user_of(PeerId peer) const {
  const auto found = by_id_.find(peer);
  if (found == by_id_.end() || found->second.user == KeyGuard::kGridUser) return {};
  return found->second.user;
}

bool Entrance::send(PeerId to, const std::vector<Buffer>& parts) {
  put_out_the_revoked();
  const auto found = by_id_.find(to);
  if (found == by_id_.end()) return false;
  const Visitor& visitor = found->second;
  if (visitor.outbox->bytes() + outbox_bytes(parts) > options_.peer_bytes_max) return false;
  zmq::message_t routing_id(visitor.routing_id.data(), visitor.routing_id.size());
  if (zmq_msg_send(routing_id.handle(), socket_.handle(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
    if (errno == EHOSTUNREACH) forget(to);
    return false;
  }
  send_parts(socket_, parts, visitor.outbox);
  return true;
}

void Entrance::forget(PeerId peer) {
  const auto found = by_id_.find(peer);
  by_routing_id_.erase(found->second.routing_id);
  by_id_.erase(found);
}

void Entrance::forget_silent_half() {
  std::vector<std::pair<TimeNs, PeerId>> heard;
  heard.reserve(by_id_.size());
  for (const auto& [id, visitor] : by_id_) heard.emplace_back(visitor.last_heard, id);
  std::sort(heard.begin(), heard.end());
  for (std::size_t i = 0; i < heard.size() / 2; ++i) forget(heard[i].second);
}

}  // namespace juxmem

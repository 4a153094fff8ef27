#include "juxmem/env/entrance.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "juxmem/env/socket_options.h"

namespace juxmem {
namespace {

constexpr std::size_t kVisitorsMax = 65536;

std::string sender_of(const zmq::message_t& message) {
  const char* address = zmq_msg_gets(message.handle(), "Peer-Address");
  return address != nullptr && *address != 0 ? address : "a local process";
}

}  // namespace

Result<std::unique_ptr<Entrance>> Entrance::bind(zmq::context_t& context, const RealEnvOptions& options) {
  std::string address;
  try {
    zmq::socket_t socket(context, zmq::socket_type::router);
    set_common_options(socket, options);
    // Tells us when a visitor is gone instead of dropping silently.
    socket.set(zmq::sockopt::router_mandatory, true);
    std::vector<std::string> bound;
    for (const std::string& wanted : options.listen) {
      address = wanted;
      set_address_family(socket, wanted);
      socket.bind(wanted);
      bound.push_back(socket.get(zmq::sockopt::last_endpoint));
    }
    std::unique_ptr<Entrance> entrance(new Entrance(std::move(socket), options));
    entrance->addresses_ = std::move(bound);
    return entrance;
  } catch (const zmq::error_t& error) {
    const bool malformed = error.num() == EINVAL || error.num() == EPROTONOSUPPORT;
    return fail(malformed ? Code::kInvalid : Code::kIo,
                fmt::format("cannot listen at {}: {}", address, error.what()));
  }
}

Entrance::Entrance(zmq::socket_t socket, const RealEnvOptions& options)
    : socket_(std::move(socket)), fd_(socket_.get(zmq::sockopt::fd)), options_(options) {}

Entrance::Visitor* Entrance::receive(std::vector<Buffer>& parts, TimeNs now, PeerId& next_id) {
  zmq::message_t routing_id;
  if (zmq_msg_recv(routing_id.handle(), socket_.handle(), ZMQ_DONTWAIT) < 0) return nullptr;
  Visitor& visitor = visitor_of(routing_id, now, next_id);
  if (!routing_id.more() || !receive_parts(socket_, parts)) parts.clear();
  return &visitor;
}

Entrance::Visitor& Entrance::visitor_of(const zmq::message_t& routing_id, TimeNs now, PeerId& next_id) {
  std::string key = routing_id.to_string();
  if (const auto found = by_routing_id_.find(key); found != by_routing_id_.end()) {
    Visitor& known = by_id_.at(found->second);
    known.last_heard = now;
    return known;
  }
  if (by_id_.size() >= kVisitorsMax) forget_silent_half();
  const PeerId id = next_id++;
  by_routing_id_.emplace(key, id);
  Visitor visitor{.id = id, .routing_id = std::move(key), .from = sender_of(routing_id)};
  visitor.last_heard = now;
  return by_id_.emplace(id, std::move(visitor)).first->second;
}

bool Entrance::send(PeerId to, const std::vector<Buffer>& parts) {
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

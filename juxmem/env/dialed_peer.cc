#include "juxmem/env/dialed_peer.h"

#include <utility>

#include "juxmem/base/timing.h"
#include "juxmem/env/socket_options.h"

namespace juxmem {
namespace {

constexpr std::int64_t kAfterRefusalMs = 500;

}  // namespace

std::unique_ptr<DialedPeer> DialedPeer::connect(zmq::context_t& context, PeerId id, const std::string& address,
                                                const RealEnvOptions& options) {
  try {
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    set_common_options(socket, options);
    socket.set(zmq::sockopt::immediate, true);
    socket.set(zmq::sockopt::reconnect_ivl, options.reconnect_ms);
    socket.set(zmq::sockopt::reconnect_ivl_max, options.reconnect_ms_max);
    set_address_family(socket, address);
    set_key(socket, address, options);
    std::unique_ptr<DialedPeer> peer(new DialedPeer(context, std::move(socket), id, address, options));
    peer->socket_.connect(address);
    return peer;
  } catch (const zmq::error_t&) {
    return nullptr;
  }
}

DialedPeer::DialedPeer(zmq::context_t& context, zmq::socket_t socket, PeerId id, std::string address,
                       const RealEnvOptions& options)
    : socket_(std::move(socket)),
      monitor_(context, socket_, "peer-" + std::to_string(id)),
      fd_(socket_.get(zmq::sockopt::fd)),
      id_(id),
      address_(std::move(address)),
      options_(options) {}

// Whom the other side refuses, ZeroMQ does not connect again: but keys come and go.
void DialedPeer::connect_again_in_time(TimeNs now) {
  if (monitor_.take_given_up()) connect_again_at_ = now + ms_to_ns(kAfterRefusalMs);
  if (connect_again_at_ == 0 || now < connect_again_at_) return;
  connect_again_at_ = 0;
  try {
    socket_.disconnect(address_);
  } catch (const zmq::error_t&) {
    // It was disconnected already.
  }
  try {
    socket_.connect(address_);
  } catch (const zmq::error_t&) {
    connect_again_at_ = now + ms_to_ns(kAfterRefusalMs);
  }
}

bool DialedPeer::send(std::vector<Buffer> parts, TimeNs now) {
  connect_again_in_time(now);
  const std::size_t bytes = outbox_bytes(parts);
  send_waiting(now);
  if (waiting_.empty()) {
    if (outbox_->bytes() + bytes > options_.peer_bytes_max) return false;
    if (send_parts(socket_, parts, outbox_)) {
      was_connected_ = true;
      return true;
    }
  }
  if (was_connected_ || waiting_bytes_ + bytes > options_.waiting_bytes_max) return false;
  waiting_bytes_ += bytes;
  waiting_.push_back({std::move(parts), bytes, now + ms_to_ns(options_.waiting_ms_max)});
  return true;
}

void DialedPeer::send_waiting(TimeNs now) {
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    const bool sent = now < next.expires && send_parts(socket_, next.parts, outbox_);
    if (sent) {
      was_connected_ = true;
    } else if (now < next.expires) {
      return;
    } else {
      ++lost_;
    }
    waiting_bytes_ -= next.bytes;
    waiting_.pop_front();
  }
}

bool DialedPeer::receive(std::vector<Buffer>& parts, TimeNs now) {
  const bool received = receive_parts(socket_, parts);
  if (!waiting_.empty()) send_waiting(now);
  return received;
}

std::uint64_t DialedPeer::take_lost() { return std::exchange(lost_, 0); }

}  // namespace juxmem

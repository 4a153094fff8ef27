#include "juxmem/env/connection_monitor.h"

#include <cstring>

namespace juxmem {
namespace {

constexpr int kWatched = ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                         ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
// So many attempts to connect that fail in a row mean that nobody listens there. One may fail because many came at once.
constexpr int kFailedReconnects = 2;
// Who was never there may just be starting.
constexpr int kFailedFirstConnects = 4;
constexpr int kFailedHandshakes = 2;

}  // namespace

ConnectionMonitor::ConnectionMonitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name)
    : watched_(watched.handle()) {
  const std::string address = "inproc://" + name;
  if (zmq_socket_monitor(watched.handle(), address.c_str(), kWatched) != 0) return;
  try {
    events_ = zmq::socket_t(context, zmq::socket_type::pair);
    events_.set(zmq::sockopt::linger, 0);
    // ZeroMQ's own thread writes the events and must never wait for a reader: a program may not drive its loop for long.
    events_.set(zmq::sockopt::rcvhwm, 0);
    events_.connect(address);
    fd_ = events_.get(zmq::sockopt::fd);
  } catch (const zmq::error_t&) {
    zmq_socket_monitor(watched_, nullptr, 0);
    fd_ = -1;
  }
}

// First ZeroMQ stops writing, then nobody reads any more.
ConnectionMonitor::~ConnectionMonitor() { zmq_socket_monitor(watched_, nullptr, 0); }

std::optional<PeerEvent> ConnectionMonitor::next() {
  if (fd_ < 0) return std::nullopt;
  for (;;) {
    zmq::message_t head;
    if (zmq_msg_recv(head.handle(), events_.handle(), ZMQ_DONTWAIT) < 0) return std::nullopt;
    std::uint16_t event = 0;
    if (head.size() >= sizeof(event)) std::memcpy(&event, head.data(), sizeof(event));
    for (bool more = head.more(); more;) {
      zmq::message_t rest;
      if (zmq_msg_recv(rest.handle(), events_.handle(), ZMQ_DONTWAIT) < 0) break;
      more = rest.more();
    }
    if (const std::optional<PeerEvent> told = on_event(event)) return told;
  }
}

std::optional<PeerEvent> ConnectionMonitor::on_event(std::uint16_t event) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: {
      const bool again = was_connected_;
      was_connected_ = true;
      failed_connects_ = 0;
      failed_handshakes_ = 0;
      return again ? std::optional(PeerEvent::kReconnected) : std::nullopt;
    }
    case ZMQ_EVENT_CLOSED:
      if (++failed_connects_ != (was_connected_ ? kFailedReconnects : kFailedFirstConnects)) return std::nullopt;
      return PeerEvent::kGone;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      given_up_ = true;
      return PeerEvent::kKeyRefused;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      given_up_ = true;
      return PeerEvent::kNoHandshake;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      // One may be a process that ended in the middle of it.
      failed_connects_ = 0;
      if (++failed_handshakes_ % kFailedHandshakes != 0) return std::nullopt;
      return PeerEvent::kNoHandshake;
    default:
      return std::nullopt;
  }
}

bool ConnectionMonitor::take_given_up() {
  const bool given_up = given_up_;
  given_up_ = false;
  return given_up;
}

}  // namespace juxmem

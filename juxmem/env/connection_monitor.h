// ConnectionMonitor: what becomes of the connection of one dialed socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "juxmem/env/env.h"

namespace juxmem {

// What for: turns ZeroMQ's events of a socket that has dialed one address into those that a handler can use.
// Thread safety: the loop's thread.
// Invariants: a connection that breaks and comes back is no dead peer: that is only said when attempts to connect have failed
//   since, one after the other. Each change is told once.
// Ownership: owns the inproc socket on which the events come; the watched socket must live at least as long.
// Failure: without events (no descriptors left) nothing is told; silence then shows the same later.
class ConnectionMonitor {
 public:
  // `name`: unique in the context. To be made before the socket connects.
  ConnectionMonitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name);
  ~ConnectionMonitor();
  ConnectionMonitor(const ConnectionMonitor&) = delete;
  ConnectionMonitor& operator=(const ConnectionMonitor&) = delete;

  // Becomes readable when there may be events; -1 if there are never any.
  int fd() const { return fd_; }
  // The next event; nullopt when there are none left.
  std::optional<PeerEvent> next();
  // Whether ZeroMQ has given the address up and must be told to connect again. Answers true once.
  bool take_given_up();

 private:
  std::optional<PeerEvent> on_event(std::uint16_t event);

  void* const watched_;
  zmq::socket_t events_;
  int fd_ = -1;
  bool was_connected_ = false;  // at least once
  bool given_up_ = false;
  int failed_connects_ = 0;  // since the last connection
  int failed_handshakes_ = 0;
};

}  // namespace juxmem

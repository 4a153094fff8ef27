// DialedPeer: the connection to one address that this process has dialed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "juxmem/base/types.h"
#include "juxmem/env/connection_monitor.h"
#include "juxmem/env/frames.h"
#include "juxmem/env/real_env.h"

namespace juxmem {

// What for: one DEALER socket. Every peer has its own, so that a message goes to that peer or nowhere.
// Thread safety: the loop's thread.
// Invariants: ZMQ_IMMEDIATE is set: ZeroMQ queues for a living connection only, and throws its queue away when the connection
//   breaks. So a peer that restarts at the same address never gets what was meant for its former self, at the
//   price that what is sent between two connections is lost; the protocols send again what matters. Only before the very first
//   connection packets wait here, for a bounded time, because the usual case is a peer that is just being connected.
// Ownership: owns its socket.
// Failure: send() answers false for a packet that is lost.
class DialedPeer {
 public:
  // Nullptr if the address is malformed.
  static std::unique_ptr<DialedPeer> connect(zmq::context_t& context, PeerId id, const std::string& address,
                                             const RealEnvOptions& options);

  bool send(std::vector<Buffer> parts, TimeNs now);
  // The next packet's parts; false if there is none. Also sends what waited for the connection.
  bool receive(std::vector<Buffer>& parts, TimeNs now);

  // Lost packets since the last call, beyond those that send() told of.
  std::uint64_t take_lost();

  PeerId id() const { return id_; }
  const std::string& address() const { return address_; }
  int fd() const { return fd_; }
  // What happens to the connection; fd -1 if that is not known.
  ConnectionMonitor& monitor() { return monitor_; }

  bool garbage_logged = false;
  bool refusal_logged = false;
  bool ready = false;      // is in the loop's list of sockets to look at
  bool has_events = true;  // the monitor is to be looked at
  bool hung_up = false;    // only kept until the loop has let go of it

 private:
  struct Waiting {
    std::vector<Buffer> parts;
    std::size_t bytes;
    TimeNs expires;
  };

  DialedPeer(zmq::context_t& context, zmq::socket_t socket, PeerId id, std::string address, const RealEnvOptions& options);
  void send_waiting(TimeNs now);
  void connect_again_in_time(TimeNs now);

  zmq::socket_t socket_;
  ConnectionMonitor monitor_;
  int fd_;
  PeerId id_;
  std::string address_;
  const RealEnvOptions& options_;
  std::shared_ptr<Outbox> outbox_ = std::make_shared<Outbox>();
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t lost_ = 0;
  bool was_connected_ = false;
  TimeNs connect_again_at_ = 0;  // 0: ZeroMQ does it by itself
};

}  // namespace juxmem

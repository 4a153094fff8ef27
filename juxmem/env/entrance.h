// Entrance: where peers that dial this process come in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/env/frames.h"
#include "juxmem/env/key_guard.h"
#include "juxmem/env/real_env.h"

namespace juxmem {

// What for: one ROUTER socket bound to all addresses of this process. A connection that comes in is a peer of its own; it
//   can be answered as long as it lasts.
// Thread safety: the loop's thread.
// Invariants: a bounded number of peers is remembered; those silent for longest are forgotten first. A peer's number is
//   never used again. A visitor whose key was revoked is neither heard nor answered any more, and its connection is cut.
// Ownership: owns its socket.
// Failure: send() answers false for a packet that is lost because the peer is gone or does not read.
class Entrance {
 public:
  struct Visitor {
    PeerId id = 0;
    std::string routing_id;
    std::string from;  // for people
    std::shared_ptr<Outbox> outbox = std::make_shared<Outbox>();
    TimeNs last_heard = 0;
    bool garbage_logged = false;
    std::string user;        // as the guard admitted it; empty by ipc and without a guard
    bool is_client = false;  // may say only what clients say
    int fd = -1;             // of its connection
  };

  // `guard`: of the context, if keys are wanted.
  static Result<std::unique_ptr<Entrance>> bind(zmq::context_t& context, const RealEnvOptions& options,
                                                const KeyGuard* guard);

  // As they were really bound, in the order of the options.
  const std::vector<std::string>& addresses() const { return addresses_; }
  int fd() const { return fd_; }

  // The next packet's parts and who sent it; nullptr if there is none. `next_id` numbers new visitors.
  Visitor* receive(std::vector<Buffer>& parts, TimeNs now, PeerId& next_id);
  bool send(PeerId to, const std::vector<Buffer>& parts);
  bool knows(PeerId peer) const { return by_id_.contains(peer); }
  // Empty: the grid's own, or no key was asked for.
  std::string user_of(PeerId peer) const;

  bool ready = false;  // is to be looked at by the loop

 private:
  Entrance(zmq::socket_t socket, const RealEnvOptions& options, const KeyGuard* guard);
  Visitor* visitor_of(const zmq::message_t& routing_id, TimeNs now, PeerId& next_id);
  void put_out_the_revoked();
  void forget(PeerId peer);
  void forget_silent_half();

  zmq::socket_t socket_;
  int fd_;
  const RealEnvOptions& options_;
  const KeyGuard* guard_;
  std::uint64_t revocations_ = 0;  // seen so far
  std::vector<std::string> addresses_;
  // Looked up only, never iterated where order could matter.
  std::unordered_map<std::string, PeerId> by_routing_id_;
  std::unordered_map<PeerId, Visitor> by_id_;
};

}  // namespace juxmem

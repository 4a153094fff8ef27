// Outbox: gathers what a provider says in one turn, so that each peer gets one packet.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/env/env.h"
#include "juxmem/wire/message.h"

namespace juxmem {

// Bytes that a message carries beside its small fields; what packets are cut by.
std::uint64_t bulk_bytes_of(const wire::Message& message);

// What for: one packet per peer and turn; names of nodes become connections here and nowhere else.
// Thread safety: none; the provider's event loop.
// Invariants: messages to one destination leave in the order they were put in; no packet exceeds the limits of wire/limits.h;
//   messages to oneself never reach the network.
// Ownership: borrows the network.
// Failure: a message for a node without a known route is dropped and counted; protocols send again.
class Outbox {
 public:
  explicit Outbox(Network& network) : network_(network) {}

  // Who the packets are from; messages to `node` stay inside from then on.
  void set_self(NodeId node, std::uint64_t incarnation);

  // Where a node listens and which life of it is meant (0 = any). An empty address takes the route away.
  void set_route(NodeId node, const std::string& address, std::uint64_t incarnation);
  // The connection a node's packets come over; used while its address is unknown.
  void heard_from(NodeId node, PeerId peer);

  void to_node(NodeId node, wire::Message message);
  // Whatever life of the node listens there.
  void to_any_life(NodeId node, wire::Message message);
  void to_peer(PeerId peer, wire::Message message);
  void to_address(const std::string& address, wire::Message message);

  // The next message to oneself, in order; false if there is none.
  bool take_local(wire::Message& message);
  bool has_local() const { return !local_.empty(); }

  // Sends all that has gathered.
  void flush();

  std::uint64_t without_route() const { return without_route_; }

 private:
  struct Route {
    std::string address;
    PeerId peer = 0;
    std::uint64_t incarnation = 0;
  };
  struct Pending {
    PeerId peer = 0;
    wire::Packet packet;
    std::uint64_t bytes = 0;
  };

  // 0: no route.
  PeerId peer_of(NodeId node);
  void put(PeerId peer, NodeId to, std::uint64_t to_incarnation, wire::Message message);
  bool address_in_use(const std::string& address) const;

  Network& network_;
  NodeId self_ = 0;
  std::uint64_t incarnation_ = 0;
  std::map<NodeId, Route> routes_;
  std::map<NodeId, PeerId> heard_;
  std::deque<wire::Message> local_;
  std::vector<Pending> full_;                          // packets that reached a limit, in order
  std::map<std::pair<PeerId, NodeId>, Pending> open_;  // one per destination
  std::uint64_t without_route_ = 0;
};

}  // namespace juxmem

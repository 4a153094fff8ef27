#include "juxmem/env/socket_options.h"

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// Packets read ahead per connection while the loop is busy; beyond it the peer is slowed down by its own full queue.
constexpr int kReadAheadPackets = 256;
// A connection whose other end has vanished without a word is given up after so long.
constexpr int kProbeMs = 5000;
constexpr int kProbeTimeoutMs = 30000;
constexpr int kHandshakeMs = 5000;
constexpr int kConnectMs = 3000;

}  // namespace

void set_common_options(zmq::socket_t& socket, const RealEnvOptions& options) {
  socket.set(zmq::sockopt::linger, options.linger_ms);
  // What waits for a peer is bounded in bytes by its outbox, not in messages.
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, kReadAheadPackets);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(wire::kPacketBytesMax));
  socket.set(zmq::sockopt::heartbeat_ivl, kProbeMs);
  socket.set(zmq::sockopt::heartbeat_timeout, kProbeTimeoutMs);
  socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  socket.set(zmq::sockopt::connect_timeout, kConnectMs);
}

void set_address_family(zmq::socket_t& socket, std::string_view address) {
  socket.set(zmq::sockopt::ipv6, address.find('[') != std::string_view::npos);
}

}  // namespace juxmem

#include "juxmem/env/socket_options.h"

#include "juxmem/env/key_guard.h"
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

void set_key(zmq::socket_t& socket, std::string_view address, const RealEnvOptions& options) {
  if (options.key == nullptr || !address.starts_with("tcp://")) return;
  socket.set(zmq::sockopt::curve_serverkey, options.key->grid);
  socket.set(zmq::sockopt::curve_publickey, options.key->public_key);
  socket.set(zmq::sockopt::curve_secretkey, options.key->secret_key);
}

void set_lock(zmq::socket_t& socket, std::string_view address, const RealEnvOptions& options) {
  if (options.key == nullptr || !address.starts_with("tcp://")) return;
  socket.set(zmq::sockopt::curve_server, true);
  socket.set(zmq::sockopt::zap_domain, KeyGuard::kDomain);
  socket.set(zmq::sockopt::curve_secretkey, options.key->secret_key);
}

}  // namespace juxmem

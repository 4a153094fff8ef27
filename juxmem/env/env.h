// Env: the outside world as providers and clients see it. One implementation is real (ZeroMQ, the machine's clock), the
// other simulated. Everything is called from one event loop; no call blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "juxmem/base/types.h"
#include "juxmem/wire/message.h"

namespace juxmem {

// What the environment knows about the connection to a dialed peer beside what the peer itself says.
enum class PeerEvent : std::uint8_t {
  kReconnected,  // the connection broke and is there again: what was sent meanwhile is lost
  kGone,         // nobody listens at its address any more
  kKeyRefused,   // it does not admit this process's key
  kNoHandshake,  // one side wants a key and the other has none, or another grid's
};

// What the environment calls.
// Thread safety: all calls come from the loop's thread. Failure: none; a handler checks everything it receives.
class Handler {
 public:
  virtual ~Handler() = default;
  // A verified packet. `from` can be answered until the connection is gone.
  virtual void on_packet(PeerId from, wire::Packet packet) = 0;
  // Something happened to the connection to a dialed peer. A hint: it may come late, or not at all.
  virtual void on_peer_event(PeerId, PeerEvent) {}
  // The time asked for by Env::wake_at has come.
  virtual void on_timer() = 0;
  // All packets and timers at hand have been handled: send what has gathered.
  virtual void end_turn() = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // A number for whoever listens at `address` ("tcp://host:port", "ipc://path"); the same one for the same address. Connects
  // when needed. 0 if the address is malformed.
  virtual PeerId dial(std::string_view address) = 0;
  // Sends without waiting. Lost silently when the peer is gone or does not read (counted by the environment).
  virtual void send(PeerId to, wire::Packet packet) = 0;
  // Forgets a dialed peer and what is queued for it.
  virtual void hang_up(PeerId peer) = 0;
  // The user whose key the peer has shown to come in. Empty: the grid's own, one that was dialed, one that needed no key, or one that is gone.
  virtual std::string user_of(PeerId) const { return {}; }
};

class Disk;

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic nanoseconds of this node; the origin has no meaning.
  virtual TimeNs now() const = 0;
};

class Env {
 public:
  virtual ~Env() = default;
  virtual Network& network() = 0;
  virtual Clock& clock() = 0;
  // The data folder; nullptr: this process has none.
  virtual Disk* disk() { return nullptr; }
  virtual std::uint64_t random() = 0;
  // Calls Handler::on_timer at `when` or soon after; a new call replaces the former one.
  virtual void wake_at(TimeNs when) = 0;
};

}  // namespace juxmem

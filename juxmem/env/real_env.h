// RealEnv: the real outside world: an event loop over ZeroMQ and the machine's clock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/env/env.h"
#include "juxmem/env/key_file.h"

namespace juxmem {

struct RealEnvOptions {
  // Where peers reach this process: "tcp://127.0.0.1:0" (0: any free port), "ipc:///path"; none for a mere client.
  std::vector<std::string> listen;
  std::size_t peer_bytes_max = 256U << 20;   // accepted for one peer and not yet taken by the kernel
  std::size_t waiting_bytes_max = 4U << 20;  // kept for a dialed peer until its first connection
  std::int64_t waiting_ms_max = 1000;        // and for so long
  int reconnect_ms = 10;                     // first try after a connection broke
  int reconnect_ms_max = 200;
  int linger_ms = 200;  // at the end, for what is still being sent
  int packets_per_turn_max = 256;
  std::int64_t look_out_us = 100;  // for the next packet before the thread sleeps; 0: it sleeps at once
  // With a key, connections by tcp are encrypted and only between those who know the grid; ipc is left to the permissions of its file.
  // Listening takes the grid's own key.
  std::shared_ptr<const KeyFile> key;
  std::string admitted_folder;  // of the users' public keys
};

// For people and status; counted since the start.
struct RealEnvStats {
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t packets_dropped = 0;  // the peer was away or did not read
  std::uint64_t packets_garbage = 0;  // refused by the decoder
};

// What for: carries packets between this process and its peers, and calls the handler.
// Thread safety: everything belongs to the thread that holds the loop, one at a time; the holder may change between two calls
//   with the caller's own synchronisation. wake() and stop() may be called from any thread and from signal handlers.
// Invariants: what waits for one peer is bounded in bytes; a peer that restarts at its old address gets nothing that was queued
//   for its former self, other than what waited for a first connection; no call blocks but run() and run_once().
// Ownership: owns its sockets and timers; borrows the handler from attach() on.
// Failure: create() names the address that cannot be bound. Later nothing fails: packets that cannot be sent or are
//   garbage are dropped and counted, garbage is logged once per peer.
class RealEnv final : public Env, private Network, private Clock {
 public:
  // kInvalid: an address is malformed, or the key is none to listen with; kIo: it cannot be bound.
  static Result<std::unique_ptr<RealEnv>> create(const RealEnvOptions& options);
  ~RealEnv() override;
  RealEnv(const RealEnv&) = delete;
  RealEnv& operator=(const RealEnv&) = delete;

  // The addresses really bound, in the order of RealEnvOptions::listen.
  const std::vector<std::string>& addresses() const;

  // Before the first run; `handler` must outlive the runs.
  void attach(Handler& handler);

  // Before the first run: `disk` is the data folder; whenever `descriptor` is readable, `deliver` is called in a turn of its own.
  void use_disk(Disk& disk, int descriptor, std::function<void()> deliver);

  // Drives the handler until stop() has been called.
  void run();
  // Waits until there is something to do, until now() >= deadline or until wake(); does what there is in one turn. Returns
  // true if the handler was called.
  bool run_once(TimeNs deadline);

  // Ends the present or the next run_once() early.
  void wake();
  // Ends run(), also one that begins later.
  void stop();

  RealEnvStats stats() const;

  Network& network() override { return *this; }
  Clock& clock() override { return *this; }
  Disk* disk() override;
  std::uint64_t random() override;
  void wake_at(TimeNs when) override;

 private:
  class Impl;
  explicit RealEnv(std::unique_ptr<Impl> impl);

  PeerId dial(std::string_view address) override;
  void send(PeerId to, wire::Packet packet) override;
  void hang_up(PeerId peer) override;
  std::string user_of(PeerId peer) const override;
  TimeNs now() const override;

  std::unique_ptr<Impl> impl_;
};

}  // namespace juxmem

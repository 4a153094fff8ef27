// SimNetwork: machines, the processes on them, and the packets between these.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/env/env.h"
#include "tests/sim/grid/sim_world.h"

namespace juxmem::sim {

using HostId = std::size_t;

// How bad the network is. Probabilities per million packets.
struct NetworkFaults {
  std::uint32_t loss_ppm = 0;
  std::uint32_t duplicate_ppm = 0;
  std::uint32_t reorder_ppm = 0;
  std::uint32_t late_ppm = 0;  // delayed by up to late_max
  TimeNs delay_min = kMs / 20;
  TimeNs delay_max = kMs;
  TimeNs wan_delay = 0;  // more between sites
  TimeNs late_max = 500 * kMs;
  std::uint32_t codec_ppm = 0;  // goes through the real codec
};

class SimEnv;

// What for: carries packets between processes with delay, loss, duplication, reordering and partitions. A packet between two processes
//   comes in the order of its sending unless it is to be reordered, as with one connection.
// Thread safety: none. Ownership: borrows the world and the processes' environments, which register themselves.
// Failure: a packet that the codec does not return unchanged is a violation.
class SimNetwork {
 public:
  explicit SimNetwork(SimWorld& world) : world_(world) {}

  HostId add_host(std::uint32_t site, std::int64_t clock_rate_ppm, TimeNs clock_offset);
  NetworkFaults& faults() { return faults_; }
  // Sees every packet when it is sent, lost ones, too.
  void observe(std::function<void(const wire::Packet&)> observer) { observer_ = std::move(observer); }

  // One way: packets from `from` to `to` are lost until it is unblocked.
  void block(HostId from, HostId to, bool blocked);
  void unblock_all();

  std::size_t hosts() const { return hosts_.size(); }
  std::uint32_t site_of(HostId host) const { return hosts_[host].site; }
  std::uint64_t delivered() const { return delivered_; }

 private:
  friend class SimEnv;
  struct Host {
    std::uint32_t site = 0;
    std::int64_t clock_rate_ppm = 0;
    TimeNs clock_offset = 0;
  };
  // Where a packet goes: a listener's address, or (answers on a connection) a process.
  struct Route {
    std::string address;
    std::uint64_t process = 0;
    TimeNs last_arrival = 0;
  };

  TimeNs local_time(HostId host) const;
  void send(SimEnv& from, Route& route, wire::Packet packet);
  void carry(const SimEnv& from, Route& route, std::shared_ptr<const wire::Packet> packet);
  void arrive(std::uint64_t sender, HostId sender_host, const std::string& sender_address, const std::string& address,
              std::uint64_t process, const wire::Packet& packet);
  SimEnv* process(std::uint64_t number) const;
  // Something happened to whoever listens at `address`, of which some that have dialed it hear.
  void tell_dialers(const std::string& address, HostId host, PeerEvent event);

  SimWorld& world_;
  NetworkFaults faults_;
  std::function<void(const wire::Packet&)> observer_;
  std::vector<Host> hosts_;
  std::vector<std::vector<bool>> blocked_;
  std::map<std::uint64_t, SimEnv*> processes_;
  std::map<std::string, std::uint64_t, std::less<>> listeners_;
  std::uint64_t process_counter_ = 0;
  std::uint64_t delivered_ = 0;
};

// What for: the environment of one process's life.
// Thread safety: none. Ownership: borrows network and handler; the handler is attached right after its making.
// Failure: after its end, everything on its way to it is lost.
class SimEnv final : public Env, private Network, private Clock {
 public:
  // `address`: where it listens; empty if it does not. `name`: for the trace. `after_turn` runs after every turn of its loop.
  SimEnv(SimNetwork& network, HostId host, std::string name, std::string address, std::uint64_t seed);
  ~SimEnv() override;
  SimEnv(const SimEnv&) = delete;
  SimEnv& operator=(const SimEnv&) = delete;

  void attach(Handler* handler, std::function<void()> after_turn);
  // The data folder, which outlives it.
  void use_disk(Disk& disk) { disk_ = &disk; }
  // The process does not run until then; packets and timers wait.
  void pause_until(TimeNs when) { paused_until_ = when; }
  bool is_paused() const;
  TimeNs paused_until() const { return paused_until_; }
  // Runs something in a turn of this process after `delay`, later if it is paused then and never if it is gone.
  void run_turn(std::function<void()> work, TimeNs delay = 0);
  HostId host() const { return host_; }
  const std::string& name() const { return name_; }

  Network& network() override { return *this; }
  Clock& clock() override { return *this; }
  Disk* disk() override { return disk_; }
  std::uint64_t random() override { return random_.next(); }
  void wake_at(TimeNs when) override;

 private:
  friend class SimNetwork;
  PeerId dial(std::string_view address) override;
  void send(PeerId to, wire::Packet packet) override;
  void hang_up(PeerId peer) override;
  TimeNs now() const override { return network_.local_time(host_); }

  void end_turn();
  void on_wake(std::uint64_t number);
  PeerId accepted(std::uint64_t process);

  SimNetwork& network_;
  const HostId host_;
  const std::string name_;
  const std::string address_;
  Random random_;
  std::uint64_t number_ = 0;
  Handler* handler_ = nullptr;
  Disk* disk_ = nullptr;
  std::function<void()> after_turn_;
  TimeNs paused_until_ = 0;
  std::uint64_t wakes_ = 0;
  PeerId peer_counter_ = 0;
  std::map<PeerId, SimNetwork::Route> routes_;
  std::map<std::string, PeerId, std::less<>> dialed_;
  std::map<std::uint64_t, PeerId> accepted_;
};

}  // namespace juxmem::sim

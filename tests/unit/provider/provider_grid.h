// A small grid in memory: several providers, a network with one fixed delay, virtual time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/base/random.h"
#include "juxmem/env/env.h"
#include "juxmem/provider/provider.h"

namespace juxmem {

class ProviderGrid;

// A data folder, and when something in it completes.
struct GridDisk {
  Disk* disk = nullptr;
  std::function<TimeNs()> next_due;
  std::function<void()> deliver_due;
  std::function<void()> crash;  // the node's life has ended
};

// One process of the grid: its environment, and whoever handles its events.
class GridNode final : public Env, private Network, private Clock {
 public:
  GridNode(ProviderGrid& grid, std::size_t index, std::string address);

  Network& network() override { return *this; }
  Clock& clock() override { return *this; }
  Disk* disk() override { return disk_.disk; }
  std::uint64_t random() override { return random_.next(); }
  void wake_at(TimeNs when) override { wake_at_ = when; }

  PeerId dial(std::string_view address) override;
  void send(PeerId to, wire::Packet packet) override;
  void hang_up(PeerId) override {}
  TimeNs now() const override;

  const std::string& address() const { return address_; }

 private:
  friend class ProviderGrid;
  ProviderGrid& grid_;
  std::size_t index_;
  std::string address_;
  Random random_;
  Handler* handler_ = nullptr;  // nullptr: killed
  GridDisk disk_;
  TimeNs wake_at_ = INT64_MAX;
  std::uint32_t life_ = 0;
};

// What a process without a provider has received: stands for clients and for agents elsewhere.
class Listener final : public Handler {
 public:
  struct Received {
    PeerId peer = 0;
    NodeId from = 0;
    wire::Message message;
  };
  void on_packet(PeerId from, wire::Packet packet) override;
  void on_timer() override {}
  void end_turn() override {}

  // The first message of this kind that `wanted` accepts, taken out; nullopt if there is none.
  template <typename T, typename Layer = wire::GroupMessage>
  std::optional<T> take(const std::function<bool(const T&)>& wanted = nullptr) {
    for (auto it = received.begin(); it != received.end(); ++it) {
      const auto* layer = std::get_if<Layer>(&it->message);
      const T* found = layer == nullptr ? nullptr : std::get_if<T>(layer);
      if (found == nullptr || (wanted && !wanted(*found))) continue;
      T message = *found;
      last_from = it->from;
      received.erase(it);
      return message;
    }
    return std::nullopt;
  }

  std::deque<Received> received;
  NodeId last_from = 0;  // of the message taken last
};

class ProviderGrid {
 public:
  static constexpr TimeNs kDelay = 200'000;

  // `sites`: one provider each, named "p0", "p1", ...; the first `managers` of them are managers.
  ProviderGrid(const std::vector<std::string>& sites, std::size_t managers);
  ~ProviderGrid();

  // Before its first start.
  void use_disk(std::size_t index, GridDisk disk) { nodes_.at(index)->disk_ = std::move(disk); }
  void start(std::size_t index);
  void start_all();
  void kill(std::size_t index);
  // Nothing passes between this process and all others.
  void cut_off(std::size_t index) { cut_.insert(index); }
  void heal(std::size_t index) { cut_.erase(index); }

  // A further process without a provider.
  Listener& add_listener(std::size_t& index);
  void send_from(std::size_t index, std::size_t to, wire::Packet packet);

  // Until the condition holds or so much virtual time has passed; whether it holds.
  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ms = 20'000);
  void run_for(std::int64_t ms);
  void run_for_ns(TimeNs ns);

  Provider& provider(std::size_t index) { return *providers_.at(index); }
  ProviderOptions& options(std::size_t index) { return options_.at(index); }
  GridNode& node(std::size_t index) { return *nodes_.at(index); }
  bool all_ready() const;
  // The index of the provider that leads the group; -1 if none does.
  int leader_of(GroupId group) const;
  TimeNs now() const { return now_; }

 private:
  friend class GridNode;
  struct Flight {
    TimeNs at = 0;
    std::uint64_t number = 0;
    std::size_t from = 0;
    std::size_t to = 0;
    std::uint32_t to_life = 0;
    wire::Packet packet;
    bool operator>(const Flight& other) const { return std::pair(at, number) > std::pair(other.at, other.number); }
  };

  bool step(TimeNs limit);
  bool step_disk(TimeNs limit);
  void post(std::size_t from, std::size_t to, wire::Packet packet);

  TimeNs now_ = 1'000'000'000;
  std::uint64_t flights_made_ = 0;
  std::uint64_t lives_ = 0;
  std::vector<std::unique_ptr<GridNode>> nodes_;
  std::vector<ProviderOptions> options_;
  std::vector<std::unique_ptr<Provider>> providers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Flight> flights_;  // a heap
  std::set<std::size_t> cut_;
};

}  // namespace juxmem

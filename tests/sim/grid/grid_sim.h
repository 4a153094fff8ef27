// GridSim: a whole grid, its clients and its misfortunes, from one seed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "juxmem/provider/provider.h"
#include "tests/sim/disk/sim_disk.h"
#include "tests/sim/grid/grid_checks.h"
#include "tests/sim/grid/sim_client.h"
#include "tests/sim/grid/sim_network.h"
#include "tests/sim/grid/sim_world.h"
#include "tests/sim/seeds.h"

namespace juxmem::sim {

class WorldClock final : public Clock {
 public:
  explicit WorldClock(const SimWorld& world) : world_(world) {}
  TimeNs now() const override { return world_.now(); }

 private:
  const SimWorld& world_;
};

struct SimProvider {
  std::string name;
  std::string site;
  std::string address;
  HostId host = 0;
  bool manager = false;
  std::uint64_t lives = 0;
  NodeId node = 0;  // as which it was last known; 0: never joined
  std::uint64_t failed_life = 0;
  std::uint32_t failures = 0;         // lives that ended because the data folder failed
  std::unique_ptr<SimDisk> disk;      // in seeds with data folders
  TimeNs disk_due = SimDisk::kNever;  // when something of it is to complete
  std::unique_ptr<SimEnv> env;        // empty while it is down
  std::unique_ptr<Provider> provider;
};

// What for: the run of one seed: the grid starts, clients work while faults happen and safety is checked after every turn; then all heals
//   and every client must finish; at last the histories of all blocks must be linearizable.
// Thread safety: none. Ownership: owns everything. Failure: the seed's violation.
class GridSim {
 public:
  GridSim(std::uint64_t seed, bool keep_trace);
  ~GridSim();
  SeedOutcome run();

 private:
  // grid_sim.cc
  void start_provider(SimProvider& provider);
  std::vector<std::string> contacts_of(const SimProvider& provider);
  bool knows_only_itself(const SimProvider& provider) const;
  void end_provider(SimProvider& provider, std::optional<Crash> how = {});
  void after_turn(SimProvider& provider);
  void start_client(std::size_t number);
  bool setup_is_done() const;
  bool all_finished() const;
  void settle_quotas();
  bool is_whole() const;
  std::set<NodeId> living_nodes() const;
  void finish();
  void check_histories();
  void describe_groups();

  // grid_aftermath.cc
  bool run_until(TimeNs limit, const std::function<bool()>& condition);
  void forget_first_managers();

  // grid_plan.cc
  void choose_grid();
  void choose_network();
  void choose_blocks();

  // grid_disks.cc
  void choose_disks(std::uint64_t seed);
  std::uint64_t segment_bytes() const;
  void deliver_in_time(SimProvider& provider);
  void lose_power_of(SimProvider& victim, TimeNs down_for, std::optional<Crash> how = {});
  void lose_power_of_all();
  bool may_end(const SimProvider& provider) const;
  // Power failures aimed at the moments that matter.
  void next_move();
  void move_a_member();
  void on_acknowledged(GroupId group);
  void on_epoch_begun(SimProvider& member);
  void on_first_vote(NodeId member);

  // grid_disk_faults.cc
  void next_disk_fault();
  void cause_disk_fault();
  void mend_disk(SimProvider& provider);
  void damage_disk_of(SimProvider& victim, TimeNs down_for);
  void on_failed(SimProvider& provider);

  // grid_faults.cc
  void next_fault();
  void next_link_fault();
  void cause_fault();
  void cut_off(HostId host, bool to_it, bool from_it, TimeNs length);
  void cut_sites(TimeNs length);
  void crash_provider(SimProvider& victim, TimeNs down_for);
  void crash_agent_of(std::size_t client);
  void crash_client(std::size_t number);
  // Somebody has a wish; the managers hear it in a turn of each.
  void wish(const wire::GroupMessage& request);
  void drain_somebody();
  void move_some_copy();
  void cancel_drains();
  void heal();

  SimWorld world_;
  WorldClock disk_clock_{world_};
  Random random_;
  Random link_random_;   // of what concerns single links and the ways over sites
  Random disk_random_;   // of what concerns data folders
  Random first_random_;  // of what concerns how grids begin
  SimNetwork network_;
  GridChecks checks_;
  Timing timing_;
  StreamLimits limits_;
  std::vector<SimProvider> providers_;
  std::vector<std::string> managers_;
  std::deque<SharedBlock> blocks_;
  std::vector<HostId> client_hosts_;
  std::vector<std::uint64_t> client_lives_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::uint32_t sites_ = 1;
  TimeNs faults_until_ = 0;
  TimeNs fault_pause_max_ = 0;
  bool on_disk_ = false;         // all providers have data folders
  bool some_in_memory_ = false;  // but not all blocks are kept there
  TimeNs disk_latency_max_ = 0;
  bool disks_fail_ = false;      // and rot, and fill
  bool power_is_aimed_ = false;  // at what was just acknowledged
  bool crashes_ = false;
  bool long_absences_ = false;
  bool may_lose_quorums_ = false;
  bool people_interfere_ = false;
  bool joins_anybody_ = false;
  bool healed_ = false;
  bool finishing_ = false;
  bool is_another_grid_ = false;  // has begun, or would: it is not the one that was checked
};

}  // namespace juxmem::sim

// SimClient: a client process that works on shared blocks and writes down what it saw.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/client/client_core.h"
#include "tests/sim/grid/linearizability.h"
#include "tests/sim/grid/sim_network.h"

namespace juxmem::sim {

// A block that all clients share: kParts parts of equal size; every 8 bytes of a part hold the part's value.
struct SharedBlock {
  std::string name;
  std::uint64_t part_bytes = kPageBytes;
  Shape shape;
  Durability durability = Durability::kMemory;
  BlockId id = 0;            // 0: not made yet
  Version version_seen = 0;  // the highest version any finished call has returned
  std::deque<HistoryOp> history;
};

struct ClientPlan {
  std::uint32_t number = 0;
  std::vector<std::string> addresses;
  Timing timing;
  TimeNs pause_max = 50 * kMs;                // between two calls
  std::int64_t limit_ms_max = 4000;           // of a call
  std::uint64_t values = 0;                   // where its own values begin
  std::function<void()> crash;                // ends this life or its agent's
  std::function<void(BlockId)> acknowledged;  // the grid has said that a section is written
};

// What for: one client life: a loop of calls, one at a time, chosen at random.
// Thread safety: none. Ownership: owns its environment and core; borrows world, network and the shared blocks.
// Failure: what it sees that must not be is a violation of the world.
class SimClient {
 public:
  SimClient(SimWorld& world, SimNetwork& network, HostId host, ClientPlan plan, std::deque<SharedBlock>& blocks);
  ~SimClient();
  SimClient(const SimClient&) = delete;
  SimClient& operator=(const SimClient&) = delete;

  void start();
  // No more random calls: one last section on each of these blocks, which must succeed within the limit.
  void finish(std::vector<std::size_t> blocks, std::int64_t limit_ms);
  bool finished() const { return finishing_ && !busy_ && last_blocks_.empty(); }
  std::string waits_for() const { return doing_; }
  SimEnv& env() { return *env_; }
  ClientCore& core() { return *core_; }
  std::uint64_t calls() const { return calls_; }

 private:
  // The copy of a block that this client keeps between sections.
  struct Copy final : PageSink {
    void put(std::uint64_t offset, std::span<const std::byte> bytes) override;
    std::vector<std::byte> bytes;
    Version have = 0;
  };

  // sim_client.cc: the loop
  void next();
  void begin(const std::string& what, std::int64_t limit_ms);
  void end();
  bool call_was_timely(const std::string& what);
  std::int64_t some_limit_ms();
  void make_block(SharedBlock& block);
  void find_block(SharedBlock& block);
  void run_something();

  // sim_client_calls.cc
  void section(std::size_t block, bool writes, bool try_only, std::int64_t limit_ms, bool must_succeed);
  void in_section(std::size_t block, HistoryOp& op, const Acquired& acquired, bool writes, std::int64_t limit_ms, bool must);
  void leave_section(std::size_t block, HistoryOp& op, SectionId section, bool writes, std::int64_t limit_ms, bool must);
  void settle_section(std::size_t block, HistoryOp& op, const PartValues& wanted, const Result<Version>& version, bool must);
  void read_once(std::size_t block);
  void write_once(std::size_t block);
  void wait_for_change(std::size_t block);
  void try_names();
  void try_own_block();
  void on_own_block(BlockId block, std::uint64_t value);
  void free_own_block(BlockId block);

  PartValues parts_of(const SharedBlock& block, const Copy& copy, std::size_t first, std::size_t count);
  std::uint64_t new_value() { return plan_.values + ++values_; }
  Buffer filled(std::uint64_t size_bytes, std::uint64_t value) const;
  HistoryOp& note(SharedBlock& block);
  void saw_version(SharedBlock& block, Version version, Version at_least, const char* what);
  bool is_allowed(const Error& error, const char* what);

  SimWorld& world_;
  SimNetwork& network_;
  ClientPlan plan_;
  std::deque<SharedBlock>& blocks_;
  Random random_;
  std::unique_ptr<SimEnv> env_;
  std::unique_ptr<ClientCore> core_;
  std::map<std::size_t, Copy> copies_;
  std::uint64_t values_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t names_ = 0;

  bool busy_ = false;
  bool finishing_ = false;
  std::vector<std::size_t> last_blocks_;
  std::int64_t last_limit_ms_ = 0;
  std::string doing_;
  TimeNs called_at_ = 0;
  std::int64_t call_limit_ms_ = 0;
};

}  // namespace juxmem::sim

// Many clients that put small values at random places of many blocks, and how many puts they got done over time.
#pragma once

#include <juxmem/juxmem.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem::bench {

struct LoadShape {
  int clients = 60;
  std::uint64_t values = 1'200'000;
  std::uint64_t value_bytes = 380;
  std::uint64_t values_per_block = 100;
};

inline constexpr std::int64_t kBinMs = 100;

// What for: a closed loop of one-shot sections over values that were all written before, on blocks with three copies.
// Thread safety: none; its threads are its own. Ownership: ends its threads and closes its clients when it goes.
// Failure: a put that fails is counted and the client goes on with the next one.
class RecoveryLoad {
 public:
  // Client i talks to address i modulo their number as long as that one answers. Allocates and writes all values.
  static Result<std::unique_ptr<RecoveryLoad>> create(const std::vector<std::string>& addresses, LoadShape shape);
  RecoveryLoad(const RecoveryLoad&) = delete;
  RecoveryLoad& operator=(const RecoveryLoad&) = delete;
  ~RecoveryLoad();

  // The clients begin; stop() at limit_ms at the latest.
  void start(std::int64_t limit_ms);
  void stop();
  double seconds() const;  // since start()

  // Puts done in each kBinMs since start(), whole ones up to now or to the stop.
  std::vector<std::uint64_t> bins() const;
  std::uint64_t failed() const { return failed_; }
  std::uint64_t longest_put_ms() const { return longest_put_ms_; }

 private:
  struct CloseGrid {
    void operator()(juxmem_grid* grid) const { juxmem_close(grid); }
  };
  using SteadyClock = std::chrono::steady_clock;

  explicit RecoveryLoad(LoadShape shape) : shape_(shape) {}
  Status allocate();
  Status fill(std::size_t client);
  void run(std::size_t client);

  LoadShape shape_;
  std::vector<std::unique_ptr<juxmem_grid, CloseGrid>> grids_;
  std::vector<juxmem_id> blocks_;
  SteadyClock::time_point start_;
  std::optional<double> seconds_at_stop_;
  std::vector<std::atomic<std::uint32_t>> bins_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> longest_put_ms_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace juxmem::bench

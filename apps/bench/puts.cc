#include "apps/bench/puts.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "apps/grid_error.h"

namespace juxmem::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kBlockBytes = 4096;

// What for: one client with its block. Thread safety: one thread. Ownership: frees the block, closes the grid. Failure: named.
class Putter {
 public:
  static Result<std::unique_ptr<Putter>> open(const std::string& uri, juxmem_durability durability) {
    auto putter = std::unique_ptr<Putter>(new Putter());
    int code = juxmem_open(uri.c_str(), nullptr, &putter->grid_);
    if (code != JUXMEM_OK) return grid_error(code, "cannot open the grid");
    juxmem_attr attr;
    juxmem_attr_init(&attr);
    attr.nodes_per_site = 3;
    attr.durability = durability;
    code = juxmem_malloc(putter->grid_, kBlockBytes, &attr, &putter->block_);
    if (code != JUXMEM_OK) return grid_error(code, "cannot allocate");
    return putter;
  }
  Putter(const Putter&) = delete;
  Putter& operator=(const Putter&) = delete;
  ~Putter() {
    if (block_ != 0) juxmem_free(grid_, block_);
    juxmem_close(grid_);
  }

  Status put(const std::string& value) {
    const int code = juxmem_write(grid_, block_, 0, value.data(), value.size());
    if (code != JUXMEM_OK) return grid_error(code, "a put failed");
    return {};
  }

 private:
  Putter() = default;

  juxmem_grid* grid_ = nullptr;
  juxmem_id block_ = 0;
};

}  // namespace

Result<double> puts_per_second(const std::string& uri, const PutLoad& load) {
  std::vector<std::unique_ptr<Putter>> putters;
  for (int i = 0; i < load.clients; ++i) {
    auto putter = Putter::open(uri, load.durability);
    if (!putter) return std::unexpected(putter.error());
    putters.push_back(std::move(*putter));
  }
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> failed = false;
  std::vector<Status> ended(putters.size());
  const auto start = SteadyClock::now();
  const auto end = start + std::chrono::milliseconds(load.run_ms);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < putters.size(); ++i) {
    threads.emplace_back([&, i] {
      std::string value(load.value_bytes, 'v');
      while (SteadyClock::now() < end && !failed) {
        ++value[0];
        ended[i] = putters[i]->put(value);
        if (!ended[i]) failed = true;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : ended) {
    if (!status) return std::unexpected(status.error());
  }
  return static_cast<double>(done) / std::chrono::duration<double>(SteadyClock::now() - start).count();
}

}  // namespace juxmem::bench

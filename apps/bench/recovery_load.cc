#include "apps/bench/recovery_load.h"

#include <algorithm>
#include <random>
#include <utility>

#include "apps/grid_error.h"

namespace juxmem::bench {
namespace {

constexpr std::size_t kFillers = 8;

}  // namespace

Result<std::unique_ptr<RecoveryLoad>> RecoveryLoad::create(const std::vector<std::string>& addresses, LoadShape shape) {
  std::unique_ptr<RecoveryLoad> load(new RecoveryLoad(shape));
  for (std::size_t client = 0; client < static_cast<std::size_t>(shape.clients); ++client) {
    std::string uri;
    for (std::size_t i = 0; i < addresses.size(); ++i)
      uri += (i == 0 ? "" : ",") + addresses[(client + i) % addresses.size()];
    juxmem_grid* grid = nullptr;
    const int code = juxmem_open(uri.c_str(), nullptr, &grid);
    if (code != JUXMEM_OK) return grid_error(code, "cannot open the grid");
    load->grids_.emplace_back(grid);
  }
  if (Status allocated = load->allocate(); !allocated) return std::unexpected(allocated.error());
  const std::size_t fillers = std::min(kFillers, load->grids_.size());
  std::vector<Status> filled(fillers);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < fillers; ++i) threads.emplace_back([&, i] { filled[i] = load->fill(i); });
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : filled) {
    if (!status) return std::unexpected(status.error());
  }
  return load;
}

RecoveryLoad::~RecoveryLoad() { stop(); }

// All by one client: clients of different agents might make a group each.
Status RecoveryLoad::allocate() {
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.nodes_per_site = 3;
  blocks_.resize((shape_.values + shape_.values_per_block - 1) / shape_.values_per_block);
  for (juxmem_id& block : blocks_) {
    const int code = juxmem_malloc(grids_.front().get(), shape_.values_per_block * shape_.value_bytes, &attr, &block);
    if (code != JUXMEM_OK) return grid_error(code, "cannot allocate");
  }
  return {};
}

// Every so manieth block, one by each of the first clients.
Status RecoveryLoad::fill(std::size_t client) {
  juxmem_grid* grid = grids_[client].get();
  const std::string values(shape_.values_per_block * shape_.value_bytes, 'v');
  for (std::size_t i = client; i < blocks_.size(); i += std::min(kFillers, grids_.size())) {
    const int code = juxmem_write(grid, blocks_[i], 0, values.data(), values.size());
    if (code != JUXMEM_OK) return grid_error(code, "cannot provide the values");
  }
  return {};
}

void RecoveryLoad::start(std::int64_t limit_ms) {
  bins_ = std::vector<std::atomic<std::uint32_t>>(static_cast<std::size_t>(limit_ms / kBinMs + 1));
  start_ = SteadyClock::now();
  for (std::size_t client = 0; client < grids_.size(); ++client) threads_.emplace_back([this, client] { run(client); });
}

void RecoveryLoad::stop() {
  if (!threads_.empty() && !seconds_at_stop_) seconds_at_stop_ = seconds();
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

double RecoveryLoad::seconds() const {
  return seconds_at_stop_ ? *seconds_at_stop_ : std::chrono::duration<double>(SteadyClock::now() - start_).count();
}

void RecoveryLoad::run(std::size_t client) {
  std::mt19937_64 dice(client + 1);
  std::string value(shape_.value_bytes, 'a');
  while (!stopping_) {
    const std::uint64_t chosen = dice() % (blocks_.size() * shape_.values_per_block);
    value.front() = static_cast<char>('a' + chosen % 26);
    const auto begun = SteadyClock::now();
    const int code = juxmem_write(grids_[client].get(), blocks_[chosen / shape_.values_per_block],
                                  chosen % shape_.values_per_block * shape_.value_bytes, value.data(), value.size());
    const auto ended = SteadyClock::now();
    const auto took_ms =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(ended - begun).count());
    for (std::uint64_t seen = longest_put_ms_; took_ms > seen && !longest_put_ms_.compare_exchange_weak(seen, took_ms);) {
    }
    const auto bin =
        static_cast<std::size_t>(std::chrono::duration_cast<std::chrono::milliseconds>(ended - start_).count() / kBinMs);
    if (bin >= bins_.size()) return;
    if (code == JUXMEM_OK) {
      ++bins_[bin];
    } else {
      ++failed_;
    }
  }
}

std::vector<std::uint64_t> RecoveryLoad::bins() const {
  const auto whole = std::min(bins_.size(), static_cast<std::size_t>(seconds() * 1000 / kBinMs));
  return {bins_.begin(), bins_.begin() + static_cast<std::ptrdiff_t>(whole)};
}

}  // namespace juxmem::bench

// What kind of grid, network and blocks a seed stands for.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {
namespace {

struct GridShape {
  std::vector<std::uint32_t> providers;  // per site
  std::vector<std::uint32_t> managers;   // per site
};

const std::vector<GridShape>& shapes() {
  static const std::vector<GridShape> all = {
      {{3}, {3}},
      {{3}, {1}},
      {{5}, {3}},
      {{4, 4}, {3, 0}},
      {{5}, {1}},
      {{3, 3}, {3, 3}},
      {{3, 2}, {3, 0}},
      {{2, 2, 2}, {1, 1, 1}},
      {{1, 1, 1}, {1, 1, 1}},
      {{3, 3}, {1, 0}},
  };
  return all;
}

}  // namespace

void GridSim::choose_grid() {
  const GridShape& shape = shapes()[random_.below(shapes().size())];
  sites_ = static_cast<std::uint32_t>(shape.providers.size());
  for (std::uint32_t site = 0; site < sites_; ++site) {
    for (std::uint32_t i = 0; i < shape.providers[site]; ++i) {
      SimProvider provider;
      provider.name = fmt::format("p{}{}", site + 1, static_cast<char>('a' + i));
      provider.site = fmt::format("site{}", site + 1);
      provider.address = fmt::format("tcp://10.0.{}.{}:5000", site + 1, i + 1);
      provider.host = network_.add_host(site, random_.between(-900, 900), random_.between(0, 1000) * kMs);
      provider.manager = i < shape.managers[site];
      if (provider.manager) managers_.push_back(provider.address);
      providers_.push_back(std::move(provider));
    }
  }
  std::ranges::sort(managers_);
  checks_.set_managers(managers_.size());
  const std::size_t clients = 2 + random_.below(4);
  for (std::size_t i = 0; i < clients; ++i) {
    // Beside a provider, or on a machine of its own.
    const SimProvider& beside = providers_[random_.below(providers_.size())];
    const bool alone = random_.chance(400'000);
    client_hosts_.push_back(alone ? network_.add_host(static_cast<std::uint32_t>(random_.below(sites_)),
                                                      random_.between(-900, 900), random_.between(0, 1000) * kMs)
                                  : beside.host);
  }
  client_lives_.resize(clients);
  clients_.resize(clients);
}

void GridSim::choose_network() {
  NetworkFaults& faults = network_.faults();
  faults.loss_ppm = std::array{0U, 0U, 2'000U, 20'000U, 100'000U}[random_.below(5)];
  faults.duplicate_ppm = std::array{0U, 10'000U, 100'000U}[random_.below(3)];
  faults.reorder_ppm = std::array{0U, 0U, 20'000U, 200'000U}[random_.below(4)];
  faults.late_ppm = std::array{0U, 2'000U, 30'000U}[random_.below(3)];
  faults.delay_max = std::array{kMs / 2, 2 * kMs, 10 * kMs}[random_.below(3)];
  faults.wan_delay = random_.between(0, 15) * kMs;
  faults.codec_ppm = 10'000;
  crashes_ = random_.chance(700'000);
  may_lose_quorums_ = random_.chance(100'000);
  people_interfere_ = random_.chance(500'000);
  joins_anybody_ = random_.chance(300'000);
  timing_.heal_after_ms = std::array<std::int64_t, 3>{500, 2000, 10'000}[random_.below(3)];
  fault_pause_max_ = std::array{150 * kMs, 500 * kMs, 1500 * kMs}[random_.below(3)];
  faults_until_ = random_.between(1500, 7000) * kMs;
  timing_.digest_every = 16;
  if (!first_random_.chance(300'000)) timing_.listen_ms = 0;
  // Logs so short that a member that is away for a while lacks entries nobody keeps.
  long_absences_ = random_.chance(600'000);
  if (long_absences_) limits_.kept_bytes = std::array{500U, 2'000U, 10'000U}[random_.below(3)];
  timing_.local_passes_max = static_cast<std::uint32_t>(random_.between(1, 8));
  timing_.quota_settle_ms = std::array{20, 300, 2000}[random_.below(3)];
  timing_.relay_ms = std::array{0, 10, 50}[link_random_.below(3)];
  timing_.follow_ms = std::array{0, 100, 2000}[link_random_.below(3)];
}

void GridSim::choose_blocks() {
  const std::size_t count = 1 + random_.below(2);
  for (std::size_t i = 0; i < count; ++i) {
    SharedBlock block;
    block.name = fmt::format("block{}", i);
    block.shape.sites = static_cast<std::uint32_t>(1 + random_.below(sites_));
    std::uint32_t smallest = 3;
    std::vector<std::uint32_t> per_site(sites_);
    for (const SimProvider& provider : providers_) ++per_site[network_.site_of(provider.host)];
    for (std::uint32_t in_site : per_site) smallest = std::min(smallest, in_site);
    block.shape.nodes_per_site =
        random_.chance(700'000) ? smallest : static_cast<std::uint32_t>(1 + random_.below(smallest));
    // Some sections are larger than one log entry and travel in parts.
    if (random_.chance(long_absences_ ? 100'000 : 40'000)) block.part_bytes = 600 * 1024;
    blocks_.push_back(std::move(block));
  }
}

}  // namespace juxmem::sim

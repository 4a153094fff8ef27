// What goes wrong in a simulated grid, and how it heals.
#include <fmt/core.h>

#include <algorithm>

#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {

void GridSim::next_fault() {
  world_.after(random_.between(10 * kMs, fault_pause_max_), [this] {
    if (world_.now() >= faults_until_) {
      if (!setup_is_done() && world_.now() < faults_until_ + 20'000 * kMs) return next_fault();
      return heal();
    }
    if (on_disk_ && !some_in_memory_ && crashes_ && setup_is_done() && disk_random_.chance(150'000)) {
      lose_power_of_all();
    } else {
      cause_fault();
    }
    next_fault();
  });
}

// One host reaches one other no more, as a relay may some member of its site.
void GridSim::next_link_fault() {
  world_.after(link_random_.between(50 * kMs, 1500 * kMs), [this] {
    if (world_.now() >= faults_until_) return;
    const auto from = static_cast<HostId>(link_random_.below(network_.hosts()));
    const auto to = static_cast<HostId>(link_random_.below(network_.hosts()));
    if (from != to) {
      const TimeNs length = link_random_.between(20, 600) * kMs;
      world_.trace(fmt::format("host {} does not reach host {} for {} ms", from, to, length / kMs));
      network_.block(from, to, true);
      world_.after(length, [this, from, to] { network_.block(from, to, false); });
    }
    next_link_fault();
  });
}

void GridSim::cause_fault() {
  if (people_interfere_ && setup_is_done() && random_.chance(300'000)) {
    return random_.chance(500'000) ? drain_somebody() : move_some_copy();
  }
  SimProvider& victim = providers_[random_.below(providers_.size())];
  const bool is_long = random_.chance(long_absences_ ? 500'000 : 300'000);
  TimeNs length = is_long ? random_.between(500, 3000) * kMs : random_.between(20, 500) * kMs;
  if (is_long && long_absences_) length += 1500 * kMs;
  switch (random_.below(12)) {
    case 0:
      return cut_off(victim.host, true, false, length);
    case 1:
      return cut_off(victim.host, false, true, length);
    case 2:
    case 3:
      return cut_off(victim.host, true, true, length);
    case 4:
      return cut_sites(length);
    case 5:
    case 6:
      if (victim.env == nullptr) return;
      world_.trace(fmt::format("{} pauses for {} ms", victim.name, length / kMs));
      return victim.env->pause_until(world_.now() + length);
    case 7: {
      const auto& client = clients_[random_.below(clients_.size())];
      if (client == nullptr) return;
      world_.trace(fmt::format("{} pauses for {} ms", client->env().name(), length / kMs));
      return client->env().pause_until(world_.now() + length);
    }
    case 8:
      return crash_client(random_.below(clients_.size()));
    default:
      return crash_provider(victim, length);
  }
}

// One host against all others; what happens inside it goes on.
void GridSim::cut_off(HostId host, bool to_it, bool from_it, TimeNs length) {
  world_.trace(
      fmt::format("host {} cut off{}{} for {} ms", host, to_it ? " inward" : "", from_it ? " outward" : "", length / kMs));
  const auto set = [this, host, to_it, from_it](bool blocked) {
    for (HostId other = 0; other < network_.hosts(); ++other) {
      if (other == host) continue;
      if (to_it) network_.block(other, host, blocked);
      if (from_it) network_.block(host, other, blocked);
    }
  };
  set(true);
  world_.after(length, [set] { set(false); });
}

void GridSim::cut_sites(TimeNs length) {
  const auto site = static_cast<std::uint32_t>(random_.below(sites_));
  world_.trace(fmt::format("site {} cut off for {} ms", site + 1, length / kMs));
  const bool one_way = random_.chance(300'000);
  const auto set = [this, site, one_way](bool blocked) {
    for (HostId inside = 0; inside < network_.hosts(); ++inside) {
      if (network_.site_of(inside) != site) continue;
      for (HostId outside = 0; outside < network_.hosts(); ++outside) {
        if (network_.site_of(outside) == site) continue;
        network_.block(inside, outside, blocked);
        if (!one_way) network_.block(outside, inside, blocked);
      }
    }
  };
  set(true);
  world_.after(length, [set] { set(false); });
}

void GridSim::crash_provider(SimProvider& victim, TimeNs down_for) {
  if (!crashes_ || victim.provider == nullptr) return;
  if (on_disk_) return lose_power_of(victim, down_for);
  // The first managers keep nothing on disk: if all of them began anew at once they would begin another grid.
  const bool others_know = std::ranges::any_of(providers_, [&](const SimProvider& other) {
    return &other != &victim && other.manager && other.provider != nullptr && other.provider->self() != 0;
  });
  if (victim.manager && !others_know) return;
  const bool is_voter = victim.provider->replica(kRootGroup) != nullptr || (victim.manager && victim.provider->self() == 0);
  const bool spared = !checks_.can_spare(victim.provider->self(), living_nodes());
  if (spared && (is_voter || !may_lose_quorums_)) return;
  if (is_voter && !setup_is_done()) return;
  end_provider(victim);
  if (random_.chance(300'000)) return;
  world_.after(down_for, [this, &victim] {
    if (victim.provider == nullptr) start_provider(victim);
  });
}

void GridSim::crash_agent_of(std::size_t client) {
  if (healed_ || !setup_is_done()) return;
  for (SimProvider& provider : providers_) {
    const bool is_agent = provider.provider != nullptr && provider.provider->self() == clients_[client]->core().agent_node();
    if (is_agent) return crash_provider(provider, random_.between(50, 1000) * kMs);
  }
}

void GridSim::crash_client(std::size_t number) {
  if (!setup_is_done() || finishing_ || clients_[number] == nullptr) return;
  world_.trace(fmt::format("client{} crashes", number));
  clients_[number].reset();
  world_.after(random_.between(1, 500) * kMs, [this, number] {
    if (!healed_) start_client(number);
  });
}

void GridSim::wish(const wire::GroupMessage& request) {
  for (SimProvider& provider : providers_) {
    if (provider.provider == nullptr || provider.provider->replica(kRootGroup) == nullptr) continue;
    Provider* manager = provider.provider.get();
    provider.env->run_turn([manager, request] { manager->on_packet(0, wire::Packet{0, 0, 0, 0, {request}}); });
  }
}

void GridSim::drain_somebody() {
  const std::string& name = providers_[random_.below(providers_.size())].name;
  const bool cancel = random_.chance(500'000);
  world_.trace(fmt::format("{} is {}", name, cancel ? "to be kept" : "to be emptied"));
  wish(wire::DrainRequest{.tag = 1, .provider = name, .cancel = cancel});
}

void GridSim::move_some_copy() {
  const std::vector<GroupId> groups = checks_.groups();
  const GroupId group = groups[random_.below(groups.size())];
  const std::string& from = providers_[random_.below(providers_.size())].name;
  const std::string& to = providers_[random_.below(providers_.size())].name;
  world_.trace(fmt::format("group {} is to move from {} to {}", group, from, to));
  wish(wire::MoveRequest{.tag = 2, .group = group, .from = from, .to = to});
}

// Asked again as long as somebody is being emptied.
void GridSim::cancel_drains() {
  for (const SimProvider& provider : providers_)
    wish(wire::DrainRequest{.tag = 3, .provider = provider.name, .cancel = true});
  world_.after(2000 * kMs, [this] {
    if (std::ranges::any_of(providers_, [](const SimProvider& one) {
          return one.provider != nullptr &&
                 std::ranges::any_of(one.provider->catalog().providers(), &wire::CatalogProvider::draining);
        })) {
      cancel_drains();
    }
  });
}

void GridSim::heal() {
  world_.trace("healed");
  healed_ = true;
  NetworkFaults& faults = network_.faults();
  faults.loss_ppm = faults.duplicate_ppm = faults.reorder_ppm = faults.late_ppm = 0;
  network_.unblock_all();
  for (SimProvider& provider : providers_) {
    mend_disk(provider);
    if (provider.provider == nullptr) start_provider(provider);
  }
  // The last pauses are over by then.
  world_.after(3000 * kMs, [this] { cancel_drains(); });
  world_.after(3500 * kMs, [this] { finish(); });
}

}  // namespace juxmem::sim

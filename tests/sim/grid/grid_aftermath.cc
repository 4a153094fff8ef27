// When all is over: the first managers of a grid in memory end at once and are started anew.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/sim/grid/grid_sim.h"

namespace juxmem::sim {
namespace {

constexpr TimeNs kLongEnough = 5'000 * kMs;  // for a manager to begin a grid that it must not begin
constexpr TimeNs kAtMost = 30'000 * kMs;

bool is_ready(const SimProvider* provider) { return provider->provider != nullptr && provider->provider->ready(); }

}  // namespace

bool GridSim::run_until(TimeNs limit, const std::function<bool()>& condition) {
  while (world_.violation().empty() && !condition() && world_.now() < limit && world_.step()) {
  }
  return condition();
}

// Where the root is lost with them, nobody begins another grid while a provider of this one lives.
void GridSim::forget_first_managers() {
  std::vector<SimProvider*> firsts;
  std::vector<SimProvider*> others;
  std::set<NodeId> rest;
  for (SimProvider& one : providers_) {
    if (one.manager) firsts.push_back(&one);
    if (one.manager || one.provider == nullptr) continue;
    others.push_back(&one);
    rest.insert(one.provider->self());
  }
  if (checks_.has_quorum(kRootGroup, rest)) return;
  const bool some_keep_the_root =
      std::ranges::any_of(others, [](const SimProvider* other) { return other->provider->replica(kRootGroup) != nullptr; });
  world_.trace("the first managers are started anew");
  is_another_grid_ = true;
  for (SimProvider* first : firsts) {
    if (first->provider != nullptr) end_provider(*first);
    world_.after(first_random_.between(0, 300) * kMs, [this, first] { start_provider(*first); });
  }
  const auto all_ready = [&] { return std::ranges::all_of(firsts, is_ready); };
  if (!others.empty()) {
    if (run_until(world_.now() + kLongEnough, [&] { return std::ranges::any_of(firsts, is_ready); }))
      return world_.fail("a second grid has begun while providers of the first one live");
    if (some_keep_the_root) return;
    const bool is_told = std::ranges::any_of(firsts, [](const SimProvider* first) {
      return first->provider->waiting_for().find("is lost") != std::string::npos;
    });
    if (!is_told) return world_.fail("nobody says that the catalog is lost");
    for (SimProvider* other : others) end_provider(*other);
  }
  if (!run_until(world_.now() + kAtMost, all_ready)) world_.fail("no new grid has begun though the old one has ended");
}

}  // namespace juxmem::sim

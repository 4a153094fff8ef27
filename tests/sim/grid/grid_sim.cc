#include "tests/sim/grid/grid_sim.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "consistency/coherence/holdings.h"

namespace juxmem::sim {
namespace {
constexpr TimeNs kLongestRun = 120'000 * kMs;
constexpr std::int64_t kLastLimitMs = 20'000;
constexpr std::int64_t kHealSoonMs = 5'000;
}  // namespace

GridSim::GridSim(std::uint64_t seed, bool keep_trace)
    : world_(seed, keep_trace),
      random_(world_.random().next()),
      link_random_(seed),
      disk_random_(~seed),
      first_random_(seed ^ 0x5eed),
      network_(world_),
      checks_(world_) {
  choose_grid();
  choose_network();
  choose_blocks();
  choose_disks(seed);
}

GridSim::~GridSim() {
  clients_.clear();
  for (SimProvider& provider : providers_) provider.provider.reset();
}

SeedOutcome GridSim::run() {
  for (SimProvider& provider : providers_) {
    world_.at(random_.between(0, 100) * kMs, [this, &provider] { start_provider(provider); });
  }
  for (std::size_t number = 0; number < clients_.size(); ++number) {
    world_.at(random_.between(0, 200) * kMs, [this, number] { start_client(number); });
  }
  next_fault();
  next_link_fault();
  next_disk_fault();
  next_move();
  while (!all_finished() && world_.now() < kLongestRun && world_.step()) {
  }
  if (world_.violation().empty() && !all_finished()) {
    for (const auto& client : clients_) {
      if (client == nullptr || client->finished()) continue;
      world_.fail(fmt::format("{} did not finish; it waits for: {}", client->env().name(), client->waits_for()));
    }
    if (!healed_) world_.fail("the grid was never set up");
    if (!is_whole()) world_.fail("a group with a quorum has not got members for those it has lost");
  }
  if (world_.violation().empty()) settle_quotas();
  if (world_.violation().empty()) check_histories();
  if (world_.violation().empty() && !on_disk_ && timing_.listen_ms != 0) forget_first_managers();
  if (!world_.violation().empty()) describe_groups();
  return {.violation = world_.violation(), .trace = world_.take_trace(), .caught_up = checks_.snapshots_installed() > 0};
}

// What nobody spent comes back to the root, whoever has died meanwhile.
void GridSim::settle_quotas() {
  const TimeNs until = world_.now() + (10 * timing_.quota_settle_ms + 5000) * kMs;
  while (!checks_.quotas_are_settled(living_nodes()) && world_.now() < until && world_.step()) {
  }
  if (world_.violation().empty() && !checks_.quotas_are_settled(living_nodes())) {
    world_.fail("the root keeps memory reserved that the groups do not have");
  }
}

// For whoever looks into a failing seed.
void GridSim::describe_groups() {
  for (const SimProvider& provider : providers_) {
    if (provider.provider == nullptr) continue;
    if (const Agent* agent = provider.provider->agent()) {
      for (const auto& [block, held] : agent->holdings().blocks()) {
        world_.trace(fmt::format("{} holds {} {} as {}: {} inside, {} waiting, request {}{}", provider.name,
                                 block_name(block), to_string(held.mode), to_string(held.grant), held.local.users().size(),
                                 held.local.waiters().size(), held.request, held.recalled ? ", recalled" : ""));
      }
    }
    for (const wire::CatalogProvider& row : provider.provider->catalog().providers()) {
      world_.trace(fmt::format("{} knows provider {} {} up {}{} reserved {} of {}", provider.name, row.node, row.name,
                               row.up, row.draining ? " draining" : "", row.reserved_bytes, row.capacity_bytes));
    }
    const wire::CatalogGroup& root = provider.provider->catalog().root();
    world_.trace(fmt::format("{} knows the root epoch {} members {} next {} held {}", provider.name, root.epoch,
                             fmt::join(root.members, " "), fmt::join(root.next, " "), fmt::join(root.held, " ")));
    for (const wire::CatalogGroup& row : provider.provider->catalog().groups()) {
      world_.trace(fmt::format("{} knows group {} epoch {} members {} next {} held {} reserved {}", provider.name, row.group,
                               row.epoch, fmt::join(row.members, " "), fmt::join(row.next, " "), fmt::join(row.held, " "),
                               row.reserved_bytes) +
                   fmt::format(" vacant {}{}", fmt::join(row.vacant, " "), row.lost ? ", lost" : ""));
    }
    for (GroupId group : provider.provider->groups()) {
      const Replica* replica = provider.provider->replica(group);
      if (replica == nullptr) continue;
      if (const Directory* directory = replica->directory()) {
        for (const auto& [block, record] : directory->records()) {
          std::string text =
              fmt::format("directory of {}: {}", block_name(block), directory->recovered() ? "" : "not recovered ");
          for (const auto& [session, holder] : record.holders) {
            text += fmt::format(" {} has {} as {},", session, to_string(holder.mode), to_string(holder.grant));
          }
          for (const DirectoryRequest& request : record.queue) {
            text += fmt::format(" {} wants {} #{}{},", request.session, to_string(request.mode), request.number,
                                request.try_only ? " at once" : "");
          }
          world_.trace(text + fmt::format(" recalls in {} ms", (record.recall_at - provider.env->clock().now()) / kMs));
        }
      }
      const StreamStatus status = replica->stream().status(provider.env->clock().now());
      world_.trace(
          fmt::format("{} node {} group {}: {} follows {} ballot {} decided {} applied {} last {} leads {} wakes in {} ms",
                      provider.name, provider.provider->self(), group, to_string(status.role), status.coordinator,
                      to_string(status.ballot), status.decided, status.applied, status.log_last, replica->leads(),
                      (replica->stream().next_wakeup(provider.env->clock().now()) - provider.env->clock().now()) / kMs));
    }
  }
}

void GridSim::start_provider(SimProvider& provider) {
  ++provider.lives;
  world_.trace(fmt::format("{} starts life {}", provider.name, provider.lives));
  provider.env = std::make_unique<SimEnv>(network_, provider.host, provider.name, provider.address, random_.next());
  ProviderOptions options{.name = provider.name,
                          .site = provider.site,
                          .address = provider.address,
                          .incarnation = provider.lives * 1000 + 1 + random_.below(999),
                          .capacity_bytes = 1ULL << 30,
                          .manager = provider.manager && !knows_only_itself(provider),
                          .managers = contacts_of(provider),
                          .timing = timing_,
                          .limits = limits_,
                          .log_segment_bytes = segment_bytes()};
  options.tell = [this, name = provider.name](const Notice& notice) {
    world_.trace(fmt::format("{}: {}", name, notice.text));
  };
  if (provider.disk) provider.env->use_disk(*provider.disk);
  provider.provider = std::make_unique<Provider>(*provider.env, std::move(options));
  Provider* made = provider.provider.get();
  provider.env->attach(made, [this, &provider] { after_turn(provider); });
  provider.env->run_turn([made] { made->start(); });
}

void GridSim::after_turn(SimProvider& provider) {
  if (const NodeId node = provider.provider->self(); node != 0) provider.node = node;
  if (!is_another_grid_) checks_.after_turn(*provider.provider);
  deliver_in_time(provider);
  if (!checks_.take_begun().empty()) on_epoch_begun(provider);
  if (on_disk_ && provider.provider->failure() && provider.failed_life != provider.lives) {
    provider.failed_life = provider.lives;
    on_failed(provider);
  }
}

// Managers know each other; others need anybody's address.
std::vector<std::string> GridSim::contacts_of(const SimProvider& provider) {
  if (!knows_only_itself(provider) && (provider.manager || !joins_anybody_)) return managers_;
  return {providers_[random_.below(providers_.size())].address, providers_[random_.below(providers_.size())].address,
          managers_.front()};
}

// A grid's only first manager may have lost its seat to somebody else: people tell it of others.
bool GridSim::knows_only_itself(const SimProvider& provider) const {
  return on_disk_ && provider.manager && provider.lives > 1 && managers_.size() == 1;
}

void GridSim::end_provider(SimProvider& provider, std::optional<Crash> how) {
  world_.trace(fmt::format("{} crashes", provider.name));
  if (!is_another_grid_) checks_.ended(*provider.provider);
  provider.provider.reset();
  provider.env.reset();
  provider.disk_due = SimDisk::kNever;
  if (!provider.disk) return;
  if (!how) how = disk_random_.chance(500'000) ? Crash::kPower : Crash::kProcess;
  provider.disk->crash(*how);
}

void GridSim::start_client(std::size_t number) {
  const std::uint64_t life = ++client_lives_[number];
  ClientPlan plan{.number = static_cast<std::uint32_t>(number), .addresses = {}, .timing = timing_};
  for (const SimProvider& provider : providers_) {
    if (provider.host == client_hosts_[number]) plan.addresses.push_back(provider.address);
  }
  for (int i = 0; i < 2; ++i) {
    const std::string& address = providers_[random_.below(providers_.size())].address;
    if (std::ranges::find(plan.addresses, address) == plan.addresses.end()) plan.addresses.push_back(address);
  }
  plan.values = (number + 1) << 40 | life << 24;
  plan.crash = [this, number, life] {
    if (client_lives_[number] != life || clients_[number] == nullptr) return;
    if (random_.chance(700'000)) return crash_agent_of(number);
    crash_client(number);
  };
  plan.acknowledged = [this](BlockId block) { on_acknowledged(group_of(block)); };
  plan.pause_max = random_.between(2, 50) * kMs;
  clients_[number] = std::make_unique<SimClient>(world_, network_, client_hosts_[number], std::move(plan), blocks_);
  clients_[number]->start();
}

bool GridSim::setup_is_done() const {
  return std::ranges::all_of(blocks_, [](const SharedBlock& block) { return block.id != 0; });
}

bool GridSim::all_finished() const {
  const bool done =
      std::ranges::all_of(clients_, [](const auto& client) { return client == nullptr || client->finished(); });
  return healed_ && finishing_ && done && is_whole();
}

// In seeds that leave the time for it.
bool GridSim::is_whole() const { return timing_.heal_after_ms > kHealSoonMs || checks_.all_whole(living_nodes()); }

std::set<NodeId> GridSim::living_nodes() const {
  std::set<NodeId> living;
  for (const SimProvider& provider : providers_) {
    if (provider.provider != nullptr && provider.provider->self() != 0) living.insert(provider.provider->self());
  }
  return living;
}

void GridSim::finish() {
  finishing_ = true;
  const std::set<NodeId> living = living_nodes();
  std::vector<std::size_t> alive;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].id != 0 && checks_.has_quorum(group_of(blocks_[i].id), living)) alive.push_back(i);
  }
  for (const auto& client : clients_) {
    if (client != nullptr) client->finish(alive, kLastLimitMs);
  }
}

void GridSim::check_histories() {
  for (const SharedBlock& block : blocks_) {
    std::vector<HistoryOp> history(block.history.begin(), block.history.end());
    if (check_linearizable(history) != Verdict::kNot) continue;
    world_.fail(fmt::format("the history of {} ({}) is not linearizable", block.name, block_name(block.id)));
    for (const HistoryOp& op : history) {
      if (op.read == kNoValues && op.written == kNoValues) continue;
      world_.trace(fmt::format("  {} [{:.3f}, {:.3f}] read {:x} {:x} {:x} wrote {:x} {:x} {:x}", op.who,
                               static_cast<double>(op.called) / 1e6,
                               op.returned == kNever ? -1.0 : static_cast<double>(op.returned) / 1e6, op.read[0], op.read[1],
                               op.read[2], op.written[0], op.written[1], op.written[2]));
    }
  }
}

}  // namespace juxmem::sim

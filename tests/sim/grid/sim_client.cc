#include "tests/sim/grid/sim_client.h"

#include <fmt/core.h>

#include <utility>

namespace juxmem::sim {

SimClient::SimClient(SimWorld& world, SimNetwork& network, HostId host, ClientPlan plan, std::deque<SharedBlock>& blocks)
    : world_(world), network_(network), plan_(std::move(plan)), blocks_(blocks), random_(world.random().next()) {
  const std::string name = fmt::format("client{}", plan_.number);
  env_ = std::make_unique<SimEnv>(network_, host, name, std::string(), world_.random().next());
  core_ = std::make_unique<ClientCore>(
      *env_, ClientCore::Options{
                 .addresses = plan_.addresses, .client = random_.next() | 1, .program = name, .timing = plan_.timing});
  env_->attach(core_.get(), {});
}

// The core goes first: it refers to the environment.
SimClient::~SimClient() { core_.reset(); }

void SimClient::start() {
  env_->run_turn([this] {
    busy_ = true;
    begin("connect", 20'000);
    core_->connect(call_limit_ms_, [this](Result<void> result) {
      world_.trace(fmt::format("client{} connected: {}", plan_.number, result ? "yes" : to_string(result.error())));
      end();
    });
  });
}

void SimClient::finish(std::vector<std::size_t> blocks, std::int64_t limit_ms) {
  finishing_ = true;
  last_blocks_ = std::move(blocks);
  last_limit_ms_ = limit_ms;
  if (!busy_) env_->run_turn([this] { next(); });
}

// ---- the loop -------------------------------------------------------------------------------------------------------

void SimClient::begin(const std::string& what, std::int64_t limit_ms) {
  doing_ = what;
  call_limit_ms_ = limit_ms;
  called_at_ = world_.now();
  ++calls_;
  world_.trace(fmt::format("client{} calls {} limit {}", plan_.number, what, limit_ms));
}

// Every call ends at its limit. A process that did not run meanwhile is excused.
bool SimClient::call_was_timely(const std::string& what) {
  constexpr TimeNs kSlack = 50 * kMs;
  const TimeNs limit = (call_limit_ms_ + 2 * ClientCore::kGraceMs) * kMs + kSlack;
  if (world_.now() - called_at_ <= limit || env_->paused_until() + kSlack >= called_at_) return true;
  world_.fail(fmt::format("client{}: {} with limit {} ms took {} ms", plan_.number, what, call_limit_ms_,
                          (world_.now() - called_at_) / kMs));
  return false;
}

void SimClient::end() {
  call_was_timely(doing_);
  busy_ = false;
  doing_.clear();
  env_->run_turn([this] { next(); }, finishing_ ? kMs : random_.between(0, plan_.pause_max));
}

void SimClient::next() {
  if (busy_) return;
  if (finishing_ && last_blocks_.empty()) return;
  busy_ = true;
  if (finishing_) {
    const std::size_t block = last_blocks_.back();
    return section(block, true, false, last_limit_ms_, true);
  }
  for (SharedBlock& block : blocks_) {
    if (block.id != 0) continue;
    if (plan_.number == 0) return make_block(block);
    return find_block(block);
  }
  run_something();
}

void SimClient::make_block(SharedBlock& block) {
  begin("malloc " + block.name, some_limit_ms());
  const AllocateSpec spec{.size_bytes = block.part_bytes * kParts,
                          .shape = block.shape,
                          .durability = block.durability,
                          .meta = Buffer::copy_of(block.name)};
  core_->allocate(spec, call_limit_ms_, [this, &block](Result<BlockId> id) {
    if (!id) {
      if (!is_allowed(id.error(), "malloc")) return;
      return end();
    }
    begin("publish " + block.name, some_limit_ms());
    core_->publish(block.name, *id, call_limit_ms_, [this, &block, id = *id](Result<void> result) {
      if (result) {
        block.id = id;
        world_.trace(fmt::format("{} is {}, with parts of {} bytes", block.name, block_name(id), block.part_bytes));
      } else if (result.error().code == Code::kNameTaken) {
        // An earlier attempt with unknown outcome took the name for an earlier block.
        block.name += "'";
      }
      end();
    });
  });
}

void SimClient::find_block(SharedBlock& block) {
  begin("lookup " + block.name, some_limit_ms());
  const std::string name = block.name;
  core_->lookup(name, call_limit_ms_, [this, &block, name](Result<BlockId> id) {
    if (id && block.id != 0 && block.name == name && *id != block.id) {
      return world_.fail(fmt::format("lookup of {} gave {} instead of {}", name, block_name(*id), block_name(block.id)));
    }
    end();
  });
}

std::int64_t SimClient::some_limit_ms() {
  return random_.chance(200'000) ? random_.between(0, 300) : random_.between(300, plan_.limit_ms_max);
}

void SimClient::run_something() {
  const std::size_t block = random_.below(blocks_.size());
  const std::uint64_t dice = random_.below(100);
  if (dice < 40) return section(block, true, false, some_limit_ms(), false);
  if (dice < 55) return section(block, false, false, some_limit_ms(), false);
  if (dice < 60) return section(block, true, true, some_limit_ms(), false);
  if (dice < 75) return read_once(block);
  if (dice < 86) return write_once(block);
  if (dice < 91) return wait_for_change(block);
  if (dice < 96) return try_names();
  try_own_block();
}

}  // namespace juxmem::sim

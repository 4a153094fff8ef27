// Random commands: two machines stay equal, and a naive model agrees with what they say and hold.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/base/random.h"
#include "tests/unit/machines/machine_fixture.h"

namespace juxmem {
namespace {

struct Step {
  wire::Command command;
  Buffer data;
};

constexpr std::uint64_t kBlockBytes = 3 * kPageBytes + 17;

// What a step does is the choice of a few sessions, slots, blocks and grants, so that they collide often.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Step next(Instance instance, const std::vector<LiveSession>& live) {
    Step step;
    const std::uint64_t kind = random_.below(100);
    if (kind < 6) {
      step.command.action = wire::OpenSession{static_cast<NodeId>(1 + random_.below(3)), 1 + random_.below(2)};
      return step;
    }
    if (kind < 8) {
      step.command.action = wire::ExpireSession{1 + random_.below(instance)};
      return step;
    }
    if (kind < 14 && !history_.empty()) return history_[random_.below(history_.size())];  // sent again
    step.command.op = op(instance, live);
    const BlockId block = make_block_id(kGroup, 1 + random_.below(4));
    const Grant fence = grant(1 + random_.below(3), 1 + random_.below(3));
    if (kind < 20) {
      step.command.action = wire::Allocate{.size_bytes = kBlockBytes, .added_quota_bytes = 16384, .meta = {}};
    } else if (kind < 22) {
      step.command.action = wire::Free{block};
    } else if (kind < 60) {
      auto [ranges, data] = changes();
      step.command.action = wire::Publish{block, fence, std::move(ranges)};
      step.data = std::move(data);
    } else if (kind < 85) {
      auto [ranges, data] = changes();
      step.command.action = wire::Stage{block, static_cast<std::uint32_t>(random_.below(3)), std::move(ranges)};
      step.data = std::move(data);
    } else if (kind < 96) {
      step.command.action = wire::Install{block, fence, static_cast<std::uint32_t>(1 + random_.below(3))};
    } else if (kind < 98) {
      step.command.action = wire::Unstage{block};
    } else {
      step.command.action = wire::ShrinkQuota{random_.below(16384)};
    }
    history_.push_back(step);
    return step;
  }

 private:
  OpId op(Instance instance, const std::vector<LiveSession>& live) {
    const bool any = live.empty() || random_.chance(50'000);
    const SessionId session = any ? 1 + random_.below(instance) : live[random_.below(live.size())].session;
    const auto slot = static_cast<std::uint32_t>(random_.below(2));
    std::uint64_t& counter = counters_[{session, slot}];
    if (random_.chance(300'000)) ++counter;
    return {session, slot, counter + 1};
  }
  std::pair<std::vector<wire::Range>, Buffer> changes() {
    std::vector<wire::Range> ranges;
    std::string data;
    for (std::uint64_t i = random_.below(4); i > 0; --i) {
      const std::uint64_t offset = random_.below(kBlockBytes + 2);
      const std::uint64_t size_bytes = random_.below(random_.chance(200'000) ? 6000 : 10);
      ranges.push_back({offset, size_bytes});
      data += std::string(size_bytes, static_cast<char>('a' + random_.below(26)));
    }
    if (random_.chance(20'000)) data += "x";
    return {ranges, Buffer::copy_of(data)};
  }

  Random random_;
  std::map<std::pair<SessionId, std::uint32_t>, std::uint64_t> counters_;
  std::vector<Step> history_;
};

// Blocks as strings, everything remembered.
class Model {
 public:
  // What a machine executed and accepted.
  void execute(Instance instance, const Step& step, const wire::Reply& reply) {
    const OpId& op = step.command.op;
    if (const auto* command = std::get_if<wire::Stage>(&step.command.action)) {
      staged_[op].try_emplace(command->part, command->ranges, step.data);
      return;
    }
    ASSERT_TRUE(executed_.insert(op).second) << to_string(op) << " was executed twice";
    if (reply.code != Code::kOk) return;
    if (std::holds_alternative<wire::Allocate>(step.command.action)) {
      content[reply.block] = std::string(kBlockBytes, '\0');
    } else if (const auto* command = std::get_if<wire::Free>(&step.command.action)) {
      content.erase(command->block);
      version.erase(command->block);
      fence_.erase(command->block);
    } else if (const auto* command = std::get_if<wire::Publish>(&step.command.action)) {
      pass_fence(command->block, command->grant, !step.data.empty());
      write(instance, command->block, command->ranges, step.data);
    } else if (const auto* command = std::get_if<wire::Install>(&step.command.action)) {
      ASSERT_EQ(staged_[op].size(), command->parts);
      bool changes = false;
      for (const auto& [part, change] : staged_[op]) changes |= !change.second.empty();
      pass_fence(command->block, command->grant, changes);
      for (const auto& [part, change] : staged_[op]) write(instance, command->block, change.first, change.second);
    }
  }

  std::map<BlockId, std::string> content;
  std::map<BlockId, Version> version;

 private:
  void pass_fence(BlockId block, const Grant& grant, bool changes) {
    ASSERT_GE(grant, fence_[block]);
    if (changes) fence_[block] = grant;
  }
  void write(Instance instance, BlockId block, const std::vector<wire::Range>& ranges, const Buffer& data) {
    std::size_t taken = 0;
    for (const wire::Range& range : ranges) {
      content.at(block).replace(range.offset, range.size_bytes, data.text().substr(taken, range.size_bytes));
      taken += range.size_bytes;
    }
    if (!data.empty()) version[block] = instance;
  }

  std::set<OpId> executed_;
  std::map<OpId, std::map<std::uint32_t, std::pair<std::vector<wire::Range>, Buffer>>> staged_;
  std::map<BlockId, Grant> fence_;
};

class MachineProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MachineProperty, ModelAndTwinAgreeAtEveryStep) {
  SCOPED_TRACE("replay: machines_test --gtest_filter='*ModelAndTwinAgreeAtEveryStep/" + std::to_string(GetParam()) + "'");
  Generator generator(GetParam());
  const BlockLimits limits{.staged_bytes_max = 20'000, .staged_parts_max = 12};
  PageArena arena = *PageArena::create(kArenaBytes);
  PageArena twin_arena = *PageArena::create(kArenaBytes);
  BlockMachine machine(kGroup, arena, limits);
  BlockMachine twin(kGroup, twin_arena, limits);
  Model model;
  for (Instance instance = 1; instance <= 1200; ++instance) {
    const Step step = generator.next(instance, machine.sessions().live());
    const Applied applied = machine.apply(instance, step.command, step.data);
    const Applied other = twin.apply(instance, step.command, step.data);
    ASSERT_EQ(applied.reply, other.reply);
    ASSERT_EQ(machine.digest(), twin.digest());
    const bool counts = applied.executed && step.command.op.counter != 0 &&
                        (applied.reply.code == Code::kOk || !std::holds_alternative<wire::Stage>(step.command.action));
    if (counts) model.execute(instance, step, applied.reply);
    if (HasFatalFailure()) return;
    ASSERT_LE(machine.used_bytes(), machine.quota_bytes());
    ASSERT_EQ(machine.block_count(), model.content.size());
    if (applied.changed != 0) {
      ASSERT_EQ(applied.reply.version, instance);
      ASSERT_EQ(model.version[applied.changed], instance);
    }
    for (const auto& [block, content] : model.content) {
      ASSERT_EQ(machine.find(block)->version, model.version.contains(block) ? model.version[block] : 0);
      if (instance % 50 != 0 && applied.changed != block) continue;
      const wire::PagesReply pages =
          machine.read_pages({.block = block, .tag = 0, .offset = 0, .size_bytes = kBlockBytes}, ~0ULL);
      std::string held(kBlockBytes, '\0');
      for (std::size_t i = 0; i < pages.ranges.size(); ++i) {
        held.replace(pages.ranges[i].offset, pages.ranges[i].size_bytes, pages.data[i].text());
      }
      ASSERT_TRUE(held == content) << "block " << block_name(block) << " at " << instance;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MachineProperty, testing::Range<std::uint64_t>(0, 30));

// A snapshot opened anywhere, and read out while further commands run, makes the machine that was.
class SnapshotProperty : public testing::TestWithParam<std::uint64_t> {};

std::map<BlockId, wire::PagesReply> pages_of_all(const BlockMachine& machine) {
  std::map<BlockId, wire::PagesReply> pages;
  for (std::uint64_t slot = 1; slot <= 40; ++slot) {
    const BlockId block = make_block_id(kGroup, slot);
    if (machine.find(block))
      pages[block] = machine.read_pages({.block = block, .tag = 0, .offset = 0, .size_bytes = kBlockBytes}, ~0ULL);
  }
  return pages;
}

TEST_P(SnapshotProperty, RestoredMachineIsTheOneThatWasAndGoesOnLikeIt) {
  SCOPED_TRACE("replay: machines_test --gtest_filter='*RestoredMachineIsTheOneThatWasAndGoesOnLikeIt/" +
               std::to_string(GetParam()) + "'");
  Generator generator(GetParam());
  Random random(GetParam() + 1000);
  PageArena arena = *PageArena::create(kArenaBytes);
  PageArena twin_arena = *PageArena::create(kArenaBytes);
  PageArena copy_arena = *PageArena::create(kArenaBytes);
  BlockMachine machine(kGroup, arena);
  BlockMachine twin(kGroup, twin_arena);  // stays where the snapshot is
  BlockMachine copy(kGroup, copy_arena);
  std::vector<Step> later;
  Instance instance = 0;
  const auto apply = [&](bool is_later) {
    const Step step = generator.next(++instance, machine.sessions().live());
    machine.apply(instance, step.command, step.data);
    if (is_later)
      later.push_back(step);
    else
      twin.apply(instance, step.command, step.data);
  };
  for (std::uint64_t i = 1 + random.below(600); i > 0; --i) apply(false);
  if (random.chance(500'000)) machine.open_snapshot();  // an older one that nobody reads
  const SnapshotNumber number = machine.open_snapshot();
  wire::SnapshotCursor cursor;
  for (bool last = false; !last;) {
    for (std::uint64_t i = random.below(60); i > 0; --i) apply(true);
    if (random.chance(50'000)) machine.open_snapshot();
    const Result<SnapshotPart> part = machine.read_snapshot(number, cursor, 5000 + random.below(6000));
    ASSERT_TRUE(part) << to_string(part.error());
    cursor = part->next;
    last = part->last;
    const Status taken = copy.restore(part->piece);
    ASSERT_TRUE(taken) << to_string(taken.error());
  }
  ASSERT_EQ(copy.digest(), twin.digest());
  ASSERT_EQ(copy.applied(), twin.applied());
  ASSERT_EQ(pages_of_all(copy), pages_of_all(twin));
  Instance place = twin.applied();
  for (const Step& step : later) {
    ++place;
    const Applied one = twin.apply(place, step.command, step.data);
    const Applied other = copy.apply(place, step.command, step.data);
    ASSERT_EQ(one.reply, other.reply);
    ASSERT_EQ(twin.digest(), copy.digest());
  }
  ASSERT_EQ(machine.digest(), copy.digest());
  ASSERT_EQ(pages_of_all(copy), pages_of_all(machine));
}

INSTANTIATE_TEST_SUITE_P(Seeds, SnapshotProperty, testing::Range<std::uint64_t>(0, 60));

// A reader that asks only for what is newer than what it has ends with the whole content.
class ReaderProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ReaderProperty, NewerPagesAreEnoughToFollow) {
  SCOPED_TRACE("replay: machines_test --gtest_filter='*NewerPagesAreEnoughToFollow/" + std::to_string(GetParam()) + "'");
  Random random(GetParam());
  BlockRig rig;
  const BlockId block = rig.allocate(kBlockBytes);
  std::string truth(kBlockBytes, '\0');
  std::string copy(kBlockBytes, '\0');
  Version have = 0;
  for (int step = 0; step < 200; ++step) {
    const std::uint64_t offset = random.below(kBlockBytes);
    const std::uint64_t size_bytes = random.below(kBlockBytes - offset + 1);
    const std::string data(size_bytes, static_cast<char>('a' + random.below(26)));
    rig.run(wire::Publish{block, grant(1), {{offset, size_bytes}}}, Buffer::copy_of(data));
    truth.replace(offset, size_bytes, data);
    if (random.chance(500'000)) continue;
    std::uint64_t at = 0;
    Version version = have;
    while (at < kBlockBytes) {
      const wire::PagesReply pages = rig.read(block, at, kBlockBytes - at, have, 1 + random.below(3 * kPageBytes));
      ASSERT_GT(pages.covered_bytes, 0U);
      for (std::size_t i = 0; i < pages.ranges.size(); ++i) {
        copy.replace(pages.ranges[i].offset, pages.ranges[i].size_bytes, pages.data[i].text());
      }
      version = pages.version;
      at += pages.covered_bytes;
    }
    have = version;
    ASSERT_TRUE(copy == truth);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReaderProperty, testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace juxmem

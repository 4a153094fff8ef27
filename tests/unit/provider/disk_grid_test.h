// DiskGridTest: providers with data folders on one site, and an agent elsewhere that asks whoever leads.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/disk/sim_disk.h"
#include "tests/unit/provider/far_agent.h"
#include "tests/unit/provider/provider_grid.h"

namespace juxmem {

// The first `managers` of the providers are the managers.
class DiskGridTest : public testing::Test {
 protected:
  DiskGridTest(std::size_t providers, std::size_t managers)
      : grid_(std::vector<std::string>(providers, "a"), managers), agent_(grid_, 900) {
    for (std::size_t i = 0; i < providers; ++i) give_empty_folder(i);
  }

  void give_empty_folder(std::size_t index) {
    auto made = std::make_unique<sim::SimDisk>(sim::SimDiskOptions{.seed = index + 1, .latency_max_ns = 200'000},
                                               grid_.node(index).clock());
    sim::SimDisk* disk = made.get();
    grid_.use_disk(index, {disk, [disk] { return disk->next_due(); }, [disk] { disk->deliver_due(); },
                           [disk] { disk->crash(sim::Crash::kPower); }});
    if (disks_.size() <= index) disks_.resize(index + 1);
    if (disks_[index]) former_disks_.push_back(std::move(disks_[index]));
    disks_[index] = std::move(made);
  }

  std::size_t lead(GroupId group) {
    EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group) >= 0; })) << "nobody leads group " << group;
    return static_cast<std::size_t>(std::max(0, grid_.leader_of(group)));
  }
  wire::Reply execute(GroupId group, SessionId session, wire::Action action) {
    const OpId op = session == 0 ? OpId{} : OpId{session, 0, ++counter_};
    const std::uint64_t tag = agent_.propose(lead(group), group, op, std::move(action));
    const auto executed =
        agent_.receive<wire::Executed>([tag](const wire::Executed& answer) { return answer.tag == tag; }, 20'000);
    EXPECT_TRUE(executed.has_value());
    return executed ? executed->reply : wire::Reply{};
  }
  SessionId open(GroupId group) {
    counter_ = 0;
    return execute(group, 0, wire::OpenSession{agent_.node(), 7000 + agent_.node()}).session;
  }

  std::vector<std::unique_ptr<sim::SimDisk>> disks_;         // by provider
  std::vector<std::unique_ptr<sim::SimDisk>> former_disks_;  // what was on its way to them may still end
  ProviderGrid grid_;
  FarAgent agent_;

 private:
  std::uint64_t counter_ = 0;
};

}  // namespace juxmem

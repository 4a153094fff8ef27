// Providers whose disks hang, fill up, or have not kept anything yet when they are killed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "juxmem/provider/block_machine.h"
#include "tests/unit/provider/disk_grid_test.h"

namespace juxmem {
namespace {

// Four providers with data folders on one site.
class ProviderStorageTest : public DiskGridTest {
 protected:
  static constexpr std::size_t kProviders = 4;

  explicit ProviderStorageTest(std::size_t managers = 3) : DiskGridTest(kProviders, managers) {
    for (std::size_t i = 0; i < kProviders; ++i) {
      grid_.options(i).timing.heal_after_ms = 60'000;
      grid_.options(i).log_segment_bytes = 64 * 1024;
    }
  }

  void start() {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.start(i);
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
    grid_.run_for(600);
  }
  void wish(const wire::GroupMessage& message) {
    for (std::size_t i = 0; i < kProviders; ++i) agent_.send(i, message);
  }
  void make_group() {
    wire::CreateGroup create{.shape = {1, 3}, .durability = Durability::kDisk, .prefer = 2, .reserve_bytes = 8U << 20};
    group_ = execute(kRootGroup, open(kRootGroup), create).number;
    session_ = open(group_);
    ASSERT_EQ(allocate(), Code::kOk);
  }
  Code allocate() {
    return execute(group_, session_, wire::Allocate{.size_bytes = 4096, .added_quota_bytes = 8U << 20}).code;
  }
  std::size_t followers_index(std::size_t leader) {
    for (std::size_t i = 0; i < kProviders; ++i) {
      if (i != leader && grid_.provider(i).replica(group_) != nullptr) return i;
    }
    return kProviders;
  }
  // Not even a checkpoint can make room.
  void fill(std::size_t index) {
    disks_[index]->lose("reserve");
    disks_[index]->set_capacity(disks_[index]->used_bytes());
  }
  void clear(std::size_t index) { disks_[index]->set_capacity(1U << 30); }
  Code allocate_until_refused() {
    Code code = Code::kOk;
    for (int i = 0; i < 500 && code == Code::kOk; ++i) code = allocate();
    return code;
  }

  GroupId group_ = 0;
  SessionId session_ = 0;
};

TEST_F(ProviderStorageTest, IdleGroupsLeaveADiskThatHangs) {
  start();
  make_group();
  const std::size_t slow = lead(group_);
  disks_[slow]->hang(true);
  // Whether or not they have something to write there themselves.
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0 && lead(group_) != slow; }, 10'000));
  EXPECT_TRUE(grid_.run_until([&] { return lead(kRootGroup) != slow; }, 10'000));
  session_ = open(group_);
  EXPECT_EQ(allocate(), Code::kOk);
  disks_[slow]->hang(false);
  EXPECT_TRUE(grid_.run_until([&] { return grid_.provider(slow).replica(group_)->applied() >= session_ + 1; }));
}

TEST_F(ProviderStorageTest, ProviderWhoseDiskHangsIsCalledDownAndUpAgain) {
  start();
  make_group();
  const std::size_t slow = lead(group_);
  const NodeId node = grid_.provider(slow).self();
  const auto is_up = [&] { return grid_.provider((slow + 1) % kProviders).catalog().provider(node)->up; };
  disks_[slow]->hang(true);
  allocate();
  EXPECT_TRUE(grid_.run_until([&] { return !is_up(); }));
  disks_[slow]->hang(false);
  EXPECT_TRUE(grid_.run_until(is_up));
}

TEST_F(ProviderStorageTest, FullDiskOfOneMemberStopsNobody) {
  start();
  make_group();
  const std::size_t full = lead(group_);
  fill(full);
  for (int i = 0; i < 300; ++i) {
    if (lead(group_) == full) grid_.run_for(100);
    ASSERT_EQ(allocate(), Code::kOk) << i;
  }
  EXPECT_NE(lead(group_), full);
  clear(full);
  const Instance now = grid_.provider(lead(group_)).replica(group_)->applied();
  EXPECT_TRUE(grid_.run_until([&] { return grid_.provider(full).replica(group_)->applied() >= now; }));
}

TEST_F(ProviderStorageTest, FullQuorumRefusesByNameAndGoesOnOnceThereIsRoom) {
  start();
  make_group();
  for (std::size_t i = 0; i < kProviders; ++i) fill(i);
  EXPECT_EQ(allocate_until_refused(), Code::kNoSpace);
  const std::size_t leader = lead(group_);
  grid_.run_for(5000);
  EXPECT_GE(grid_.leader_of(group_), 0);  // it serves those who read
  EXPECT_EQ(allocate(), Code::kNoSpace);
  clear(followers_index(leader));
  EXPECT_EQ(allocate(), Code::kNoSpace);
  for (std::size_t i = 0; i < kProviders; ++i) clear(i);
  grid_.run_for(1000);
  session_ = open(group_);
  EXPECT_EQ(allocate(), Code::kOk);
}

// Killed after so many steps of 200 us.
class ProviderKilledEarlyTest : public ProviderStorageTest, public testing::WithParamInterface<int> {
 protected:
  ProviderKilledEarlyTest() {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.options(i).timing.listen_ms = 0;
  }
  void kill_and_start_again(const std::vector<std::size_t>& indexes) {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.start(i);
    grid_.run_for_ns(GetParam() * 200'000);
    for (std::size_t i : indexes) grid_.kill(i);
    grid_.run_for(300);
    for (std::size_t i : indexes) grid_.start(i);
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
  }
};

TEST_P(ProviderKilledEarlyTest, ManagerComesBackFromItsFolder) { kill_and_start_again({0}); }
TEST_P(ProviderKilledEarlyTest, WholeGridComesBackFromItsFolders) { kill_and_start_again({0, 1, 2, 3}); }

INSTANTIATE_TEST_SUITE_P(Steps, ProviderKilledEarlyTest, testing::Range(1, 60));

class OnlyManagerTest : public ProviderStorageTest {
 protected:
  OnlyManagerTest() : ProviderStorageTest(1) {}
};

TEST_F(OnlyManagerTest, FirstManagerFindsTheGridThatHasLeftIt) {
  start();
  wish(wire::MoveRequest{.tag = 1, .group = kRootGroup, .from = "p0", .to = "p1"});
  ASSERT_TRUE(
      grid_.run_until([&] { return grid_.leader_of(kRootGroup) > 0 && grid_.provider(0).replica(kRootGroup) == nullptr; }));
  const NodeId node = grid_.provider(0).self();
  grid_.run_for(1000);
  grid_.kill(0);
  grid_.run_for(1000);
  grid_.start(0);  // told of nobody but itself
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
  EXPECT_EQ(grid_.provider(0).self(), node);
}

TEST_F(OnlyManagerTest, EmptyingItGivesItsSeatAway) {
  start();
  wish(wire::DrainRequest{.tag = 1, .provider = "p0"});
  ASSERT_TRUE(
      grid_.run_until([&] { return grid_.leader_of(kRootGroup) > 0 && grid_.provider(0).replica(kRootGroup) == nullptr; }));
  const auto next = static_cast<std::size_t>(grid_.leader_of(kRootGroup));
  EXPECT_TRUE(grid_.provider(next).replica(kRootGroup)->is_alone());
  grid_.kill(0);
  grid_.kill(next);
  grid_.start(next);
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(kRootGroup) == static_cast<int>(next); }));
}

// The next one is killed so many steps of 4 ms after it has begun to learn.
class NextOnlyManagerTest : public OnlyManagerTest, public testing::WithParamInterface<int> {};

TEST_P(NextOnlyManagerTest, RemembersThatItIsOneHoweverEarlyItIsKilled) {
  start();
  wish(wire::MoveRequest{.tag = 1, .group = kRootGroup, .from = "p0", .to = "p1"});
  ASSERT_TRUE(grid_.run_until([&] { return grid_.provider(1).learner(kRootGroup) != nullptr; }));
  grid_.run_for_ns(GetParam() * 4'000'000);
  grid_.kill(1);
  grid_.run_for(GetParam() % 3 == 0 ? 3000 : 100);
  grid_.start(1);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(1).waiting_for();
  EXPECT_TRUE(grid_.run_until(
      [&] { return grid_.leader_of(kRootGroup) == 1 && grid_.provider(1).replica(kRootGroup)->is_alone(); }));
}

TEST_P(NextOnlyManagerTest, GetsTheSeatFromOneThatWasKilledMeanwhileToo) {
  start();
  wish(wire::MoveRequest{.tag = 1, .group = kRootGroup, .from = "p0", .to = "p1"});
  ASSERT_TRUE(grid_.run_until([&] { return grid_.provider(1).learner(kRootGroup) != nullptr; }));
  grid_.run_for_ns(GetParam() * 4'000'000);
  for (const std::size_t i : {1U, 0U}) grid_.kill(i);
  grid_.run_for(100);
  for (const std::size_t i : {1U, 0U}) grid_.start(i);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(1).waiting_for();
  EXPECT_TRUE(grid_.run_until(
      [&] { return grid_.leader_of(kRootGroup) == 1 && grid_.provider(1).replica(kRootGroup)->is_alone(); }));
}

INSTANTIATE_TEST_SUITE_P(Steps, NextOnlyManagerTest, testing::Range(0, 75));

}  // namespace
}  // namespace juxmem

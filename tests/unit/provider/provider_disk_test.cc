// Providers with data folders that are killed and started again.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "juxmem/provider/block_machine.h"
#include "tests/unit/provider/disk_grid_test.h"

namespace juxmem {
namespace {

// Five providers with data folders on one site, the first three the managers.
class ProviderDiskTest : public DiskGridTest {
 protected:
  static constexpr std::size_t kProviders = 5;

  ProviderDiskTest() : DiskGridTest(kProviders, 3) {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.options(i).timing.heal_after_ms = 500;
  }

  void SetUp() override {
    grid_.start_all();
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
    grid_.run_for(600);
  }

  void make_group(std::uint32_t copies, Durability durability) {
    wire::CreateGroup create{
        .shape = {1, copies}, .durability = durability, .prefer = grid_.provider(1).self(), .reserve_bytes = 1U << 20};
    group_ = execute(kRootGroup, open(kRootGroup), create).number;
    session_ = open(group_);
    block_ = execute(group_, session_, wire::Allocate{.size_bytes = 8192, .added_quota_bytes = 1U << 20}).block;
    ASSERT_NE(block_, 0U);
  }

  void kill_all() {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.kill(i);
  }
  void start_again_all() {
    for (std::size_t i = 0; i < kProviders; ++i) grid_.start(i);
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
  }
  std::vector<NodeId> nodes() {
    std::vector<NodeId> found;
    for (std::size_t i = 0; i < kProviders; ++i) found.push_back(grid_.provider(i).self());
    return found;
  }
  const wire::CatalogGroup& row() { return *grid_.provider(lead(kRootGroup)).catalog().group(group_); }
  std::size_t index_of(NodeId node) {
    const std::vector<NodeId> all = nodes();
    return static_cast<std::size_t>(std::ranges::find(all, node) - all.begin());
  }
  std::string name_of(NodeId node) { return "p" + std::to_string(index_of(node)); }
  bool has_block(std::size_t index) {
    const Replica* replica = grid_.provider(index).replica(group_);
    return replica != nullptr && replica->blocks()->find(block_).has_value();
  }
  bool all_members_have_block() {
    return std::ranges::all_of(row().members, [&](NodeId node) { return has_block(index_of(node)); });
  }

  GroupId group_ = 0;
  SessionId session_ = 0;
  BlockId block_ = 0;
};

TEST_F(ProviderDiskTest, WholeGridGoesOnFromItsFolders) {
  make_group(3, Durability::kDisk);
  const std::vector<NodeId> before = nodes();
  for (int round = 0; round < 3; ++round) {
    kill_all();
    start_again_all();
    EXPECT_EQ(nodes(), before);
    lead(group_);
    EXPECT_EQ(row().epoch, 1U);
    EXPECT_TRUE(grid_.run_until([&] { return all_members_have_block(); }));
  }
}

TEST_F(ProviderDiskTest, ProvidersThatStayAliveFollowManagersThatComeBack) {
  make_group(3, Durability::kDisk);
  for (std::size_t i = 0; i < 3; ++i) grid_.kill(i);
  grid_.run_for(300);
  for (std::size_t i = 0; i < 3; ++i) grid_.start(i);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); })) << grid_.provider(0).waiting_for();
  lead(group_);
  EXPECT_TRUE(grid_.run_until([&] { return all_members_have_block(); }));
}

TEST_F(ProviderDiskTest, RestartedMemberOfGroupInMemoryVotesAgainTwoEpochsLater) {
  make_group(3, Durability::kMemory);
  const NodeId away = row().members.back();
  const std::size_t index = index_of(away);
  grid_.kill(index);
  grid_.start(index);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.provider(index).ready(); }));
  EXPECT_EQ(grid_.provider(index).self(), away);
  ASSERT_TRUE(grid_.run_until([&] { return row().epoch == 3 && row().vacant.empty() && all_members_have_block(); }));
  EXPECT_TRUE(std::ranges::find(row().members, away) != row().members.end());
}

TEST_F(ProviderDiskTest, GroupWithoutAnybodyWhoRemembersIsLost) {
  make_group(1, Durability::kMemory);
  kill_all();
  start_again_all();
  EXPECT_TRUE(grid_.run_until([&] { return row().lost; }));
  EXPECT_EQ(row().reserved_bytes, 0U);
}

// The only copy: whoever takes it over must have it on its disk before it counts.
TEST_F(ProviderDiskTest, GroupThatHasMovedIsThereAfterAPowerFailure) {
  make_group(1, Durability::kDisk);
  const NodeId from = row().members.front();
  const NodeId to = grid_.provider(index_of(from) == 4 ? 3 : 4).self();
  const std::size_t root = lead(kRootGroup);
  agent_.send(root, wire::MoveRequest{.tag = 1, .group = group_, .from = name_of(from), .to = name_of(to)});
  const Replica* taken_over = nullptr;
  ASSERT_TRUE(grid_.run_until([&] {
    taken_over = grid_.provider(index_of(to)).replica(group_);
    return taken_over != nullptr && taken_over->leads();
  }));
  EXPECT_TRUE(taken_over->last_checkpoint().has_value());
  ASSERT_TRUE(grid_.run_until([&] { return row().epoch == 2; }));
  kill_all();
  start_again_all();
  EXPECT_EQ(row().members, std::vector<NodeId>{to});
  EXPECT_FALSE(row().lost);
  EXPECT_EQ(lead(group_), index_of(to));
  EXPECT_TRUE(has_block(index_of(to)));
}

TEST_F(ProviderDiskTest, ManagerWithAnEmptyFolderComesBackAsAnotherProvider) {
  const NodeId former = grid_.provider(2).self();
  grid_.kill(2);
  give_empty_folder(2);
  grid_.start(2);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.provider(2).ready(); })) << grid_.provider(2).waiting_for();
  EXPECT_NE(grid_.provider(2).self(), former);
}

}  // namespace
}  // namespace juxmem

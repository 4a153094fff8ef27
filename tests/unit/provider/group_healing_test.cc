// Groups get other members when providers are gone or are being emptied.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "juxmem/provider/block_machine.h"
#include "juxmem/wire/codec.h"
#include "tests/unit/provider/provider_grid.h"

namespace juxmem {
namespace {

// Five providers on one site, the first the manager; a group of three copies with a block in it, led by p1.
class HealingTest : public testing::Test {
 protected:
  static constexpr NodeId kAgent = 900;

  HealingTest() : grid_({"a", "a", "a", "a", "a"}, 1), listener_(grid_.add_listener(index_)) {
    for (std::size_t i = 0; i < 5; ++i) grid_.options(i).timing.heal_after_ms = 500;
  }

  void SetUp() override {
    grid_.start_all();
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }));
    grid_.run_for(600);
    wire::CreateGroup create{.shape = {1, 3}, .durability = Durability::kMemory, .prefer = grid_.provider(1).self(), .reserve_bytes = 1U << 20};
    group_ = execute(0, kRootGroup, open(0, kRootGroup), create).number;
    ASSERT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
    block_ = execute(1, group_, open(1, group_), wire::Allocate{.size_bytes = 8192, .added_quota_bytes = 1U << 20}).block;
    ASSERT_NE(block_, 0U);
  }

  wire::Reply execute(std::size_t provider, GroupId group, SessionId session, wire::Action action) {
    wire::Propose request;
    request.group = group;
    request.tag = ++tag_;
    request.command = wire::encode_command({session == 0 ? OpId{} : OpId{session, 0, 1}, std::move(action)});
    send(provider, request);
    std::optional<wire::Executed> executed;
    EXPECT_TRUE(grid_.run_until([&] {
      return (executed = listener_.take<wire::Executed>([&](const auto& answer) { return answer.tag == request.tag; })).has_value();
    }));
    return executed ? executed->reply : wire::Reply{};
  }
  SessionId open(std::size_t provider, GroupId group) {
    return execute(provider, group, 0, wire::OpenSession{kAgent, 7000 + kAgent}).session;
  }
  void send(std::size_t provider, wire::GroupMessage message) {
    wire::Packet packet;
    packet.from = kAgent;
    packet.incarnation = 7000 + kAgent;
    packet.messages.push_back(std::move(message));
    grid_.send_from(index_, provider, std::move(packet));
  }

  const wire::CatalogGroup& row() { return *grid_.provider(0).catalog().group(group_); }
  std::size_t index_of(NodeId node) {
    for (std::size_t i = 0; i < 5; ++i) {
      if (!dead_.contains(i) && grid_.provider(i).self() == node) return i;
    }
    return 5;
  }
  void kill(NodeId node) {
    const std::size_t index = index_of(node);
    dead_.insert(index);
    grid_.kill(index);
  }
  bool is_member(NodeId node) { return std::ranges::find(row().members, node) != row().members.end(); }
  // The group is in this epoch, and all its members have its block.
  bool is_whole(std::uint32_t epoch) {
    return row().epoch == epoch && row().next.empty() && std::ranges::all_of(row().members, [&](NodeId node) {
             const std::size_t index = index_of(node);
             const Replica* replica = index < 5 ? grid_.provider(index).replica(group_) : nullptr;
             return replica != nullptr && replica->epoch() == epoch && replica->blocks()->find(block_).has_value();
           });
  }

  ProviderGrid grid_;
  std::size_t index_ = 0;
  Listener& listener_;
  std::set<std::size_t> dead_;
  std::uint64_t tag_ = 0;
  GroupId group_ = 0;
  BlockId block_ = 0;
};

TEST_F(HealingTest, LostMembersAreReplacedOneAfterTheOther) {
  for (std::uint32_t epoch = 2; epoch <= 3; ++epoch) {
    const NodeId victim = *std::ranges::find_if(row().members, [](NodeId node) { return node != 1; });  // not the manager
    kill(victim);
    ASSERT_TRUE(grid_.run_until([&] { return is_whole(epoch); })) << "epoch " << epoch;
    EXPECT_FALSE(is_member(victim));
  }
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
}

TEST_F(HealingTest, ProviderThatReturnsInTimeKeepsItsPlace) {
  for (std::size_t i = 0; i < 5; ++i) ASSERT_EQ(grid_.options(i).timing.heal_after_ms, 500);
  const NodeId away = row().members.back();
  const std::size_t index = index_of(away);
  grid_.cut_off(index);
  grid_.run_for(1500);  // not called down yet
  grid_.heal(index);
  grid_.run_for(5000);
  EXPECT_EQ(row().epoch, 1U);
  EXPECT_TRUE(is_member(away));
}

TEST_F(HealingTest, DrainedProviderIsEmptiedAndForgetsTheGroup) {
  const NodeId leader = row().members.front();
  const std::size_t index = index_of(leader);
  ASSERT_NE(index, 0U);
  send(0, wire::DrainRequest{.tag = 5, .provider = "p" + std::to_string(index)});
  ASSERT_TRUE(grid_.run_until([&] { return listener_.take<wire::DrainReply>().has_value(); }));
  ASSERT_TRUE(grid_.run_until([&] { return is_whole(2) && !is_member(leader); }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.provider(index).replica(group_) == nullptr; }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
}

TEST_F(HealingTest, UnknownProviderCannotBeDrained) {
  send(0, wire::DrainRequest{.tag = 6, .provider = "nobody"});
  std::optional<wire::DrainReply> reply;
  ASSERT_TRUE(grid_.run_until([&] { return (reply = listener_.take<wire::DrainReply>()).has_value(); }));
  EXPECT_EQ(reply->code, Code::kNotFound);
}

}  // namespace
}  // namespace juxmem

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
    root_session_ = open(0, kRootGroup);
    make_group(3);
  }

  void make_group(std::uint32_t copies) {
    wire::CreateGroup create{.shape = {1, copies},
                             .durability = Durability::kMemory,
                             .prefer = grid_.provider(1).self(),
                             .reserve_bytes = 1U << 20};
    group_ = execute(0, kRootGroup, root_session_, create, ++root_counter_).number;
    ASSERT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
    block_ = execute(1, group_, open(1, group_), wire::Allocate{.size_bytes = 8192, .added_quota_bytes = 1U << 20}).block;
    ASSERT_NE(block_, 0U);
  }

  wire::Reply execute(std::size_t provider, GroupId group, SessionId session, wire::Action action,
                      std::uint64_t counter = 1) {
    wire::Propose request;
    request.group = group;
    request.tag = ++tag_;
    request.command = wire::encode_command({session == 0 ? OpId{} : OpId{session, 0, counter}, std::move(action)});
    send(provider, request);
    std::optional<wire::Executed> executed;
    EXPECT_TRUE(grid_.run_until([&] {
      return (executed = listener_.take<wire::Executed>([&](const auto& answer) { return answer.tag == request.tag; }))
          .has_value();
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
  std::string name_of(NodeId node) { return "p" + std::to_string(index_of(node)); }
  // Neither a member nor about to be one.
  NodeId free_node() {
    for (std::size_t i = 1; i < 5; ++i) {
      const NodeId node = grid_.provider(i).self();
      if (!is_member(node)) return node;
    }
    return 0;
  }
  template <typename Request>
  wire::AdminReply ask(Request request) {
    request.tag = ++tag_;
    send(0, request);
    std::optional<wire::AdminReply> reply;
    EXPECT_TRUE(grid_.run_until([&] {
      return (reply = listener_.take<wire::AdminReply>([&](const auto& answer) { return answer.tag == request.tag; }))
          .has_value();
    }));
    return reply.value_or(wire::AdminReply{});
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
  SessionId root_session_ = 0;
  std::uint64_t root_counter_ = 0;
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
  ASSERT_EQ(ask(wire::DrainRequest{.tag = 0, .provider = name_of(leader)}).code, Code::kOk);
  ASSERT_TRUE(grid_.run_until([&] { return is_whole(2) && !is_member(leader); }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.provider(index).replica(group_) == nullptr; }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
}

TEST_F(HealingTest, UnknownProviderCannotBeDrained) {
  EXPECT_EQ(ask(wire::DrainRequest{.tag = 0, .provider = "nobody"}).code, Code::kNotFound);
}

// Nobody but the one that leaves has the state: the new one gets it before the old one's epoch ends.
TEST_F(HealingTest, OnlyCopyMovesToAnotherProvider) {
  make_group(1);
  const NodeId leader = row().members.front();
  ASSERT_EQ(ask(wire::DrainRequest{.tag = 0, .provider = name_of(leader)}).code, Code::kOk);
  ASSERT_TRUE(grid_.run_until([&] { return is_whole(2) && !is_member(leader); }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
}

TEST_F(HealingTest, OneOfTwoCopiesMovesToAnotherProvider) {
  make_group(2);
  const NodeId second = row().members.back();
  ASSERT_EQ(ask(wire::DrainRequest{.tag = 0, .provider = name_of(second)}).code, Code::kOk);
  ASSERT_TRUE(grid_.run_until([&] { return is_whole(2) && !is_member(second); }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(group_) >= 0; }));
}

TEST_F(HealingTest, GroupServesWhileItsNewMemberCatchesUp) {
  make_group(1);
  const NodeId leader = row().members.front();
  const NodeId target = free_node();
  grid_.cut_off(index_of(target));
  ASSERT_EQ(ask(wire::MoveRequest{.tag = 0, .group = group_, .from = name_of(leader), .to = name_of(target)}).code,
            Code::kOk);
  grid_.run_for(1000);
  EXPECT_EQ(row().epoch, 1U);
  EXPECT_EQ(grid_.leader_of(group_), static_cast<int>(index_of(leader)));
  grid_.heal(index_of(target));
  EXPECT_TRUE(grid_.run_until([&] { return is_whole(2) && is_member(target); }));
}

TEST_F(HealingTest, CopyMovesWherePeopleWantIt) {
  const NodeId from = row().members.back();
  const NodeId to = free_node();
  ASSERT_EQ(ask(wire::MoveRequest{.tag = 0, .group = group_, .from = name_of(from), .to = name_of(to)}).code, Code::kOk);
  ASSERT_TRUE(grid_.run_until([&] { return is_whole(2) && is_member(to) && !is_member(from); }));
}

TEST_F(HealingTest, MoveToProviderThatDiesIsGivenUp) {
  const NodeId from = row().members.back();
  const NodeId to = free_node();
  grid_.cut_off(index_of(to));
  ASSERT_EQ(ask(wire::MoveRequest{.tag = 0, .group = group_, .from = name_of(from), .to = name_of(to)}).code, Code::kOk);
  // An epoch with the same members brings the memory back that was reserved for the new one.
  ASSERT_TRUE(grid_.run_until([&] { return row().epoch == 2 && row().held.empty(); }));
  EXPECT_TRUE(is_member(from));
  EXPECT_EQ(grid_.provider(0).catalog().provider(to)->reserved_bytes, 0U);
}

TEST_F(HealingTest, MovesThatCannotBeAreRefused) {
  const auto move = [this](GroupId group, NodeId from, NodeId to) {
    return ask(wire::MoveRequest{.tag = 0, .group = group, .from = name_of(from), .to = name_of(to)}).code;
  };
  const NodeId member = row().members.back();
  const NodeId other = free_node();
  EXPECT_EQ(move(group_ + 7, member, other), Code::kNotFound);
  EXPECT_EQ(ask(wire::MoveRequest{.tag = 0, .group = group_, .from = "nobody", .to = name_of(other)}).code, Code::kNotFound);
  EXPECT_EQ(move(group_, member, row().members.front()), Code::kInvalid);
  EXPECT_EQ(move(group_, other, other), Code::kInvalid);
  ASSERT_EQ(ask(wire::DrainRequest{.tag = 0, .provider = name_of(other)}).code, Code::kOk);
  EXPECT_EQ(move(group_, member, other), Code::kInvalid);
}

}  // namespace
}  // namespace juxmem

// The root gets other managers, and providers find their way in through anybody.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tests/unit/provider/provider_grid.h"

namespace juxmem {
namespace {

// Six providers on three sites, the first three the managers, one per site.
class RootSeatsTest : public testing::Test {
 protected:
  RootSeatsTest() : grid_({"a", "b", "c", "a", "b", "c"}, 3), listener_(grid_.add_listener(index_)) {
    for (std::size_t i = 0; i < 6; ++i) grid_.options(i).timing.heal_after_ms = 500;
  }

  void start() {
    grid_.start_all();
    ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }));
    grid_.run_for(600);
  }
  NodeId node(std::size_t index) { return grid_.provider(index).self(); }
  std::set<std::size_t> managers(std::size_t as_known_by) {
    std::set<std::size_t> found;
    for (std::size_t i = 0; i < 6; ++i) {
      if (!dead_.contains(i) && grid_.provider(as_known_by).catalog().is_manager(node(i))) found.insert(i);
    }
    return found;
  }
  std::uint32_t epoch(std::size_t as_known_by) { return grid_.provider(as_known_by).catalog().root().epoch; }
  void kill(std::size_t index) {
    dead_.insert(index);
    grid_.kill(index);
  }
  void wish(wire::GroupMessage message) {
    for (std::size_t i = 0; i < 6; ++i) {
      if (dead_.contains(i)) continue;
      wire::Packet packet;
      packet.messages.push_back(message);
      grid_.send_from(index_, i, std::move(packet));
    }
  }
  // Everybody alive knows the managers, and the root works.
  bool everybody_knows(const std::set<std::size_t>& wanted, std::uint32_t of_epoch) {
    for (std::size_t i = 0; i < 6; ++i) {
      if (!dead_.contains(i) && (epoch(i) != of_epoch || managers(i) != wanted)) return false;
    }
    return wanted.contains(static_cast<std::size_t>(grid_.leader_of(kRootGroup)));
  }

  ProviderGrid grid_;
  std::size_t index_ = 0;
  Listener& listener_;
  std::set<std::size_t> dead_;
};

TEST_F(RootSeatsTest, SeatOfDeadManagerGoesToAnotherProviderOfItsSite) {
  start();
  kill(1);
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({0, 2, 4}, 2); }));
}

TEST_F(RootSeatsTest, AllFirstManagersMayGoOneAfterTheOther) {
  start();
  kill(0);
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({1, 2, 3}, 2); }));
  kill(1);
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({2, 3, 4}, 3); }));
  kill(2);
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({3, 4, 5}, 4); }));
}

TEST_F(RootSeatsTest, DrainedManagersGiveTheirSeatsAway) {
  start();
  wish(wire::DrainRequest{.tag = 1, .provider = "p0"});
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({1, 2, 3}, 2); }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.provider(0).replica(kRootGroup) == nullptr; }));
  wish(wire::DrainRequest{.tag = 2, .provider = "p1"});
  wish(wire::DrainRequest{.tag = 3, .provider = "p2"});
  ASSERT_TRUE(grid_.run_until([&] {
    return std::ranges::all_of(std::set<std::size_t>{0, 1, 2, 3, 4, 5},
                               [&](std::size_t i) { return managers(i) == std::set<std::size_t>{3, 4, 5}; });
  }));
  EXPECT_TRUE(grid_.run_until([&] { return grid_.leader_of(kRootGroup) >= 3; }));
}

TEST_F(RootSeatsTest, RestartedManagerComesBackAsProvider) {
  start();
  grid_.kill(1);
  dead_.insert(1);
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({0, 2, 4}, 2); }));
  dead_.erase(1);
  grid_.start(1);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }));
  EXPECT_TRUE(grid_.run_until([&] { return everybody_knows({0, 2, 4}, 2); }));
}

TEST_F(RootSeatsTest, ManagersAllStartedAnewBeginNoGridBesideTheOldOne) {
  start();
  for (std::size_t i = 0; i < 3; ++i) grid_.kill(i);
  for (std::size_t i = 0; i < 3; ++i) grid_.start(i);
  grid_.run_for(10'000);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(grid_.provider(i).ready());
    EXPECT_NE(grid_.provider(i).waiting_for().find("is lost"), std::string::npos) << grid_.provider(i).waiting_for();
    EXPECT_NE(grid_.provider(i).waiting_for().find("p3, p4, p5"), std::string::npos);
  }
  for (std::size_t i = 3; i < 6; ++i) grid_.kill(i);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }));
  EXPECT_EQ(grid_.provider(0).catalog().providers().size(), 3U);
}

TEST_F(RootSeatsTest, FirstManagersAllStartedAnewJoinTheGridThatOthersManageNow) {
  start();
  for (const char* name : {"p0", "p1", "p2"}) wish(wire::DrainRequest{.tag = 1, .provider = name});
  ASSERT_TRUE(grid_.run_until([&] { return managers(5) == std::set<std::size_t>{3, 4, 5}; }));
  grid_.run_for(2000);
  for (std::size_t i = 0; i < 3; ++i) grid_.kill(i);
  for (std::size_t i = 0; i < 3; ++i) grid_.start(i);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }))
      << grid_.provider(0).waiting_for() << "; " << grid_.provider(1).waiting_for() << "; "
      << grid_.provider(2).waiting_for();
  EXPECT_TRUE(grid_.run_until([&] { return managers(0) == std::set<std::size_t>{3, 4, 5}; }));
  EXPECT_GT(node(0), 6U);
}

TEST_F(RootSeatsTest, ProviderJoinsThroughOneThatIsNoManager) {
  for (std::size_t i = 3; i < 6; ++i) grid_.options(i).managers = {grid_.node(i == 3 ? 0 : 3).address()};
  start();
  EXPECT_EQ(grid_.provider(0).catalog().providers().size(), 6U);
}

TEST_F(RootSeatsTest, ProviderJoinsThroughFormerManager) {
  for (std::size_t i = 0; i < 6; ++i) {
    if (i != 5) grid_.start(i);
  }
  dead_.insert(5);
  ASSERT_TRUE(grid_.run_until([&] { return grid_.provider(4).ready() && grid_.provider(3).ready(); }));
  wish(wire::DrainRequest{.tag = 1, .provider = "p0"});
  ASSERT_TRUE(grid_.run_until([&] { return everybody_knows({1, 2, 3}, 2); }));
  dead_.erase(5);
  grid_.options(5).managers = {grid_.node(0).address()};
  grid_.start(5);
  EXPECT_TRUE(grid_.run_until([&] { return grid_.all_ready(); }));
  EXPECT_TRUE(grid_.run_until([&] { return everybody_knows({1, 2, 3}, 2); }));
}

}  // namespace
}  // namespace juxmem

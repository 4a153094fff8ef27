#include "juxmem/provider/provider.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "tests/unit/provider/provider_grid.h"

namespace juxmem {
namespace {

const std::vector<std::string> kTwoSites = {"rennes", "sophia", "rennes", "sophia", "rennes", "sophia"};

TEST(Provider, AManagerAloneServes) {
  ProviderGrid grid({"home"}, 1);
  grid.start_all();
  EXPECT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  EXPECT_EQ(grid.provider(0).self(), 1U);
  ASSERT_NE(grid.provider(0).catalog().provider(1), nullptr);
  EXPECT_EQ(grid.provider(0).catalog().provider(1)->name, "p0");
}

TEST(Provider, AllOfTwoSitesBecomeReadyAndKnowEachOther) {
  ProviderGrid grid(kTwoSites, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  ASSERT_TRUE(grid.run_until([&] {
    for (std::size_t i = 0; i < kTwoSites.size(); ++i) {
      if (grid.provider(i).catalog().providers().size() != kTwoSites.size()) return false;
    }
    return true;
  }));
  std::vector<NodeId> numbers;
  for (std::size_t i = 0; i < kTwoSites.size(); ++i) numbers.push_back(grid.provider(i).self());
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::unique(numbers.begin(), numbers.end()), numbers.end());
  EXPECT_EQ(grid.provider(5).catalog().provider(grid.provider(0).self())->site, "rennes");
}

TEST(Provider, ManagersWaitUntilAllHaveMet) {
  ProviderGrid grid({"a", "b", "c"}, 3);
  grid.start(0);
  grid.start(1);
  grid.run_for(5000);
  EXPECT_FALSE(grid.provider(0).ready());
  EXPECT_NE(grid.provider(0).waiting_for(), "");
  grid.start(2);
  EXPECT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  EXPECT_EQ(grid.provider(0).waiting_for(), "");
}

TEST(Provider, AManagerThatWasRestartedNeverVotesAgain) {
  ProviderGrid grid({"a", "b", "c", "a"}, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  grid.kill(1);
  grid.start(1);
  ASSERT_TRUE(grid.run_until([&] { return grid.provider(1).ready(); }));
  EXPECT_GT(grid.provider(1).self(), 3U);
  EXPECT_EQ(grid.provider(1).replica(kRootGroup), nullptr);
  EXPECT_TRUE(grid.run_until([&] { return grid.provider(3).catalog().provider(grid.provider(1).self()) != nullptr; }));
}

TEST(Provider, TheGridWorksOnWithoutAMinorityOfItsManagers) {
  ProviderGrid grid({"a", "b", "c", "a"}, 3);
  grid.start(0);
  grid.start(1);
  grid.start(2);
  ASSERT_TRUE(grid.run_until([&] { return grid.leader_of(kRootGroup) >= 0; }));
  grid.kill(static_cast<std::size_t>(grid.leader_of(kRootGroup)));
  grid.start(3);
  EXPECT_TRUE(grid.run_until([&] { return grid.provider(3).ready(); }));
}

TEST(Provider, ASilentProviderIsCalledDownAndUpAgain) {
  ProviderGrid grid({"a", "b", "c", "a"}, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  const NodeId node = grid.provider(3).self();
  grid.run_for(3000);
  EXPECT_TRUE(grid.provider(0).catalog().is_up(node));
  grid.cut_off(3);
  EXPECT_TRUE(grid.run_until([&] { return !grid.provider(0).catalog().is_up(node); }));
  grid.heal(3);
  EXPECT_TRUE(
      grid.run_until([&] { return grid.provider(0).catalog().is_up(node) && grid.provider(3).catalog().is_up(node); }));
}

TEST(Provider, TheSecondOfANameTakesTheFirstsPlace) {
  ProviderGrid grid({"a", "a", "a"}, 1);
  grid.options(2).name = "p1";
  grid.start(0);
  grid.start(1);
  ASSERT_TRUE(grid.run_until([&] { return grid.provider(0).ready() && grid.provider(1).ready(); }));
  grid.start(2);
  ASSERT_TRUE(grid.run_until([&] { return grid.provider(2).ready(); }));
  EXPECT_TRUE(grid.run_until([&] { return grid.provider(1).failure().has_value(); }));
  EXPECT_NE(grid.provider(1).failure()->detail.find("p1"), std::string::npos);
}

TEST(Provider, WrongOptionsAreAFailureFromTheStart) {
  ProviderGrid grid({"a"}, 1);
  grid.options(0).managers = {"mem://7"};
  grid.start_all();
  ASSERT_TRUE(grid.provider(0).failure().has_value());
  EXPECT_NE(grid.provider(0).failure()->detail.find("mem://0"), std::string::npos);
}

TEST(Provider, AClientThatComesTooEarlyIsToldToTryAgain) {
  ProviderGrid grid({"a", "b"}, 2);
  std::size_t me = 0;
  Listener& client = grid.add_listener(me);
  grid.start(0);
  wire::Packet packet;
  packet.messages.push_back(wire::ClientMessage(wire::ClientHello{.client = 77, .program = "test"}));
  grid.send_from(me, 0, packet);
  grid.run_for(10);
  const auto welcome = client.take<wire::ClientWelcome, wire::ClientMessage>();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->client, 77U);
  EXPECT_EQ(welcome->code, Code::kTryAgain);
  EXPECT_NE(welcome->detail, "");
}

TEST(Provider, PacketsOfAndForOtherLivesAreDropped) {
  ProviderGrid grid({"a", "a"}, 1);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  grid.run_for(500);
  std::size_t me = 0;
  Listener& stranger = grid.add_listener(me);
  const std::uint64_t before = grid.provider(0).stats().stale_packets;
  wire::Packet packet;
  packet.messages.push_back(wire::GroupMessage(wire::StatusRequest{.tag = 1, .gather = false}));
  packet.to = 1;
  packet.to_incarnation = 999;
  grid.send_from(me, 0, packet);
  packet.to_incarnation = 0;
  packet.to = 5;
  grid.send_from(me, 0, packet);
  packet.to = 1;
  packet.from = grid.provider(1).self();
  packet.incarnation = 999;
  grid.send_from(me, 0, packet);
  grid.run_for(50);
  EXPECT_TRUE(stranger.received.empty());
  EXPECT_EQ(grid.provider(0).stats().stale_packets, before + 3);
}

TEST(Provider, MessagesThatMakeNoSenseAreCountedAndDropped) {
  ProviderGrid grid({"a"}, 1);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  std::size_t me = 0;
  grid.add_listener(me);
  const std::uint64_t before = grid.provider(0).stats().refused;
  wire::Packet packet;
  packet.messages.push_back(wire::StreamMessage(wire::Heartbeat{}));
  packet.messages.push_back(wire::GroupMessage(wire::ReadNames{}));
  wire::Join stolen_number;
  stolen_number.provider.name = "x";
  stolen_number.provider.site = "y";
  stolen_number.provider.address = "mem://9";
  stolen_number.provider.incarnation = 55;
  stolen_number.provider.manager = true;
  stolen_number.provider.node = 1;
  packet.messages.push_back(wire::GroupMessage(stolen_number));
  grid.send_from(me, 0, packet);
  grid.run_for(50);
  EXPECT_EQ(grid.provider(0).stats().refused, before + 3);
  EXPECT_TRUE(grid.provider(0).ready());
}

TEST(Provider, StatusGathersWhatAllProvidersKnow) {
  ProviderGrid grid(kTwoSites, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  grid.run_for(1000);
  std::size_t me = 0;
  Listener& asker = grid.add_listener(me);
  wire::Packet packet;
  packet.messages.push_back(wire::GroupMessage(wire::StatusRequest{.tag = 42, .gather = true}));
  grid.send_from(me, 5, packet);
  ASSERT_TRUE(grid.run_until([&] { return !asker.received.empty(); }));
  const auto status = asker.take<wire::StatusReply>();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->tag, 42U);
  EXPECT_EQ(status->code, Code::kOk);
  EXPECT_EQ(status->providers.size(), kTwoSites.size());
  EXPECT_EQ(status->catalog.providers.size(), kTwoSites.size());
  ASSERT_EQ(status->groups.size(), 1U);
  EXPECT_EQ(status->groups[0].reporter, status->groups[0].coordinator);
  EXPECT_EQ(status->groups[0].members.size(), 3U);
}

TEST(Provider, StatusDoesNotWaitForTheDead) {
  ProviderGrid grid(kTwoSites, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  grid.run_for(1000);
  grid.kill(4);
  std::size_t me = 0;
  Listener& asker = grid.add_listener(me);
  wire::Packet packet;
  packet.messages.push_back(wire::GroupMessage(wire::StatusRequest{.tag = 1, .gather = true}));
  grid.send_from(me, 0, packet);
  ASSERT_TRUE(grid.run_until([&] { return !asker.received.empty(); }, 1900));
  EXPECT_EQ(asker.take<wire::StatusReply>()->providers.size(), kTwoSites.size() - 1);
}

TEST(Provider, AStoppedOneHasHandedItsRolesOver) {
  ProviderGrid grid({"a", "b", "c"}, 3);
  grid.start_all();
  ASSERT_TRUE(grid.run_until([&] { return grid.all_ready(); }));
  grid.run_for(500);
  const auto leader = static_cast<std::size_t>(grid.leader_of(kRootGroup));
  grid.provider(leader).stop();
  ASSERT_TRUE(grid.run_until([&] { return grid.provider(leader).stopped(); }));
  EXPECT_FALSE(grid.provider(leader).replica(kRootGroup)->stream().is_coordinator());
  EXPECT_TRUE(grid.run_until([&] { return grid.leader_of(kRootGroup) >= 0; }));
}

}  // namespace
}  // namespace juxmem

#include "juxmem/env/real_env.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/env/env_fixture.h"

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

class RealEnvOver : public RealEnvTest, public testing::WithParamInterface<const char*> {
 protected:
  std::string address() const { return std::string(GetParam()) == "tcp" ? "tcp://127.0.0.1:0" : ipc("door"); }
};
INSTANTIATE_TEST_SUITE_P(Sockets, RealEnvOver, testing::Values("tcp", "ipc"));

TEST_P(RealEnvOver, PacketArrivesAndItsAnswerComesBack) {
  Party& server = listener(address());
  Party& client = dialer();
  server.recorder.reaction = [&](PeerId from) { server.env->network().send(from, packet_of(8)); };
  const PeerId peer = client.env->network().dial(server.env->addresses().at(0));
  ASSERT_NE(peer, 0U);
  client.env->network().send(peer, packet_of(7));
  ASSERT_TRUE(run_until([&] { return !client.recorder.packets.empty(); }));
  EXPECT_EQ(server.recorder.packets.at(0), packet_of(7));
  EXPECT_EQ(client.recorder.packets.at(0), packet_of(8));
  EXPECT_EQ(client.recorder.senders.at(0), peer);
}

TEST_P(RealEnvOver, LargePacketsArriveWholeAndInOrder) {
  constexpr std::size_t kBytes = 1U << 20;
  constexpr std::uint64_t kCount = 20;
  Party& server = listener(address());
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(server.env->addresses().at(0));
  for (std::uint64_t i = 0; i < kCount; ++i) {
    client.env->network().send(peer, packet_of(i, i % 2 == 0 ? kBytes : 5));
    // Before the first connection only little is kept.
    if (i == 0) {
      ASSERT_TRUE(run_until([&] { return !server.recorder.packets.empty(); }));
    }
  }
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == kCount; }));
  for (std::uint64_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(server.recorder.packets[i], packet_of(i, i % 2 == 0 ? kBytes : 5)) << i;
  }
}

TEST_F(RealEnvTest, PortZeroIsResolved) {
  Party& server = listener("tcp://127.0.0.1:0");
  const std::string address = server.env->addresses().at(0);
  EXPECT_TRUE(address.starts_with("tcp://127.0.0.1:")) << address;
  EXPECT_FALSE(address.ends_with(":0")) << address;
}

TEST_F(RealEnvTest, AllAddressesLeadToTheSameLoop) {
  RealEnvOptions options;
  options.listen = {"tcp://127.0.0.1:0", ipc("a"), ipc("b")};
  Party& server = party(options);
  Party& client = dialer();
  ASSERT_EQ(server.env->addresses().size(), 3U);
  EXPECT_EQ(server.env->addresses()[1], ipc("a"));
  for (const std::string& address : server.env->addresses()) {
    client.env->network().send(client.env->network().dial(address), packet_of(1));
  }
  EXPECT_TRUE(run_until([&] { return server.recorder.packets.size() == 3; }));
}

TEST_F(RealEnvTest, SameAddressIsTheSamePeer) {
  Party& client = dialer();
  const PeerId first = client.env->network().dial(ipc("x"));
  EXPECT_EQ(client.env->network().dial(ipc("x")), first);
  EXPECT_NE(client.env->network().dial(ipc("y")), first);
}

TEST_F(RealEnvTest, MalformedAddressIsRefused) {
  Party& client = dialer();
  EXPECT_EQ(client.env->network().dial("nonsense"), 0U);
  EXPECT_EQ(client.env->network().dial("tcp://127.0.0.1:port"), 0U);
  RealEnvOptions options;
  options.listen = {"carrier-pigeon://somewhere"};
  const auto env = RealEnv::create(options);
  ASSERT_FALSE(env);
  EXPECT_EQ(env.error().code, Code::kInvalid);
}

TEST_F(RealEnvTest, TakenAddressIsRefused) {
  Party& server = listener("tcp://127.0.0.1:0");
  RealEnvOptions options;
  options.listen = server.env->addresses();
  const auto env = RealEnv::create(options);
  ASSERT_FALSE(env);
  EXPECT_EQ(env.error().code, Code::kIo);
  EXPECT_NE(env.error().detail.find(options.listen[0]), std::string::npos) << env.error().detail;
}

TEST_F(RealEnvTest, PacketSentBeforeThePeerListensArrives) {
  Party& client = party([] {
    RealEnvOptions options;
    options.waiting_ms_max = kPatienceMs;
    return options;
  }());
  const PeerId peer = client.env->network().dial(ipc("later"));
  client.env->network().send(peer, packet_of(1));
  client.env->network().send(peer, packet_of(2));
  Party& server = listener(ipc("later"));
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 2; }));
  EXPECT_EQ(number_in(server.recorder.packets[0]), 1U);
  EXPECT_EQ(number_in(server.recorder.packets[1]), 2U);
  EXPECT_EQ(client.env->stats().packets_dropped, 0U);
}

TEST_F(RealEnvTest, MoreThanAPacketMayHoldIsSentInSeveral) {
  Party& server = listener(ipc("door"));
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(ipc("door"));
  client.env->network().send(peer, packet_of(0));
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 1; }));
  // 70 messages of 1 MiB that share their bytes.
  wire::Packet packet = packet_of(1, 1U << 20);
  packet.messages.resize(70, packet.messages[0]);
  client.env->network().send(peer, packet);
  const auto received = [&] {
    std::size_t messages = 0;
    for (const wire::Packet& one : server.recorder.packets) messages += one.messages.size();
    return messages;
  };
  ASSERT_TRUE(run_until([&] { return received() == 71; }));
  EXPECT_GT(server.recorder.packets.size(), 2U);
}

TEST_F(RealEnvTest, HangingUpInTheMiddleOfAPacketIsSafe) {
  Party& server = listener(ipc("door"));
  Party& client = dialer();
  server.recorder.reaction = [&](PeerId from) {
    for (std::uint64_t i = 0; i < 10; ++i) server.env->network().send(from, packet_of(i));
  };
  const PeerId peer = client.env->network().dial(ipc("door"));
  client.recorder.reaction = [&](PeerId from) { client.env->network().hang_up(from); };
  client.env->network().send(peer, packet_of(1));
  ASSERT_TRUE(run_until([&] { return !client.recorder.packets.empty(); }));
  EXPECT_EQ(client.recorder.packets.size(), 1U);
  client.env->network().send(peer, packet_of(2));
  EXPECT_EQ(client.env->stats().packets_dropped, 1U);
  EXPECT_NE(client.env->network().dial(ipc("door")), peer);
}

TEST_F(RealEnvTest, SendingToAStrangerIsCountedAsDropped) {
  Party& server = listener(ipc("door"));
  server.env->network().send(4711, packet_of(1));
  EXPECT_EQ(server.env->stats().packets_dropped, 1U);
}

TEST_F(RealEnvTest, TimerIsCalledOncePerRequest) {
  Party& one = dialer();
  one.env->wake_at(one.env->clock().now() + ms_to_ns(1));
  ASSERT_TRUE(run_until([&] { return one.recorder.timers == 1; }));
  EXPECT_EQ(one.recorder.turns, 1);
  EXPECT_FALSE(one.env->run_once(one.env->clock().now() + ms_to_ns(2)));
  EXPECT_EQ(one.recorder.timers, 1);
}

TEST_F(RealEnvTest, LaterTimerReplacesTheEarlierOne) {
  Party& one = dialer();
  one.env->wake_at(0);
  one.env->wake_at(kNever);
  EXPECT_FALSE(one.env->run_once(one.env->clock().now()));
  EXPECT_EQ(one.recorder.timers, 0);
}

TEST_F(RealEnvTest, RandomNumbersDifferBetweenLives) { EXPECT_NE(dialer().env->random(), dialer().env->random()); }

}  // namespace
}  // namespace juxmem

// What peers do that they should not: nonsense, not reading, dying, coming back.
#include <gtest/gtest.h>

#include <optional>
#include <zmq.hpp>

#include "juxmem/wire/codec.h"
#include "tests/unit/env/env_fixture.h"

namespace juxmem {
namespace {

// A bare ZeroMQ socket instead of a proper peer.
class BareSocket {
 public:
  explicit BareSocket(zmq::socket_type type) : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvhwm, 1);
  }
  zmq::socket_t& operator*() { return socket_; }
  zmq::socket_t* operator->() { return &socket_; }

  void send(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      socket_.send(zmq::buffer(parts[i]), i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  void send(const wire::Packet& packet) {
    std::vector<std::string> parts;
    for (const Buffer& part : wire::encode(packet)) parts.emplace_back(part.text());
    send(parts);
  }
  // The number in the next packet that a ROUTER has received, if there is one.
  std::optional<std::uint64_t> received_number() {
    zmq::message_t routing_id;
    zmq::message_t head;
    if (!socket_.recv(routing_id, zmq::recv_flags::dontwait) || !socket_.recv(head)) return std::nullopt;
    const Buffer part = Buffer::copy_of(head.to_string_view());
    const Result<wire::Packet> packet = wire::decode({&part, 1});
    if (!packet) return std::nullopt;
    return number_in(*packet);
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

class RealEnvFaults : public RealEnvTest {};

TEST_F(RealEnvFaults, GarbageIsCountedAndDropped) {
  Party& server = listener(ipc("door"));
  BareSocket bare(zmq::socket_type::dealer);
  bare->connect(ipc("door"));
  bare.send(std::vector<std::string>{"GET / HTTP/1.1\r\n\r\n"});
  bare.send(std::vector<std::string>{""});
  bare.send(std::vector<std::string>{std::string(100'000, 'x'), "", std::string(5000, 'y')});
  bare.send(packet_of(5));
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 1; }));
  EXPECT_EQ(number_in(server.recorder.packets[0]), 5U);
  EXPECT_EQ(server.env->stats().packets_garbage, 3U);
}

TEST_F(RealEnvFaults, GarbageInAnswersIsCountedAndDropped) {
  BareSocket bare(zmq::socket_type::router);
  bare->bind(ipc("door"));
  Party& client = dialer();
  client.env->network().send(client.env->network().dial(ipc("door")), packet_of(1));
  zmq::message_t routing_id;
  ASSERT_TRUE(run_until([&] { return bare->recv(routing_id, zmq::recv_flags::dontwait).has_value(); }));
  bare.send({routing_id.to_string(), "what?"});
  EXPECT_TRUE(run_until([&] { return client.env->stats().packets_garbage == 1; }));
}

TEST_F(RealEnvFaults, EndlessPartsCostNoMoreThanAPacketMayHave) {
  Party& server = listener(ipc("door"));
  BareSocket bare(zmq::socket_type::dealer);
  bare->connect(ipc("door"));
  bare.send(std::vector<std::string>(20'000, "part"));
  bare.send(packet_of(5));
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 1; }));
  EXPECT_EQ(server.env->stats().packets_garbage, 1U);
}

// Sends far more than the sockets' own buffers hold.
constexpr std::uint64_t kManyPackets = 2000;
constexpr std::size_t kPacketBytes = 64 * 1024;

RealEnvOptions with_small_outbox() {
  RealEnvOptions options;
  options.peer_bytes_max = 1U << 20;
  options.linger_ms = 0;
  return options;
}

TEST_F(RealEnvFaults, VisitorThatDoesNotReadCostsBoundedMemory) {
  RealEnvOptions options = with_small_outbox();
  options.listen = {ipc("door")};
  Party& server = party(options);
  BareSocket bare(zmq::socket_type::dealer);
  bare->connect(ipc("door"));
  bare.send(packet_of(1));
  ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 1; }));
  for (std::uint64_t i = 0; i < kManyPackets; ++i) {
    server.env->network().send(server.recorder.senders[0], packet_of(i, kPacketBytes));
  }
  EXPECT_GT(server.env->stats().packets_dropped, 0U);
  // Others are served meanwhile.
  Party& client = dialer();
  client.env->network().send(client.env->network().dial(ipc("door")), packet_of(2));
  EXPECT_TRUE(run_until([&] { return server.recorder.packets.size() == 2; }));
}

TEST_F(RealEnvFaults, DialedPeerThatDoesNotReadCostsBoundedMemory) {
  BareSocket bare(zmq::socket_type::router);
  bare->bind(ipc("door"));
  Party& client = party(with_small_outbox());
  const PeerId peer = client.env->network().dial(ipc("door"));
  client.env->network().send(peer, packet_of(1));
  zmq::pollitem_t item{bare->handle(), 0, ZMQ_POLLIN, 0};
  ASSERT_TRUE(run_until([&] { return zmq::poll(&item, 1, std::chrono::milliseconds(0)) == 1; }));
  for (std::uint64_t i = 0; i < kManyPackets; ++i) client.env->network().send(peer, packet_of(i, kPacketBytes));
  EXPECT_GT(client.env->stats().packets_dropped, 0U);
}

TEST_F(RealEnvFaults, PeerThatNeverListensCostsBoundedMemory) {
  RealEnvOptions options;
  options.waiting_bytes_max = 1U << 20;
  Party& client = party(options);
  const PeerId peer = client.env->network().dial(ipc("nobody"));
  for (std::uint64_t i = 0; i < 100; ++i) client.env->network().send(peer, packet_of(i, kPacketBytes));
  EXPECT_GT(client.env->stats().packets_dropped, 80U);
}

TEST_F(RealEnvFaults, PacketsThatWaitedTooLongAreNotSent) {
  RealEnvOptions options;
  options.waiting_ms_max = 0;
  Party& client = party(options);
  const PeerId peer = client.env->network().dial(ipc("later"));
  client.env->network().send(peer, packet_of(1));
  ASSERT_TRUE(run_until([&] { return client.env->stats().packets_dropped == 1; }));
  Party& server = listener(ipc("later"));
  std::uint64_t number = 2;
  ASSERT_TRUE(run_until([&] {
    client.env->network().send(peer, packet_of(number++));
    return !server.recorder.packets.empty();
  }));
  EXPECT_GE(number_in(server.recorder.packets[0]), 2U);
}

TEST_F(RealEnvFaults, RestartedPeerGetsNothingMeantForItsFormerSelf) {
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(ipc("door"));
  std::uint64_t number = 1;
  {
    BareSocket former(zmq::socket_type::router);
    former->bind(ipc("door"));
    client.env->network().send(peer, packet_of(number));
    ASSERT_TRUE(run_until([&] { return former.received_number().has_value(); }));
  }
  for (int i = 0; i < 100; ++i) client.env->network().send(peer, packet_of(++number));
  const std::uint64_t last_for_the_former = number;
  BareSocket next(zmq::socket_type::router);
  next->bind(ipc("door"));
  std::optional<std::uint64_t> first;
  ASSERT_TRUE(run_until([&] {
    client.env->network().send(peer, packet_of(++number));
    first = next.received_number();
    return first.has_value();
  }));
  EXPECT_GT(*first, last_for_the_former);
}

TEST_F(RealEnvFaults, PeerThatEndsIsTold) {
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(ipc("door"));
  {
    BareSocket server(zmq::socket_type::router);
    server->bind(ipc("door"));
    client.env->network().send(peer, packet_of(1));
    ASSERT_TRUE(run_until([&] { return server.received_number().has_value(); }));
    EXPECT_TRUE(client.recorder.events.empty());
  }
  EXPECT_TRUE(comes_to(client, peer, PeerEvent::kGone));
  EXPECT_EQ(client.recorder.events.size(), 1U);
}

TEST_F(RealEnvFaults, ConnectionThatComesBackIsTold) {
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(ipc("door"));
  for (int life = 0; life < 2; ++life) {
    BareSocket server(zmq::socket_type::router);
    server->bind(ipc("door"));
    std::uint64_t number = 0;
    ASSERT_TRUE(run_until([&] {
      client.env->network().send(peer, packet_of(++number));
      return server.received_number().has_value();
    }));
  }
  EXPECT_TRUE(run_until([&] {
    return std::ranges::find(client.recorder.events, std::pair(peer, PeerEvent::kReconnected)) !=
           client.recorder.events.end();
  }));
}

TEST_F(RealEnvFaults, AddressWhereNobodyListensIsTold) {
  Party& client = dialer();
  const PeerId peer = client.env->network().dial(ipc("nobody"));
  EXPECT_TRUE(comes_to(client, peer, PeerEvent::kGone));
}

TEST_F(RealEnvFaults, VisitorThatLeftIsForgotten) {
  Party& server = listener(ipc("door"));
  {
    BareSocket bare(zmq::socket_type::dealer);
    bare->connect(ipc("door"));
    bare.send(packet_of(1));
    ASSERT_TRUE(run_until([&] { return server.recorder.packets.size() == 1; }));
  }
  EXPECT_TRUE(run_until([&] {
    server.env->network().send(server.recorder.senders[0], packet_of(2));
    return server.env->stats().packets_dropped > 0;
  }));
}

}  // namespace
}  // namespace juxmem

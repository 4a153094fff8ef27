#include "juxmem/provider/outbox.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

class RecordingNetwork final : public Network {
 public:
  PeerId dial(std::string_view address) override {
    if (address == "bad") return 0;
    return peers_.emplace(address, peers_.size() + 1).first->second;
  }
  void send(PeerId to, wire::Packet packet) override { sent.emplace_back(to, std::move(packet)); }
  void hang_up(PeerId peer) override { hung_up.push_back(peer); }

  std::vector<std::pair<PeerId, wire::Packet>> sent;
  std::vector<PeerId> hung_up;

 private:
  std::map<std::string, PeerId, std::less<>> peers_;
};

wire::GroupMessage report(NodeId node) {
  wire::Report message;
  message.node = node;
  return message;
}

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() : outbox(network) {
    outbox.set_self(1, 11);
    outbox.set_route(2, "two", 22);
    outbox.set_route(3, "three", 33);
  }
  RecordingNetwork network;
  Outbox outbox;
};

TEST_F(OutboxTest, OnePacketPerPeerAndTurnInOrder) {
  outbox.to_node(2, report(1));
  outbox.to_node(3, report(2));
  outbox.to_node(2, report(3));
  EXPECT_TRUE(network.sent.empty());
  outbox.flush();
  ASSERT_EQ(network.sent.size(), 2U);
  const wire::Packet& first = network.sent[0].second;
  EXPECT_EQ(first.from, 1U);
  EXPECT_EQ(first.incarnation, 11U);
  EXPECT_EQ(first.to, 2U);
  EXPECT_EQ(first.to_incarnation, 22U);
  ASSERT_EQ(first.messages.size(), 2U);
  EXPECT_EQ(first.messages[1], wire::Message(report(3)));
  outbox.flush();
  EXPECT_EQ(network.sent.size(), 2U);
}

TEST_F(OutboxTest, MessagesToOneselfStayInside) {
  outbox.to_node(1, report(7));
  outbox.flush();
  EXPECT_TRUE(network.sent.empty());
  wire::Message message;
  ASSERT_TRUE(outbox.take_local(message));
  EXPECT_EQ(message, wire::Message(report(7)));
  EXPECT_FALSE(outbox.take_local(message));
}

TEST_F(OutboxTest, ANodeWithoutAddressIsReachedWhereItWasHeard) {
  outbox.to_node(9, report(1));
  EXPECT_EQ(outbox.without_route(), 1U);
  outbox.heard_from(9, 1234);
  outbox.to_node(9, report(1));
  outbox.flush();
  ASSERT_EQ(network.sent.size(), 1U);
  EXPECT_EQ(network.sent[0].first, 1234U);
  EXPECT_EQ(network.sent[0].second.to, 9U);
}

TEST_F(OutboxTest, ARouteThatChangesHangsUpTheFormerPeer) {
  outbox.to_node(2, report(1));
  outbox.flush();
  const PeerId former = network.sent[0].first;
  outbox.set_route(2, "elsewhere", 23);
  EXPECT_EQ(network.hung_up, std::vector<PeerId>{former});
  outbox.to_node(2, report(1));
  outbox.flush();
  EXPECT_NE(network.sent[1].first, former);
  EXPECT_EQ(network.sent[1].second.to_incarnation, 23U);
}

TEST_F(OutboxTest, AMalformedAddressIsCounted) {
  outbox.to_address("bad", report(1));
  outbox.flush();
  EXPECT_TRUE(network.sent.empty());
  EXPECT_EQ(outbox.without_route(), 1U);
}

TEST_F(OutboxTest, PacketsKeepToTheLimitsAndTheOrder) {
  constexpr int kMessages = 80;
  const Buffer large = Buffer::take(std::vector<std::byte>(1U << 20));
  for (int i = 0; i < kMessages; ++i) {
    wire::PagesReply reply;
    reply.tag = static_cast<std::uint64_t>(i);
    reply.data.push_back(large);
    outbox.to_node(2, wire::GroupMessage(std::move(reply)));
  }
  outbox.flush();
  EXPECT_GT(network.sent.size(), 1U);
  std::uint64_t next = 0;
  for (const auto& [peer, packet] : network.sent) {
    std::uint64_t bytes = 0;
    for (const wire::Message& message : packet.messages) {
      bytes += bulk_bytes_of(message);
      EXPECT_EQ(std::get<wire::PagesReply>(std::get<wire::GroupMessage>(message)).tag, next++);
    }
    EXPECT_LT(bytes, wire::kPacketBytesMax);
  }
  EXPECT_EQ(next, static_cast<std::uint64_t>(kMessages));
}

TEST_F(OutboxTest, ManySmallMessagesAreCutByNumber) {
  for (NodeId i = 0; i < 10'000; ++i) outbox.to_node(2, report(i));
  outbox.flush();
  std::size_t total = 0;
  for (const auto& [peer, packet] : network.sent) {
    EXPECT_LE(packet.messages.size(), wire::kPacketMessagesMax);
    total += packet.messages.size();
  }
  EXPECT_EQ(total, 10'000U);
}

}  // namespace
}  // namespace juxmem

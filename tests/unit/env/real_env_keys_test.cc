// Who comes in where a key is wanted.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "juxmem/env/admitted_keys.h"
#include "juxmem/env/key_file.h"
#include "tests/unit/env/env_fixture.h"

namespace juxmem {
namespace {

wire::Packet hello() {
  wire::Packet packet;
  packet.messages.emplace_back(wire::ClientMessage(wire::ClientHello{.client = 7, .program = "test"}));
  return packet;
}

// A server with a key at tcp and at ipc, whose packets are counted.
class RealEnvKeys : public RealEnvTest {
 protected:
  RealEnvKeys() : grid_(new_grid_key()), alice_(new_user_key("alice", grid_.grid)), admitted_(temp_.path() + "/admitted") {}

  Party& server() {
    RealEnvOptions options;
    options.listen = {"tcp://127.0.0.1:0", ipc("door")};
    options.key = std::make_shared<const KeyFile>(grid_);
    options.admitted_folder = admitted_.folder();
    return party(options);
  }
  Party& client(const KeyFile& key) {
    RealEnvOptions options;
    options.key = std::make_shared<const KeyFile>(key);
    return party(options);
  }
  PeerId dial(Party& from, const Party& to, std::size_t which = 0) {
    return from.env->network().dial(to.env->addresses().at(which));
  }
  // Says hello again and again until it was heard.
  bool is_heard(Party& from, PeerId peer, Party& at) {
    const std::size_t before = at.recorder.packets.size();
    return run_until([&] {
      from.env->network().send(peer, hello());
      return at.recorder.packets.size() > before;
    });
  }

  KeyFile grid_;
  KeyFile alice_;
  AdmittedKeys admitted_;
};

TEST_F(RealEnvKeys, HolderOfTheGridKeySpeaksAsAProvider) {
  Party& door = server();
  Party& provider = client(grid_);
  const PeerId peer = dial(provider, door);
  provider.env->network().send(peer, packet_of(5));
  ASSERT_TRUE(run_until([&] { return door.recorder.packets.size() == 1; }));
  EXPECT_EQ(number_in(door.recorder.packets[0]), 5U);
  door.env->network().send(door.recorder.senders[0], packet_of(6));
  ASSERT_TRUE(run_until([&] { return provider.recorder.packets.size() == 1; }));
}

TEST_F(RealEnvKeys, PeerWithoutAKeyIsToldAndNotHeard) {
  Party& door = server();
  Party& stranger = dialer();
  const PeerId peer = dial(stranger, door);
  stranger.env->network().send(peer, hello());
  EXPECT_TRUE(comes_to(stranger, peer, PeerEvent::kNoHandshake));
  EXPECT_TRUE(door.recorder.packets.empty());
}

TEST_F(RealEnvKeys, KeyThatIsNotAdmittedIsRefused) {
  Party& door = server();
  Party& stranger = client(alice_);
  const PeerId peer = dial(stranger, door);
  stranger.env->network().send(peer, hello());
  EXPECT_TRUE(comes_to(stranger, peer, PeerEvent::kKeyRefused));
  EXPECT_TRUE(door.recorder.packets.empty());
}

TEST_F(RealEnvKeys, KeyOfAnotherGridIsToldAndNotHeard) {
  Party& door = server();
  Party& stranger = client(new_grid_key());
  const PeerId peer = dial(stranger, door);
  stranger.env->network().send(peer, hello());
  EXPECT_TRUE(comes_to(stranger, peer, PeerEvent::kNoHandshake));
  EXPECT_TRUE(door.recorder.packets.empty());
}

TEST_F(RealEnvKeys, PeerWithAKeySaysNothingToADoorWithoutOne) {
  Party& open = listener("tcp://127.0.0.1:0");
  Party& careful = client(grid_);
  const PeerId peer = dial(careful, open);
  careful.env->network().send(peer, hello());
  EXPECT_TRUE(comes_to(careful, peer, PeerEvent::kNoHandshake));
  EXPECT_TRUE(open.recorder.packets.empty());
}

TEST_F(RealEnvKeys, AdmittedUserIsServedButNotAsAProvider) {
  ASSERT_TRUE(admitted_.admit("alice", alice_.public_key));
  Party& door = server();
  Party& alice = client(alice_);
  const PeerId peer = dial(alice, door);
  alice.env->network().send(peer, packet_of(5));
  ASSERT_TRUE(run_until([&] { return door.env->stats().packets_garbage == 1; }));
  EXPECT_TRUE(is_heard(alice, peer, door));
  wire::Packet as_node = hello();
  as_node.from = 3;
  alice.env->network().send(peer, as_node);
  EXPECT_TRUE(run_until([&] { return door.env->stats().packets_garbage == 2; }));
}

TEST_F(RealEnvKeys, UserAdmittedLaterComesInWithoutARestart) {
  Party& door = server();
  Party& alice = client(alice_);
  const PeerId peer = dial(alice, door);
  alice.env->network().send(peer, hello());
  ASSERT_TRUE(comes_to(alice, peer, PeerEvent::kKeyRefused));
  ASSERT_TRUE(admitted_.admit("alice", alice_.public_key));
  EXPECT_TRUE(is_heard(alice, peer, door));
}

TEST_F(RealEnvKeys, RevokedUserIsCutOffAndOthersStay) {
  const KeyFile bob = new_user_key("bob", grid_.grid);
  ASSERT_TRUE(admitted_.admit("alice", alice_.public_key));
  ASSERT_TRUE(admitted_.admit("bob", bob.public_key));
  Party& door = server();
  Party& alice = client(alice_);
  Party& other = client(bob);
  const PeerId peer = dial(alice, door);
  const PeerId others = dial(other, door);
  ASSERT_TRUE(is_heard(alice, peer, door));
  ASSERT_TRUE(is_heard(other, others, door));
  ASSERT_TRUE(admitted_.revoke("alice"));
  // The door looks whenever it hears or says something.
  ASSERT_TRUE(run_until([&] {
    other.env->network().send(others, hello());
    return !alice.recorder.events.empty() && alice.recorder.events.back().second == PeerEvent::kKeyRefused;
  }));
  EXPECT_TRUE(other.recorder.events.empty());
  EXPECT_TRUE(is_heard(other, others, door));
}

TEST_F(RealEnvKeys, LocalClientNeedsNoKey) {
  Party& door = server();
  Party& local = dialer();
  EXPECT_TRUE(is_heard(local, dial(local, door, 1), door));
  Party& with_key = client(alice_);
  EXPECT_TRUE(is_heard(with_key, dial(with_key, door, 1), door));
}

TEST_F(RealEnvKeys, UserCannotListenAsAProvider) {
  RealEnvOptions options;
  options.listen = {"tcp://127.0.0.1:0"};
  options.key = std::make_shared<const KeyFile>(alice_);
  const auto env = RealEnv::create(options);
  ASSERT_FALSE(env);
  EXPECT_EQ(env.error().code, Code::kInvalid);
  EXPECT_NE(env.error().detail.find("alice"), std::string::npos);
}

}  // namespace
}  // namespace juxmem

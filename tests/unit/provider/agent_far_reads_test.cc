// What a read costs when the block's coordinator is on another site: counted in messages, not in time.
#include <gtest/gtest.h>

#include "tests/unit/provider/agent_world.h"

namespace juxmem {
namespace {

constexpr NodeId kFar = 1;   // coordinates the block's group
constexpr NodeId kNear = 3;  // has a replica, in the agent's site

class AgentFarReadsTest : public testing::Test {
 protected:
  void SetUp() override {
    world.hello();
    const wire::ClientAnswer made = world.call(
        wire::MallocRequest{.size_bytes = 16 * kPageBytes, .shape = {.sites = 2, .nodes_per_site = 1}, .token = 4711});
    ASSERT_EQ(made.code, Code::kOk);
    block = made.block;
    group().leader = kFar;
    world.release(world.acquire(block), block, "hello");
  }
  StandInGroup& group() { return world.group(group_of(block)); }
  wire::ClientAnswer read() {
    return world.call(wire::AcquireRequest{
        .block = block, .mode = Mode::kShared, .try_only = false, .have = 0, .offset = 0, .size_bytes = 16 * kPageBytes});
  }
  // Somebody else has had the block meanwhile.
  void take_away() {
    ASSERT_FALSE(group().requests.empty());
    world.agent->on_group(kFar, wire::Message(wire::GroupMessage(wire::Recall{.block = block,
                                                                              .session = group().requests.back().session,
                                                                              .grant = group().last_grant(),
                                                                              .keep = Mode::kNone,
                                                                              .try_only = false})));
    world.run();
    ASSERT_FALSE(group().yields.empty());
  }

  // The agent's own provider has no room for copies.
  AgentWorld world{{{.site = "b"}, {.site = "a", .capacity_bytes = 0}, {.site = "a"}}};
  BlockId block = 0;
};

TEST_F(AgentFarReadsTest, ReadBesideAReplicaSendsOneMessageToTheOtherSiteAndNoPageCrosses) {
  take_away();
  world.sent_to.clear();
  const wire::ClientAnswer answer = read();
  ASSERT_EQ(answer.code, Code::kOk);
  ASSERT_EQ(answer.data.size(), 1U);
  EXPECT_EQ(answer.data[0].text().substr(0, 5), "hello");
  EXPECT_EQ(world.sent_to, (std::map<NodeId, std::uint64_t>{{kFar, 1}, {kNear, 1}}));
}

TEST_F(AgentFarReadsTest, ReadOfABlockThatTheAgentOwnsSendsNothingToTheOtherSite) {
  world.sent_to.clear();
  ASSERT_EQ(read().code, Code::kOk);
  EXPECT_EQ(world.sent_to, (std::map<NodeId, std::uint64_t>{{kNear, 1}}));
}

}  // namespace
}  // namespace juxmem

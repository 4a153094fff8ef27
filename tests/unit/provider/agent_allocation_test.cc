#include <gtest/gtest.h>

#include "tests/unit/provider/agent_world.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kMegabyte = 1U << 20;
constexpr std::uint64_t kOther = 88;

wire::MallocRequest of(std::uint64_t size_bytes, std::uint64_t token, Shape shape = {}) {
  wire::MallocRequest request;
  request.size_bytes = size_bytes;
  request.shape = shape;
  request.token = token;
  return request;
}

std::uint64_t reserved(AgentWorld& world) {
  std::uint64_t sum = 0;
  for (const auto& [node, row] : world.root().catalog().catalog().providers()) sum += row.reserved_bytes;
  return sum;
}

TEST(Allocation, FirstBlockMakesAGroupLedByTheOwnProvider) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(1000);
  const wire::CatalogGroup* row = world.catalog().group(group_of(block));
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->members.front(), AgentWorld::kSelf);
  const wire::ClientAnswer facts = world.call(wire::StatRequest{.block = block});
  EXPECT_EQ(facts.code, Code::kOk);
  EXPECT_EQ(facts.size_bytes, 1000U);
  EXPECT_EQ(facts.version, 0U);
}

TEST(Allocation, ManyBlocksShareOneGroupAndOneReservation) {
  AgentWorld world;
  world.hello();
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 1; i <= 50; ++i) numbers.push_back(world.ask(of(4096, i)));
  world.run();
  for (const std::uint64_t number : numbers) ASSERT_EQ(world.answer(number).code, Code::kOk) << world.answer(number).detail;
  EXPECT_EQ(world.root().catalog().catalog().groups().size(), 1U);
  EXPECT_EQ(reserved(world), 64 * kMegabyte);
}

TEST(Allocation, MoreThanAStepIsReservedWhenNeeded) {
  AgentWorld world;
  world.hello();
  world.malloc(4096);
  const BlockId large = world.malloc(200 * kMegabyte);
  EXPECT_EQ(group_of(large), 1U);
  EXPECT_GE(world.group(1).blocks().quota_bytes(), 200 * kMegabyte + 4096);
  EXPECT_EQ(world.group(1).blocks().quota_bytes(), reserved(world));
}

TEST(Allocation, LastBytesAreReservedExactly) {
  AgentWorld world(1 + 1, 80 * kMegabyte);
  world.hello();
  world.malloc(64 * kMegabyte);
  const wire::ClientAnswer rest = world.call(of(10 * kMegabyte, 2, Shape{.sites = 1, .nodes_per_site = 1}));
  EXPECT_EQ(rest.code, Code::kOk) << rest.detail;
}

TEST(Allocation, FullGridSaysNoSpaceAndServesAgainAfterAFree) {
  AgentWorld world(2, 100 * kMegabyte);
  world.hello();
  std::vector<BlockId> blocks;
  wire::ClientAnswer answer;
  for (std::uint64_t token = 1; token < 100; ++token) {
    answer = world.call(of(20 * kMegabyte, token));
    if (answer.code != Code::kOk) break;
    blocks.push_back(answer.block);
  }
  EXPECT_EQ(answer.code, Code::kNoSpace);
  EXPECT_EQ(blocks.size(), 10U);
  EXPECT_EQ(world.call(wire::FreeRequest{.block = blocks.back()}).code, Code::kOk);
  EXPECT_EQ(world.call(of(20 * kMegabyte, 1000)).code, Code::kOk);
}

TEST(Allocation, SlackOfOtherGroupsIsCalledIn) {
  AgentWorld world(2, 128 * kMegabyte);
  world.hello();
  world.malloc(4096);  // reserves 64 MiB on one of the two
  // Both providers are needed: what the first group does not use has to come back.
  const wire::ClientAnswer answer = world.call(of(120 * kMegabyte, 9, Shape{.sites = 1, .nodes_per_site = 2}));
  EXPECT_EQ(answer.code, Code::kOk) << answer.detail;
}

TEST(Allocation, FreedMemoryBeyondTheSlackGoesBackToTheRoot) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(500 * kMegabyte);
  EXPECT_GE(reserved(world), 500 * kMegabyte);
  ASSERT_EQ(world.call(wire::FreeRequest{.block = block}).code, Code::kOk);
  world.pass(2000);
  EXPECT_LE(reserved(world), 64 * kMegabyte);
  EXPECT_EQ(world.group(group_of(block)).blocks().quota_bytes(), reserved(world));
}

TEST(Allocation, ImpossibleShapeSaysWhatThereIs) {
  AgentWorld world;
  world.hello();
  const wire::ClientAnswer answer = world.call(of(4096, 1, Shape{.sites = 2, .nodes_per_site = 1}));
  EXPECT_EQ(answer.code, Code::kImpossibleShape);
  EXPECT_NE(answer.detail.find("1 site"), std::string::npos) << answer.detail;
}

TEST(Allocation, WhatMakesNoSenseIsRefused) {
  AgentWorld world;
  world.hello();
  EXPECT_EQ(world.call(of(0, 1)).code, Code::kInvalid);
  EXPECT_EQ(world.call(of(4096, 0)).code, Code::kInvalid);
  EXPECT_EQ(world.call(of(~0ULL, 1)).code, Code::kNoSpace);
}

TEST(Allocation, RepeatedThroughAnotherAgentFindsTheSameBlock) {
  AgentWorld world;
  world.hello();
  world.malloc(4096);
  const wire::MallocRequest request = of(8192, 42);
  const BlockId first = world.call(request).block;
  // The client's agent dies before the client has the answer; another one does not know the request.
  world.restart_agent();
  world.hello();
  world.ask_as(3, request);
  world.run();
  EXPECT_EQ(world.answer(3).code, Code::kOk);
  EXPECT_EQ(world.answer(3).block, first);
  EXPECT_EQ(world.group(group_of(first)).blocks().block_count(), 2U);
}

TEST(Allocation, NewAllocationOfAClientThatMovedIsMade) {
  AgentWorld world;
  world.hello();
  const BlockId first = world.malloc(4096);
  world.restart_agent();
  world.hello();
  const wire::ClientAnswer second = world.call(of(4096, 43));
  EXPECT_EQ(second.code, Code::kOk);
  EXPECT_NE(second.block, first);
}

TEST(Allocation, LostAnswersMakeNoSecondBlock) {
  AgentWorld world;
  world.hello();
  const BlockId first = world.malloc(4096);
  world.group(group_of(first)).answers_lost = 1;
  EXPECT_EQ(world.call(of(4096, 7)).code, Code::kOk);
  EXPECT_EQ(world.group(group_of(first)).blocks().block_count(), 2U);
}

// ---- limits of one client ----

TEST(Allocation, ClientWithTooManyBlocksIsRefusedAndOthersAreNot) {
  AgentWorld world;
  world.limits.client_blocks_max = 3;
  world.restart_agent();
  world.hello();
  world.hello(kOther);
  world.beating.push_back(kOther);
  const BlockId first = world.malloc(4096);
  world.malloc(4096);
  world.malloc(4096);
  const wire::ClientAnswer refused = world.call(of(4096, 99));
  EXPECT_EQ(refused.code, Code::kLimit);
  EXPECT_NE(refused.detail.find("3 blocks"), std::string::npos) << refused.detail;
  world.malloc(4096, kOther);
  ASSERT_EQ(world.call(wire::FreeRequest{.block = first}).code, Code::kOk);
  EXPECT_EQ(world.call(of(4096, 100)).code, Code::kOk);
}

TEST(Allocation, ClientWithTooMuchMemoryIsRefusedAndOthersAreNot) {
  AgentWorld world;
  world.limits.client_memory_max = 10 * kMegabyte;
  world.restart_agent();
  world.hello();
  world.hello(kOther);
  world.beating.push_back(kOther);
  const BlockId first = world.malloc(8 * kMegabyte);
  EXPECT_EQ(world.call(of(3 * kMegabyte, 98)).code, Code::kLimit);
  EXPECT_EQ(world.call(of(2 * kMegabyte, 99)).code, Code::kOk);
  world.malloc(8 * kMegabyte, kOther);
  ASSERT_EQ(world.call(wire::FreeRequest{.block = first}).code, Code::kOk);
  EXPECT_EQ(world.call(of(8 * kMegabyte, 100)).code, Code::kOk);
}

TEST(Allocation, RefusedAndRepeatedAllocationsDoNotCount) {
  AgentWorld world(2, 100 * kMegabyte);
  world.limits.client_blocks_max = 2;
  world.restart_agent();
  world.hello();
  for (std::uint64_t token = 50; token < 55; ++token) {
    EXPECT_EQ(world.call(of(500 * kMegabyte, token)).code, Code::kNoSpace);
    EXPECT_EQ(world.call(of(0, token)).code, Code::kInvalid);
  }
  EXPECT_EQ(world.call(of(4096, 60)).code, Code::kOk);
  EXPECT_EQ(world.call(of(4096, 60)).code, Code::kOk) << "the same block once more";
  EXPECT_EQ(world.call(of(4096, 61)).code, Code::kOk);
}

// ---- what nobody spends ----

// Another agent reserves for the first group, and dies.
void reserve_in_vain(AgentWorld& world, std::uint64_t bytes) {
  world.root().execute(wire::Command{.op = {}, .action = wire::OpenSession{.node = 9, .incarnation = 9}});
  const OpId op{.session = world.root().applied(), .slot = 0, .counter = 1};
  ASSERT_EQ(world.root().execute(wire::Command{.op = op, .action = wire::Reserve{.group = 1, .bytes = bytes}}).code,
            Code::kOk);
}

TEST(QuotaSettler, ReservationThatNobodySpendsGoesBack) {
  AgentWorld world;
  world.has_replicas = true;
  world.hello();
  world.malloc(4096);
  reserve_in_vain(world, 100 * kMegabyte);
  ASSERT_EQ(reserved(world), 164 * kMegabyte);
  world.pass(2 * world.timing.quota_settle_ms);
  EXPECT_EQ(reserved(world), 64 * kMegabyte);
  EXPECT_EQ(world.group(1).blocks().quota_bytes(), 64 * kMegabyte);
}

TEST(QuotaSettler, YoungReservationIsLeftAlone) {
  AgentWorld world;
  world.has_replicas = true;
  world.hello();
  world.malloc(4096);
  reserve_in_vain(world, 100 * kMegabyte);
  const std::uint64_t before = world.group(1).proposals;
  world.pass(world.timing.quota_settle_ms / 2);
  EXPECT_EQ(reserved(world), 164 * kMegabyte);
  EXPECT_EQ(world.group(1).proposals, before);
}

TEST(QuotaSettler, AgentElsewhereDoesNothing) {
  AgentWorld world;
  world.hello();
  world.malloc(4096);
  reserve_in_vain(world, 100 * kMegabyte);
  world.pass(2 * world.timing.quota_settle_ms);
  EXPECT_EQ(reserved(world), 164 * kMegabyte);
}

TEST(QuotaSettler, SilentRootIsAskedAgain) {
  AgentWorld world;
  world.has_replicas = true;
  world.hello();
  world.malloc(4096);
  reserve_in_vain(world, 100 * kMegabyte);
  world.update_catalog();
  world.root().silent = true;
  world.pass(3 * world.timing.quota_settle_ms);
  EXPECT_EQ(reserved(world), 164 * kMegabyte);
  world.root().silent = false;
  world.pass(4 * world.timing.quota_settle_ms);
  EXPECT_EQ(reserved(world), 64 * kMegabyte);
}

TEST(Allocation, ReservationThatWasClosedIsMadeAgain) {
  AgentWorld world;
  world.hello();
  world.malloc(4096);
  StandInGroup& group = world.group(1);
  group.execute(wire::Command{.op = {}, .action = wire::OpenSession{.node = 9, .incarnation = 9}});
  const OpId op{.session = group.applied(), .slot = 0, .counter = 1};
  group.execute(wire::Command{.op = op, .action = wire::CloseReservations{.up_to = world.root().applied() + 1}});
  const wire::ClientAnswer answer = world.call(of(200 * kMegabyte, 9));
  EXPECT_EQ(answer.code, Code::kOk) << answer.detail;
  EXPECT_EQ(group_of(answer.block), 1U);
}

TEST(AgentNames, PublishedNameIsFoundListedAndRemoved) {
  AgentWorld world;
  world.hello();
  world.hello(kOther);
  world.beating.push_back(kOther);
  const BlockId a = world.malloc(4096);
  const BlockId b = world.malloc(4096);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "map/a", .block = a}).code, Code::kOk);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "map/b", .block = b}).code, Code::kOk);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "map/a", .block = b}).code, Code::kNameTaken);
  const wire::ClientAnswer found =
      world.call(wire::LookupRequest{.name = "map/a", .list = false, .after = {}, .limit = 0}, 5000, kOther);
  EXPECT_EQ(found.code, Code::kOk);
  EXPECT_EQ(found.block, a);
  const wire::ClientAnswer list = world.call(wire::LookupRequest{.name = "map/", .list = true, .after = {}, .limit = 1});
  ASSERT_EQ(list.names.size(), 1U);
  EXPECT_EQ(list.names[0], "map/a");
  EXPECT_EQ(list.blocks[0], a);
  EXPECT_TRUE(list.more);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "map/a", .block = 0}).code, Code::kOk);
  EXPECT_EQ(world.call(wire::LookupRequest{.name = "map/a", .list = false, .after = {}, .limit = 0}).code,
            Code::kNoSuchName);
}

TEST(AgentNames, BlockThatDoesNotExistGetsNoName) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(4096);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "x", .block = block + 1}).code, Code::kNotFound);
  EXPECT_EQ(world.call(wire::NameRequest{.name = "", .block = block}).code, Code::kInvalid);
}

TEST(AgentNames, NameOfAFreedBlockLeadsToNotFound) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(4096);
  ASSERT_EQ(world.call(wire::NameRequest{.name = "x", .block = block}).code, Code::kOk);
  ASSERT_EQ(world.call(wire::FreeRequest{.block = block}).code, Code::kOk);
  const wire::ClientAnswer found = world.call(wire::LookupRequest{.name = "x", .list = false, .after = {}, .limit = 0});
  EXPECT_EQ(found.code, Code::kOk);
  EXPECT_EQ(world.call(wire::StatRequest{.block = found.block}).code, Code::kNotFound);
}

TEST(Watchers, WaitIsAnsweredByTheNextVersion) {
  AgentWorld world;
  world.hello();
  world.hello(kOther);
  world.beating.push_back(kOther);
  const BlockId block = world.malloc(4096);
  const std::uint64_t waiting = world.ask(wire::WaitRequest{.block = block, .than = 0}, 5000, kOther);
  world.pass(200);
  EXPECT_EQ(world.answered(waiting, kOther), 0U);
  const wire::ClientAnswer released = world.release(world.acquire(block), block, "new");
  world.run();
  EXPECT_EQ(world.answer(waiting, kOther).code, Code::kOk);
  EXPECT_EQ(world.answer(waiting, kOther).version, released.version);
  EXPECT_EQ(world.call(wire::WaitRequest{.block = block, .than = 0}).version, released.version);
}

TEST(Watchers, WaitEndsAtItsLimit) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(4096);
  EXPECT_EQ(world.call(wire::WaitRequest{.block = block, .than = 0}, 300).code, Code::kTimedOut);
}

TEST(Watchers, WaitForAFreedBlockEnds) {
  AgentWorld world;
  world.hello();
  world.hello(kOther);
  world.beating.push_back(kOther);
  const BlockId block = world.malloc(4096);
  const std::uint64_t waiting = world.ask(wire::WaitRequest{.block = block, .than = 0}, 5000, kOther);
  ASSERT_EQ(world.call(wire::FreeRequest{.block = block}).code, Code::kOk);
  EXPECT_EQ(world.answer(waiting, kOther).code, Code::kNotFound);
}

TEST(Watchers, ChangeByAnotherAgentIsHeardThroughAChangeOfCoordinator) {
  AgentWorld world;
  world.hello();
  const BlockId block = world.malloc(4096);
  StandInGroup& group = world.group(group_of(block));
  const std::uint64_t waiting = world.ask(wire::WaitRequest{.block = block, .than = 0}, 20'000);
  world.run();
  // The coordinator that had the watch is gone, and with it the watch.
  group.silent = true;
  group.execute(wire::Command{.op = {}, .action = wire::OpenSession{.node = 9, .incarnation = 9}});
  group.execute(wire::Command{.op = OpId{.session = group.applied(), .slot = 0, .counter = 1},
                              .action = wire::Publish{.block = block, .grant = {}, .ranges = {wire::Range{0, 1}}}},
                Buffer::copy_of("x"));
  group.silent = false;
  world.pass(3000);
  EXPECT_EQ(world.answer(waiting).code, Code::kOk);
}

}  // namespace
}  // namespace juxmem

#include <gtest/gtest.h>

#include "juxmem/provider/agent_publish.h"
#include "tests/unit/provider/agent_world.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kMegabyte = 1U << 20;

Buffer pattern(std::uint64_t size_bytes, std::uint64_t seed) {
  std::vector<std::byte> bytes(size_bytes);
  for (std::uint64_t i = 0; i < size_bytes; ++i) bytes[i] = static_cast<std::byte>((i * 31 + seed + (i >> 12)) & 0xFF);
  return Buffer::take(std::move(bytes));
}

class LargeSectionTest : public testing::Test {
 protected:
  void SetUp() override {
    world.hello();
    block = world.malloc(8 * kMegabyte);
  }
  wire::ReleaseRequest part(std::uint64_t section, std::uint32_t number, bool more, std::uint64_t offset, Buffer data) {
    wire::ReleaseRequest request;
    request.section = section;
    request.block = block;
    request.part = number;
    request.more = more;
    request.ranges = {wire::Range{.offset = offset, .size_bytes = data.size()}};
    request.data = {std::move(data)};
    return request;
  }
  std::string all() { return world.content(block, 0, 8 * kMegabyte); }

  AgentWorld world;
  BlockId block = 0;
};

using LargeSection = LargeSectionTest;

TEST_F(LargeSection, OneMessageLargerThanAnEntryIsStagedAndInstalledAtOneVersion) {
  const wire::ClientAnswer section = world.acquire(block);
  const Buffer data = pattern(3 * kMegabyte + 100, 1);
  const wire::ClientAnswer released = world.call(part(section.section, 0, false, 50, data));
  ASSERT_EQ(released.code, Code::kOk);
  EXPECT_EQ(world.content(block, 50, data.size()), std::string(data.text()));
  EXPECT_EQ(world.agent->stats().publishes, 1U);
  EXPECT_EQ(world.group(group_of(block)).blocks().staged_bytes(), 0U);
}

TEST_F(LargeSection, PartsInAnyOrderBecomeVisibleTogether) {
  const wire::ClientAnswer section = world.acquire(block);
  const Buffer a = pattern(2 * kMegabyte, 1);
  const Buffer b = pattern(2 * kMegabyte, 2);
  const Buffer c = pattern(1 * kMegabyte, 3);
  const std::uint64_t last = world.ask(part(section.section, 2, false, 4 * kMegabyte, c));
  world.run();
  EXPECT_EQ(world.answered(last), 0U);
  EXPECT_EQ(all(), std::string(8 * kMegabyte, '\0'));
  const std::uint64_t second = world.ask(part(section.section, 1, true, 2 * kMegabyte, b));
  world.run();
  EXPECT_EQ(world.answer(second).code, Code::kOk);
  EXPECT_EQ(world.answered(last), 0U);
  const std::uint64_t first = world.ask(part(section.section, 0, true, 0, a));
  world.run();
  EXPECT_EQ(world.answer(first).code, Code::kOk);
  EXPECT_EQ(world.answer(last).code, Code::kOk);
  EXPECT_EQ(all().substr(0, 5 * kMegabyte), std::string(a.text()) + std::string(b.text()) + std::string(c.text()));
}

TEST_F(LargeSection, ClientThatDiesBetweenPartsPublishesNothingAndLeavesNothingStaged) {
  const wire::ClientAnswer section = world.acquire(block);
  world.ask(part(section.section, 0, true, 0, pattern(2 * kMegabyte, 1)));
  world.run();
  EXPECT_GT(world.group(group_of(block)).blocks().staged_bytes(), 0U);
  world.beating.clear();
  world.pass(world.timing.client_lease_ms + 500);
  EXPECT_EQ(world.group(group_of(block)).blocks().staged_bytes(), 0U);
  EXPECT_EQ(world.group(group_of(block)).blocks().find(block)->version, 0U);
  world.hello();
  world.beating = {AgentWorld::kClient};
  EXPECT_EQ(world.call(part(section.section, 1, false, 2 * kMegabyte, pattern(10, 1))).code, Code::kOwnerDead);
  EXPECT_EQ(world.acquire(block).code, Code::kOk);
}

TEST_F(LargeSection, ReleaseGivenUpBetweenItsPartsFreesTheBlock) {
  const wire::ClientAnswer section = world.acquire(block);
  world.ask(part(section.section, 0, true, 0, pattern(2 * kMegabyte, 1)));
  world.run();
  EXPECT_EQ(world.release(section, block).code, Code::kOk);
  EXPECT_EQ(world.group(group_of(block)).blocks().staged_bytes(), 0U);
  EXPECT_EQ(world.group(group_of(block)).blocks().find(block)->version, 0U);
  EXPECT_EQ(world.acquire(block).code, Code::kOk);
}

TEST_F(LargeSection, BeatWithoutASectionWhosePartsHaveNotAllComeDropsIt) {
  const wire::ClientAnswer section = world.acquire(block);
  world.ask(part(section.section, 0, true, 0, pattern(2 * kMegabyte, 1)));
  world.run();
  wire::ClientBeat beat;
  beat.client = AgentWorld::kClient;
  beat.last = 1000;
  world.agent->on_client(AgentWorld::kClient, wire::ClientMessage(beat));
  world.run();
  EXPECT_EQ(world.agent->stats().sections_open, 0U);
  EXPECT_EQ(world.group(group_of(block)).blocks().staged_bytes(), 0U);
}

TEST_F(LargeSection, LostAnswersOfStagedPartsAreAskedForAgain) {
  const wire::ClientAnswer section = world.acquire(block);
  world.group(group_of(block)).answers_lost = 5;
  const Buffer data = pattern(4 * kMegabyte, 7);
  const wire::ClientAnswer released = world.call(part(section.section, 0, false, 0, data), 10'000);
  ASSERT_EQ(released.code, Code::kOk);
  EXPECT_EQ(all().substr(0, data.size()), data.text());
}

TEST_F(LargeSection, MoreThanOneAnswerHoldsIsFetchedInPieces) {
  const wire::ClientAnswer section = world.acquire(block);
  const Buffer data = pattern(4 * kMegabyte, 7);
  ASSERT_EQ(world.call(part(section.section, 0, false, 0, data)).code, Code::kOk);
  const wire::ClientAnswer entered = world.call(wire::AcquireRequest{
      .block = block, .mode = Mode::kShared, .try_only = false, .have = 0, .offset = 0, .size_bytes = 8 * kMegabyte});
  ASSERT_EQ(entered.code, Code::kOk);
  std::string got(8 * kMegabyte, '\0');
  const auto put = [&](const wire::ClientAnswer& answer) {
    for (std::size_t i = 0; i < answer.ranges.size(); ++i) {
      got.replace(answer.ranges[i].offset, answer.data[i].size(), answer.data[i].text());
    }
  };
  put(entered);
  std::uint64_t covered = entered.covered_bytes;
  EXPECT_LT(covered, 8 * kMegabyte);
  while (covered < 8 * kMegabyte) {
    const wire::ClientAnswer more = world.call(wire::SectionPagesRequest{
        .section = entered.section, .since = 0, .offset = covered, .size_bytes = 8 * kMegabyte - covered});
    ASSERT_EQ(more.code, Code::kOk);
    ASSERT_GT(more.covered_bytes, 0U);
    put(more);
    covered += more.covered_bytes;
  }
  EXPECT_EQ(got, all());
}

TEST_F(LargeSection, RepeatedAcquireIsAnsweredWithoutItsDataWhichIsFetchedAgain) {
  const wire::ClientAnswer section = world.acquire(block);
  ASSERT_EQ(world.call(part(section.section, 0, false, 0, pattern(kMegabyte / 2, 7))).code, Code::kOk);
  const wire::AcquireRequest acquire{
      .block = block, .mode = Mode::kShared, .try_only = false, .have = 0, .offset = 0, .size_bytes = kMegabyte};
  const std::uint64_t number = world.ask(acquire);
  world.run();
  EXPECT_FALSE(world.answer(number).data.empty());
  world.ask_as(number, acquire);
  EXPECT_EQ(world.answered(number), 2U);
  EXPECT_TRUE(world.answer(number).data.empty());
  EXPECT_EQ(world.answer(number).covered_bytes, 0U);
}

TEST(SectionChanges, PiecesHoldExactlyTheChanges) {
  const Buffer large = pattern(700'000, 1);
  const std::vector<wire::Range> ranges{{0, 10}, {100, 700'000}, {800'000, 20}, {900'000, 300}};
  const std::vector<Buffer> data{pattern(10, 2), large, pattern(20, 3), pattern(300, 4)};
  for (const std::uint64_t piece_bytes : {64ULL, 1000ULL, 300'000ULL, 1'000'000ULL}) {
    std::string image(1'000'000, '\0');
    std::string wanted = image;
    for (std::size_t i = 0; i < ranges.size(); ++i) wanted.replace(ranges[i].offset, data[i].size(), data[i].text());
    for (const ChangePiece& piece : cut_changes(ranges, data, piece_bytes)) {
      EXPECT_LE(piece.data.size(), piece_bytes);
      std::uint64_t at = 0;
      for (const wire::Range& range : piece.ranges) {
        image.replace(range.offset, range.size_bytes, piece.data.slice(at, range.size_bytes).text());
        at += range.size_bytes;
      }
      EXPECT_EQ(at, piece.data.size());
    }
    EXPECT_EQ(image, wanted) << "pieces of " << piece_bytes;
  }
}

TEST(SectionChanges, LargeRangesAreNotCopied) {
  const Buffer large = pattern(3 * kMegabyte, 1);
  const std::vector<ChangePiece> pieces = cut_changes({{0, large.size()}}, {large}, kMegabyte);
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[1].data.data(), large.data() + kMegabyte);
}

TEST(SectionChanges, WhatDoesNotMatchIsRefused) {
  EXPECT_TRUE(check_changes({{0, 3}}, {Buffer::copy_of("abc")}, 3).has_value());
  EXPECT_EQ(check_changes({{0, 3}}, {}, 3).error().code, Code::kInvalid);
  EXPECT_EQ(check_changes({{0, 2}}, {Buffer::copy_of("abc")}, 3).error().code, Code::kInvalid);
  EXPECT_EQ(check_changes({{1, 3}}, {Buffer::copy_of("abc")}, 3).error().code, Code::kOutOfRange);
  EXPECT_EQ(check_changes({{~0ULL, 3}}, {Buffer::copy_of("abc")}, 3).error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace juxmem

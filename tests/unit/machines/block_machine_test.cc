#include "juxmem/provider/block_machine.h"

#include <gtest/gtest.h>

#include <string>

#include "juxmem/wire/limits.h"
#include "tests/unit/machines/machine_fixture.h"

namespace juxmem {
namespace {

TEST(BlockMachine, AllocateMakesAZeroedBlock) {
  BlockRig rig;
  const Applied applied =
      rig.run(wire::Allocate{.size_bytes = 10'000, .added_quota_bytes = 1U << 20, .meta = Buffer::copy_of("double[10]")});
  ASSERT_EQ(applied.reply.code, Code::kOk);
  const BlockId block = applied.reply.block;
  EXPECT_EQ(group_of(block), kGroup);
  EXPECT_EQ(applied.reply.amount, (1U << 20) - 3 * kPageBytes);
  const auto info = rig.machine.find(block);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size_bytes, 10'000U);
  EXPECT_EQ(info->version, 0U);
  EXPECT_EQ(info->meta.text(), "double[10]");
  EXPECT_EQ(rig.content(block), std::string(10'000, '\0'));
  EXPECT_EQ(rig.machine.facts({.block = block, .tag = 4}).meta.text(), "double[10]");
}

TEST(BlockMachine, AllocateWithoutQuotaAsksForIt) {
  BlockRig rig;
  const Applied refused = rig.run(wire::Allocate{.size_bytes = 8192, .added_quota_bytes = 4096, .meta = {}});
  EXPECT_EQ(refused.reply.code, Code::kQuota);
  EXPECT_EQ(refused.reply.amount, 4096U);
  EXPECT_EQ(rig.machine.block_count(), 0U);
  EXPECT_EQ(rig.run(wire::Allocate{.size_bytes = 8192, .added_quota_bytes = 4096, .meta = {}}).reply.code, Code::kOk);
}

TEST(BlockMachine, AllocateOfImpossibleSizesIsRefused) {
  BlockRig rig;
  EXPECT_EQ(rig.run(wire::Allocate{.size_bytes = 0, .meta = {}}).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.run(wire::Allocate{.size_bytes = ~0ULL, .meta = {}}).reply.code, Code::kTooBig);
  const Buffer meta = bytes(wire::kMetaBytesMax + 1, 'm');
  EXPECT_EQ(rig.run(wire::Allocate{.size_bytes = 1, .added_quota_bytes = 4096, .meta = meta}).reply.code, Code::kTooBig);
}

TEST(BlockMachine, AllocateAskedTwiceWithOneTokenMakesOneBlock) {
  BlockRig rig;
  const wire::Allocate command{.size_bytes = 1, .added_quota_bytes = 4096, .owner = 8, .token = 9, .meta = {}};
  const BlockId block = rig.run(command).reply.block;
  EXPECT_EQ(rig.run(command).reply.block, block);
  EXPECT_EQ(rig.machine.block_count(), 1U);
  EXPECT_EQ(rig.machine.quota_bytes(), 8192U) << "what the root reserved stays with the group";
}

TEST(BlockMachine, FreeGivesMemoryBackAndNeverReusesTheSlot) {
  BlockRig rig;
  const BlockId first = rig.allocate(100);
  const Applied freed = rig.run(wire::Free{first});
  EXPECT_EQ(freed.freed, first);
  EXPECT_EQ(rig.arena.used_bytes(), 0U);
  EXPECT_EQ(rig.machine.used_bytes(), 0U);
  EXPECT_EQ(rig.run(wire::Free{first}).reply.code, Code::kNotFound);
  EXPECT_GT(rig.allocate(100), first);
  EXPECT_EQ(rig.read(first, 0, 1).code, Code::kNotFound);
}

TEST(BlockMachine, PublishChangesBytesAndVersions) {
  BlockRig rig;
  const BlockId block = rig.allocate(3 * kPageBytes);
  const Applied applied = rig.run(wire::Publish{block, grant(1), {{10, 3}, {2 * kPageBytes, 2}}}, Buffer::copy_of("abcde"));
  ASSERT_EQ(applied.reply.code, Code::kOk);
  EXPECT_EQ(applied.reply.version, rig.instance);
  EXPECT_EQ(applied.changed, block);
  const std::string content = rig.content(block);
  EXPECT_EQ(content.substr(9, 5), std::string("\0abc\0", 5));
  EXPECT_EQ(content.substr(2 * kPageBytes, 3), std::string("de\0", 3));
  const wire::PagesReply pages = rig.read(block, 0, 3 * kPageBytes);
  ASSERT_EQ(pages.ranges.size(), 2U) << "the page between was never written";
  EXPECT_EQ(pages.ranges[1], (wire::Range{2 * kPageBytes, kPageBytes}));
}

TEST(BlockMachine, PublishAcrossAPageBorderChangesBothPages) {
  BlockRig rig;
  const BlockId block = rig.allocate(4 * kPageBytes);
  rig.run(wire::Publish{block, grant(1), {{2 * kPageBytes - 1, 2}}}, Buffer::copy_of("xy"));
  const wire::PagesReply pages = rig.read(block, 0, 4 * kPageBytes);
  ASSERT_EQ(pages.ranges.size(), 1U);
  EXPECT_EQ(pages.ranges[0], (wire::Range{kPageBytes, 2 * kPageBytes}));
}

TEST(BlockMachine, PublishBeyondTheBlockIsRefused) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{99, 2}}}, bytes(2, 'x')).reply.code, Code::kOutOfRange);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{101, 0}}}).reply.code, Code::kOutOfRange);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{8, ~0ULL}}}, bytes(2, 'x')).reply.code, Code::kOutOfRange);
  EXPECT_EQ(rig.content(block), std::string(100, '\0'));
}

TEST(BlockMachine, PublishWhoseDataDoesNotFitItsRangesIsRefused) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{0, 3}}}, bytes(2, 'x')).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{0, 1}}}, bytes(2, 'x')).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {}}, bytes(2, 'x')).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.machine.find(block)->version, 0U);
}

TEST(BlockMachine, PublishOfNothingKeepsTheVersion) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const Version version = rig.run(wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'x')).reply.version;
  const Applied empty = rig.run(wire::Publish{block, grant(1), {}});
  EXPECT_EQ(empty.reply.code, Code::kOk);
  EXPECT_EQ(empty.reply.version, version);
  EXPECT_EQ(empty.changed, 0U);
}

TEST(BlockMachine, PublishOfAnOlderGrantIsFenced) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(2, 5), {{0, 1}}}, bytes(1, 'x')).reply.code, Code::kOk);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(2, 4), {{0, 1}}}, bytes(1, 'y')).reply.code, Code::kOwnerDead);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1, 9), {{0, 1}}}, bytes(1, 'y')).reply.code, Code::kOwnerDead);
  EXPECT_EQ(rig.content(block)[0], 'x');
  EXPECT_EQ(rig.run(wire::Publish{block, grant(2, 5), {{0, 1}}}, bytes(1, 'z')).reply.code, Code::kOk);
  const BlockId other = rig.allocate(100);
  EXPECT_EQ(rig.run(wire::Publish{other, grant(1), {{0, 1}}}, bytes(1, 'y')).reply.code, Code::kOk);
}

TEST(BlockMachine, PublishOfAnExpiredSessionIsRefused) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  rig.expire(rig.session);
  EXPECT_EQ(rig.run(wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'x')).reply.code, Code::kSessionExpired);
  EXPECT_EQ(rig.machine.find(block)->version, 0U);
}

TEST(BlockMachine, BlocksOfOtherGroupsAreNotFound) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const BlockId stranger = make_block_id(kGroup + 1, slot_of(block));
  EXPECT_EQ(rig.run(wire::Publish{stranger, grant(1), {{0, 1}}}, bytes(1, 'x')).reply.code, Code::kNotFound);
  EXPECT_EQ(rig.machine.find(stranger), std::nullopt);
}

TEST(BlockMachine, CommandsOfTheRootAreRefused) {
  BlockRig rig;
  EXPECT_EQ(rig.run(wire::PublishName{"a", 1}).reply.code, Code::kInvalid);
}

// ---- large sections ---------------------------------------------------------------------------------------------------

TEST(BlockMachine, InstallMakesAllPartsVisibleAtOneInstance) {
  BlockRig rig;
  const BlockId block = rig.allocate(2 * kPageBytes);
  const OpId op = rig.next();
  EXPECT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 2}}}, Buffer::copy_of("ab")).reply.code, Code::kOk);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 1, {{kPageBytes, 2}}}, Buffer::copy_of("cd")).reply.code, Code::kOk);
  EXPECT_EQ(rig.machine.find(block)->version, 0U);
  EXPECT_EQ(rig.content(block), std::string(2 * kPageBytes, '\0'));
  EXPECT_EQ(rig.machine.staged_bytes(), 4U);
  const Applied installed = rig.run(op, wire::Install{block, grant(1), 2});
  ASSERT_EQ(installed.reply.code, Code::kOk);
  EXPECT_EQ(installed.reply.version, rig.instance);
  EXPECT_EQ(installed.changed, block);
  EXPECT_EQ(rig.content(block).substr(0, 2), "ab");
  EXPECT_EQ(rig.content(block).substr(kPageBytes, 2), "cd");
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
}

TEST(BlockMachine, StagedPartMayComeTwiceAndInAnyOrder) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  for (const std::uint32_t part : {1U, 0U, 1U, 0U}) {
    rig.run(op, wire::Stage{block, part, {{part, 1}}}, bytes(1, static_cast<char>('a' + part)));
  }
  EXPECT_EQ(rig.machine.staged_bytes(), 2U);
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 2}).reply.code, Code::kOk);
  EXPECT_EQ(rig.content(block).substr(0, 3), std::string("ab\0", 3));
}

TEST(BlockMachine, LaterPartWinsWhereTwoOverlap) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 1, {{0, 1}}}, bytes(1, 'b'));
  rig.run(op, wire::Stage{block, 0, {{0, 2}}}, bytes(2, 'a'));
  rig.run(op, wire::Install{block, grant(1), 2});
  EXPECT_EQ(rig.content(block).substr(0, 2), "ba");
}

TEST(BlockMachine, InstallWithoutAllPartsChangesNothing) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'a'));
  rig.run(op, wire::Stage{block, 2, {{2, 1}}}, bytes(1, 'c'));
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 3}).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.content(block), std::string(100, '\0'));
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
  EXPECT_EQ(rig.run(wire::Install{block, grant(1), 0}).reply.code, Code::kInvalid);
}

TEST(BlockMachine, InstallChecksTheDigestOfItsParts) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const std::vector<wire::Range> ranges{{0, 3}};
  const Buffer data = Buffer::copy_of("abc");
  SectionDigest digest;
  digest.add_part(SectionDigest::of_part(ranges, data));
  OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, ranges}, Buffer::copy_of("abd"));
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 1, digest.value()}).reply.code, Code::kInvalid);
  op = rig.next();
  rig.run(op, wire::Stage{block, 0, ranges}, data);
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 1, digest.value()}).reply.code, Code::kOk);
}

TEST(BlockMachine, InstallOfAnOlderGrantIsFenced) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  rig.run(wire::Publish{block, grant(5), {{0, 1}}}, bytes(1, 'x'));
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y'));
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(4), 1}).reply.code, Code::kOwnerDead);
  EXPECT_EQ(rig.content(block)[0], 'x');
}

TEST(BlockMachine, InstallRepeatedHappensOnce) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y'));
  const Applied first = rig.run(op, wire::Install{block, grant(1), 1});
  EXPECT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'z')).executed, false);
  const Applied again = rig.run(op, wire::Install{block, grant(1), 1});
  EXPECT_FALSE(again.executed);
  EXPECT_EQ(again.reply, first.reply);
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
}

TEST(BlockMachine, ExpiryDropsStagedParts) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y'));
  rig.expire(rig.session);
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 1}).reply.code, Code::kSessionExpired);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y')).reply.code, Code::kSessionExpired);
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
}

TEST(BlockMachine, SectionGivenUpIsNeverInstalled) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y'));
  EXPECT_EQ(rig.run(op, wire::Unstage{block}).reply.code, Code::kOwnerDead);
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'y'));
  EXPECT_EQ(rig.machine.staged_bytes(), 0U) << "a late part must not stay";
  EXPECT_EQ(rig.run(op, wire::Install{block, grant(1), 1}).reply.code, Code::kOwnerDead);
  EXPECT_EQ(rig.machine.sessions().outcome(op).reply->code, Code::kOwnerDead);
}

TEST(BlockMachine, StagedPartsOfASlotsEarlierOperationAreDropped) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId abandoned = rig.next();
  rig.run(abandoned, wire::Stage{block, 0, {{0, 4}}}, bytes(4, 'y'));
  const OpId op = rig.next();
  rig.run(op, wire::Stage{block, 0, {{0, 1}}}, bytes(1, 'z'));
  EXPECT_EQ(rig.machine.staged_bytes(), 1U);
  EXPECT_EQ(rig.run(abandoned, wire::Stage{block, 1, {{0, 4}}}, bytes(4, 'y')).reply.code, Code::kStale);
  rig.run(op, wire::Publish{block, grant(1), {}});
  EXPECT_EQ(rig.machine.staged_bytes(), 0U);
}

TEST(BlockMachine, StagedBytesAndPartsOfASessionAreBounded) {
  BlockRig rig(BlockLimits{.staged_bytes_max = 10, .staged_parts_max = 3});
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  EXPECT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 11}}}, bytes(11, 'a')).reply.code, Code::kTooBig);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 8}}}, bytes(8, 'a')).reply.code, Code::kOk);
  const OpId other{.session = op.session, .slot = 1, .counter = 1};
  EXPECT_EQ(rig.run(other, wire::Stage{block, 0, {{0, 3}}}, bytes(3, 'a')).reply.code, Code::kTooBig);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 1, {{0, 1}}}, bytes(1, 'a')).reply.code, Code::kOk);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 2, {{0, 1}}}, bytes(1, 'a')).reply.code, Code::kOk);
  EXPECT_EQ(rig.run(op, wire::Stage{block, 3, {}}).reply.code, Code::kTooBig);
}

TEST(BlockMachine, PartsOfOneSectionBelongToOneBlock) {
  BlockRig rig;
  const BlockId one = rig.allocate(100);
  const BlockId two = rig.allocate(100);
  const OpId op = rig.next();
  rig.run(op, wire::Stage{one, 0, {{0, 1}}}, bytes(1, 'a'));
  EXPECT_EQ(rig.run(op, wire::Stage{two, 1, {{0, 1}}}, bytes(1, 'a')).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.run(op, wire::Install{two, grant(1), 1}).reply.code, Code::kInvalid);
}

// ---- quota ---------------------------------------------------------------------------------------------------------------

TEST(BlockMachine, ShrinkQuotaGivesBackWhatIsNeitherUsedNorKept) {
  BlockRig rig;
  const BlockId block = rig.allocate(10 * kPageBytes);
  rig.run(wire::Free{block});
  EXPECT_EQ(rig.run(wire::ShrinkQuota{3 * kPageBytes}).reply.amount, 7 * kPageBytes);
  EXPECT_EQ(rig.machine.quota_bytes(), 3 * kPageBytes);
  EXPECT_EQ(rig.run(wire::ShrinkQuota{3 * kPageBytes}).reply.amount, 0U);
  EXPECT_EQ(rig.run(wire::ShrinkQuota{~0ULL}).reply.amount, 0U);
}

TEST(BlockMachine, ClosedReservationAddsNothing) {
  BlockRig rig;
  rig.run(wire::Allocate{.size_bytes = 1, .added_quota_bytes = 2 * kPageBytes, .reservation = 7, .meta = {}});
  const Applied closed = rig.run(wire::CloseReservations{.up_to = 8});
  EXPECT_EQ(closed.reply.amount, 2 * kPageBytes);
  EXPECT_EQ(closed.reply.version, closed.instance);
  const wire::Allocate late{.size_bytes = 3 * kPageBytes, .added_quota_bytes = 4 * kPageBytes, .reservation = 8, .meta = {}};
  EXPECT_EQ(rig.run(late).reply.code, Code::kQuota);
  EXPECT_EQ(rig.machine.quota_bytes(), 2 * kPageBytes);
  wire::Allocate young = late;
  young.reservation = 9;
  EXPECT_EQ(rig.run(young).reply.code, Code::kOk);
}

TEST(BlockMachine, ReservationsOnceClosedStayClosed) {
  BlockRig rig;
  rig.run(wire::CloseReservations{.up_to = 8});
  rig.run(wire::CloseReservations{.up_to = 3});
  rig.run(wire::Allocate{.size_bytes = 1, .added_quota_bytes = kPageBytes, .reservation = 5, .meta = {}});
  EXPECT_EQ(rig.machine.quota_bytes(), 0U);
  EXPECT_EQ(rig.run(wire::CloseReservations{.up_to = ~0ULL}).reply.code, Code::kInvalid);
}

// ---- reading -------------------------------------------------------------------------------------------------------------

TEST(BlockMachine, ReadGivesOnlyPagesNewerThanKnown) {
  BlockRig rig;
  const BlockId block = rig.allocate(8 * kPageBytes);
  const Version first =
      rig.run(wire::Publish{block, grant(1), {{0, 8 * kPageBytes}}}, bytes(8 * kPageBytes, 'a')).reply.version;
  const Version second = rig.run(wire::Publish{block, grant(1), {{3 * kPageBytes, 1}}}, bytes(1, 'b')).reply.version;
  const wire::PagesReply pages = rig.read(block, 0, 8 * kPageBytes, first);
  EXPECT_EQ(pages.version, second);
  ASSERT_EQ(pages.ranges.size(), 1U);
  EXPECT_EQ(pages.ranges[0], (wire::Range{3 * kPageBytes, kPageBytes}));
  EXPECT_EQ(pages.covered_bytes, 8 * kPageBytes);
  EXPECT_TRUE(rig.read(block, 0, 8 * kPageBytes, second).ranges.empty());
  EXPECT_TRUE(rig.read(block, 0, 3 * kPageBytes, first).ranges.empty());
}

TEST(BlockMachine, ReadStopsAtItsLimitAndSaysHowFarItCame) {
  BlockRig rig;
  const BlockId block = rig.allocate(8 * kPageBytes);
  rig.run(wire::Publish{block, grant(1), {{0, 8 * kPageBytes}}}, bytes(8 * kPageBytes, 'a'));
  const wire::PagesReply part = rig.read(block, 100, 7 * kPageBytes, 0, 2 * kPageBytes);
  ASSERT_EQ(part.ranges.size(), 1U);
  EXPECT_EQ(part.ranges[0], (wire::Range{0, 2 * kPageBytes}));
  EXPECT_EQ(part.covered_bytes, 2 * kPageBytes - 100);
  EXPECT_EQ(rig.read(block, 0, 8 * kPageBytes, 0, 1).ranges[0].size_bytes, kPageBytes) << "at least one page";
}

TEST(BlockMachine, ReadOfTheLastPageIsShort) {
  BlockRig rig;
  const BlockId block = rig.allocate(kPageBytes + 5);
  rig.run(wire::Publish{block, grant(1), {{kPageBytes + 4, 1}}}, bytes(1, 'z'));
  const wire::PagesReply pages = rig.read(block, kPageBytes + 1, 4);
  ASSERT_EQ(pages.ranges.size(), 1U);
  EXPECT_EQ(pages.ranges[0], (wire::Range{kPageBytes, 5}));
  EXPECT_EQ(pages.data[0].text(), std::string_view("\0\0\0\0z", 5));
  EXPECT_EQ(pages.covered_bytes, 4U);
}

TEST(BlockMachine, ReadBeyondTheBlockIsRefused) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  EXPECT_EQ(rig.read(block, 0, 101).code, Code::kOutOfRange);
  EXPECT_EQ(rig.read(block, 101, 0).code, Code::kOutOfRange);
  EXPECT_EQ(rig.read(block, 50, ~0ULL).code, Code::kOutOfRange);
  EXPECT_EQ(rig.read(block, 100, 0).code, Code::kOk);
}

TEST(BlockMachine, PagesReadDoNotChangeWithLaterPublishes) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  rig.run(wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'a'));
  const wire::PagesReply before = rig.read(block, 0, 100);
  rig.run(wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'b'));
  EXPECT_EQ(before.data[0].text()[0], 'a');
}

TEST(BlockMachine, OffsetsAboveFourGiBWork) {
  PageArena arena = *PageArena::create(8ULL << 30);
  BlockMachine machine(kGroup, arena);
  const SessionId session = machine.apply(1, wire::Command{.op = {}, .action = wire::OpenSession{1, 1}}, {}).reply.session;
  constexpr std::uint64_t kSize = (6ULL << 30) + 3;
  const BlockId block =
      machine
          .apply(2,
                 wire::Command{{session, 0, 1},
                               wire::Allocate{.size_bytes = kSize, .added_quota_bytes = 8ULL << 30, .meta = {}}},
                 {})
          .reply.block;
  const std::uint64_t offset = (5ULL << 30) + 77;
  const Applied published =
      machine.apply(3, wire::Command{{session, 0, 2}, wire::Publish{block, grant(1), {{offset, 2}, {kSize - 1, 1}}}},
                    Buffer::copy_of("abc"));
  ASSERT_EQ(published.reply.code, Code::kOk);
  const wire::PagesReply pages =
      machine.read_pages({.block = block, .tag = 0, .offset = 1, .size_bytes = kSize - 1}, 1U << 20);
  ASSERT_EQ(pages.ranges.size(), 2U);
  EXPECT_EQ(pages.data[0].text().substr(77, 2), "ab");
  EXPECT_EQ(pages.data[1].text(), std::string_view("\0\0c", 3));
}

TEST(BlockMachine, DestroyedMachineGivesItsMemoryBack) {
  PageArena arena = *PageArena::create(kArenaBytes);
  {
    BlockMachine machine(kGroup, arena);
    machine.apply(1, wire::Command{.op = {}, .action = wire::OpenSession{1, 1}}, {});
    machine.apply(2, wire::Command{{1, 0, 1}, wire::Allocate{.size_bytes = 9999, .added_quota_bytes = 1U << 20, .meta = {}}},
                  {});
    EXPECT_EQ(arena.used_bytes(), 3 * kPageBytes);
  }
  EXPECT_EQ(arena.used_bytes(), 0U);
}

}  // namespace
}  // namespace juxmem

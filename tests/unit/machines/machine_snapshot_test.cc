// Snapshots of the state machines: read out in pieces while the machine goes on, and made into a machine again.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/provider/catalog_machine.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"
#include "tests/unit/machines/machine_fixture.h"

namespace juxmem {
namespace {

// All pieces; `between` runs before each but the first.
std::vector<Buffer> pieces_of(const StateMachine& machine, SnapshotNumber number,
                              const std::function<void()>& between = {}) {
  std::vector<Buffer> pieces;
  wire::SnapshotCursor cursor;
  for (bool last = false; !last;) {
    if (between && !pieces.empty()) between();
    const Result<SnapshotPart> part = machine.read_snapshot(number, cursor);
    if (!part) {
      ADD_FAILURE() << to_string(part.error());
      return {};
    }
    EXPECT_LE(part->piece.size(), wire::kSnapshotPieceBytesMax);
    pieces.push_back(part->piece);
    cursor = part->next;
    last = part->last;
  }
  return pieces;
}

Status restore_all(StateMachine& machine, const std::vector<Buffer>& pieces) {
  for (const Buffer& piece : pieces) {
    if (Status taken = machine.restore(piece); !taken) return taken;
  }
  return {};
}

wire::SnapshotPiece decoded(const Buffer& piece) { return *wire::decode_snapshot_piece(piece); }

// A machine made of a snapshot, in the place of another rig's.
struct Copy {
  explicit Copy(const std::vector<Buffer>& pieces) : status(restore_all(rig.machine, pieces)) {}
  struct Fresh {
    PageArena arena = *PageArena::create(kArenaBytes);
    BlockMachine machine{kGroup, arena};
  } rig;
  Status status;
};

std::string content_of(const BlockMachine& machine, BlockId block) {
  std::string text(machine.find(block)->size_bytes, '\0');
  const wire::PagesReply pages =
      machine.read_pages({.block = block, .tag = 0, .offset = 0, .size_bytes = text.size()}, ~0ULL);
  for (std::size_t i = 0; i < pages.ranges.size(); ++i)
    text.replace(pages.ranges[i].offset, pages.ranges[i].size_bytes, pages.data[i].text());
  return text;
}

TEST(MachineSnapshot, RestoredMachineIsTheOneThatWas) {
  BlockRig rig;
  const BlockId block = rig.allocate(3 * kPageBytes);
  rig.run(wire::Publish{block, grant(1), {{10, 100}}}, bytes(100, 'a'));
  const std::uint64_t digest = rig.machine.digest();
  const SnapshotNumber number = rig.machine.open_snapshot();
  rig.run(wire::Publish{block, grant(2), {{0, 9000}}}, bytes(9000, 'b'));
  Copy copy(pieces_of(rig.machine, number));
  ASSERT_TRUE(copy.status) << to_string(copy.status.error());
  EXPECT_EQ(copy.rig.machine.digest(), digest);
  EXPECT_EQ(copy.rig.machine.applied(), rig.machine.snapshot_at(number));
  const std::string content = content_of(copy.rig.machine, block);
  EXPECT_EQ(content.substr(10, 100), std::string(100, 'a'));
  EXPECT_EQ(content.substr(110), std::string(3 * kPageBytes - 110, '\0'));
}

// ---- only what has changed ----

// Two blocks of some pages each, and a copy of the machine.
struct ChangesRig : BlockRig {
  ChangesRig() {
    kept = allocate(40 * kPageBytes);
    gone = allocate(10 * kPageBytes);
    run(wire::Publish{kept, grant(1), {{0, 40 * kPageBytes}}}, bytes(40 * kPageBytes, 'a'));
    run(wire::Publish{gone, grant(1), {{0, 10 * kPageBytes}}}, bytes(10 * kPageBytes, 'g'));
    copy.emplace(pieces_of(machine, machine.open_snapshot()));
    EXPECT_TRUE(copy->status);
    since = copy->rig.machine.applied();
  }
  void change(char fill) {
    run(wire::Publish{kept, grant(2), {{7 * kPageBytes, 1}, {20 * kPageBytes, 4096}}}, bytes(4097, fill));
  }
  // Pieces of a few pages each.
  std::vector<Buffer> changes() {
    const SnapshotNumber number = machine.open_snapshot();
    std::vector<Buffer> pieces;
    wire::SnapshotCursor cursor{.name = {}, .since = since};
    for (bool last = false; !last;) {
      const Result<SnapshotPart> part = machine.read_snapshot(number, cursor, 4 * kPageBytes);
      if (!part) break;
      pieces.push_back(part->piece);
      cursor = part->next;
      last = part->last;
    }
    return pieces;
  }
  void expect_equal() {
    EXPECT_EQ(copy->rig.machine.digest(), machine.digest());
    EXPECT_EQ(copy->rig.machine.applied(), machine.applied());
    EXPECT_EQ(content_of(copy->rig.machine, kept), content_of(machine, kept));
    EXPECT_EQ(copy->rig.arena.used_bytes(), arena.used_bytes());
  }

  BlockId kept = 0;
  BlockId gone = 0;
  std::optional<Copy> copy;
  Instance since = 0;
};

TEST(MachineSnapshot, ChangesMakeTheLaterState) {
  ChangesRig rig;
  rig.change('b');
  rig.run(wire::Free{rig.gone});
  const BlockId added = rig.allocate(3 * kPageBytes);
  rig.run(wire::Publish{added, grant(1), {{5, 10}}}, bytes(10, 'n'));
  const std::vector<Buffer> pieces = rig.changes();
  std::size_t pages = 0;
  for (const Buffer& piece : pieces) {
    for (const wire::PagesRow& row : decoded(piece).pages) pages += row.versions.size();
  }
  EXPECT_EQ(pages, 3U);
  rig.copy->rig.machine.begin_changes();
  const Status taken = restore_all(rig.copy->rig.machine, pieces);
  ASSERT_TRUE(taken) << to_string(taken.error());
  rig.expect_equal();
  EXPECT_EQ(content_of(rig.copy->rig.machine, added), content_of(rig.machine, added));
  EXPECT_FALSE(rig.copy->rig.machine.find(rig.gone));
}

TEST(MachineSnapshot, ChangesThatBrokeOffAreMadeGoodByLaterOnes) {
  ChangesRig rig;
  for (std::uint64_t page = 0; page < 40; page += 2) {
    rig.run(wire::Publish{rig.kept, grant(2), {{page * kPageBytes, 10}}}, bytes(10, 'b'));
  }
  std::vector<Buffer> pieces = rig.changes();
  ASSERT_GT(pieces.size(), 4U);
  pieces.resize(pieces.size() / 2);
  rig.copy->rig.machine.begin_changes();
  ASSERT_TRUE(restore_all(rig.copy->rig.machine, pieces));
  rig.change('c');
  rig.run(wire::Free{rig.gone});
  rig.copy->rig.machine.begin_changes();
  const Status taken = restore_all(rig.copy->rig.machine, rig.changes());
  ASSERT_TRUE(taken) << to_string(taken.error());
  rig.expect_equal();
}

TEST(MachineSnapshot, MachineThatIsGivenUpWhileItChangesGivesItsMemoryBack) {
  ChangesRig rig;
  rig.change('b');
  PageArena arena = *PageArena::create(kArenaBytes);
  {
    BlockMachine machine(kGroup, arena);
    const SnapshotNumber number = rig.machine.open_snapshot();
    ASSERT_TRUE(restore_all(machine, pieces_of(rig.machine, number)));
    machine.begin_changes();
  }
  EXPECT_EQ(arena.used_bytes(), 0U);
}

TEST(MachineSnapshot, FreedBlockIsStillInIt) {
  BlockRig rig;
  const BlockId block = rig.allocate(2 * kPageBytes);
  rig.run(wire::Publish{block, grant(1), {{0, 5000}}}, bytes(5000, 'a'));
  const SnapshotNumber number = rig.machine.open_snapshot();
  rig.run(wire::Free{block});
  const BlockId other = rig.allocate(2 * kPageBytes);
  rig.run(wire::Publish{other, grant(1), {{0, 5000}}}, bytes(5000, 'b'));
  Copy copy(pieces_of(rig.machine, number));
  ASSERT_TRUE(copy.status) << to_string(copy.status.error());
  EXPECT_EQ(content_of(copy.rig.machine, block).substr(0, 5000), std::string(5000, 'a'));
  EXPECT_FALSE(copy.rig.machine.find(other));
}

TEST(MachineSnapshot, PagesThatWereNeverWrittenCostNothing) {
  BlockRig rig;
  const BlockId block = rig.allocate(kArenaBytes / 2);
  rig.run(wire::Publish{block, grant(1), {{kArenaBytes / 4, 1}}}, bytes(1, 'a'));
  const SnapshotNumber number = rig.machine.open_snapshot();
  const std::vector<Buffer> pieces = pieces_of(rig.machine, number);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_LT(pieces[0].size(), 3 * kPageBytes);
  Copy copy(pieces);
  ASSERT_TRUE(copy.status);
  EXPECT_EQ(content_of(copy.rig.machine, block)[kArenaBytes / 4], 'a');
}

TEST(MachineSnapshot, SectionThatIsStagedCanBeInstalledAfterwards) {
  BlockRig rig;
  const BlockId block = rig.allocate(4 << 20);
  const OpId op = rig.next();
  std::vector<wire::Range> small;
  for (std::uint64_t i = 0; i < 60'000; ++i) small.push_back({i * 16, 1});
  ASSERT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 1 << 20}}}, bytes(1 << 20, 'a')).reply.code, Code::kOk);
  ASSERT_EQ(rig.run(op, wire::Stage{block, 1, small}, bytes(60'000, 'b')).reply.code, Code::kOk);
  const SnapshotNumber number = rig.machine.open_snapshot();
  const std::uint64_t digest = rig.machine.digest();
  Copy copy(pieces_of(rig.machine, number));
  ASSERT_TRUE(copy.status) << to_string(copy.status.error());
  EXPECT_EQ(copy.rig.machine.digest(), digest);
  EXPECT_EQ(copy.rig.machine.staged_bytes(), rig.machine.staged_bytes());
  const wire::Command install{.op = op, .action = wire::Install{block, grant(1), 2}};
  ASSERT_EQ(rig.machine.apply(100, install, {}).reply.code, Code::kOk);
  ASSERT_EQ(copy.rig.machine.apply(100, install, {}).reply.code, Code::kOk);
  EXPECT_EQ(copy.rig.machine.digest(), rig.machine.digest());
  EXPECT_EQ(content_of(copy.rig.machine, block), rig.content(block));
}

TEST(MachineSnapshot, AnsweredOperationIsAnsweredAgainByTheCopy) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  const Applied first = rig.run(op, wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'a'));
  Copy copy(pieces_of(rig.machine, rig.machine.open_snapshot()));
  ASSERT_TRUE(copy.status);
  const Applied again =
      copy.rig.machine.apply(50, {.op = op, .action = wire::Publish{block, grant(1), {{0, 1}}}}, bytes(1, 'a'));
  EXPECT_FALSE(again.executed);
  EXPECT_EQ(again.reply, first.reply);
}

TEST(MachineSnapshot, AllocationOfTheSameTokenIsTheSameBlock) {
  BlockRig rig;
  const wire::Allocate allocate{.size_bytes = 100, .added_quota_bytes = 8192, .owner = 7, .token = 8, .meta = bytes(9, 'm')};
  const BlockId block = rig.run(allocate).reply.block;
  Copy copy(pieces_of(rig.machine, rig.machine.open_snapshot()));
  ASSERT_TRUE(copy.status);
  EXPECT_EQ(copy.rig.machine.apply(50, {.op = rig.next(), .action = allocate}, {}).reply.block, block);
  EXPECT_EQ(copy.rig.machine.find(block)->meta, bytes(9, 'm'));
}

TEST(MachineSnapshot, ClosedReservationsStayClosed) {
  BlockRig rig;
  rig.run(wire::CloseReservations{.up_to = 9});
  Copy copy(pieces_of(rig.machine, rig.machine.open_snapshot()));
  ASSERT_TRUE(copy.status);
  const wire::Allocate late{.size_bytes = 100, .added_quota_bytes = 8192, .reservation = 9, .meta = {}};
  EXPECT_EQ(copy.rig.machine.apply(50, {.op = rig.next(), .action = late}, {}).reply.code, Code::kQuota);
}

TEST(MachineSnapshot, PieceIsTheSameHoweverOftenItIsRead) {
  BlockRig rig;
  const BlockId block = rig.allocate(4 << 20);
  rig.run(wire::Publish{block, grant(1), {{0, 1 << 20}}}, bytes(1 << 20, 'a'));
  rig.run(wire::Publish{block, grant(1), {{2 << 20, 1 << 20}}}, bytes(1 << 20, 'c'));
  const SnapshotNumber number = rig.machine.open_snapshot();
  const Result<SnapshotPart> first = rig.machine.read_snapshot(number, {});
  const Result<SnapshotPart> second = rig.machine.read_snapshot(number, first->next);
  rig.run(wire::Publish{block, grant(1), {{0, 1 << 20}}}, bytes(1 << 20, 'b'));
  EXPECT_EQ(rig.machine.read_snapshot(number, {})->piece, first->piece);
  EXPECT_EQ(rig.machine.read_snapshot(number, first->next)->piece, second->piece);
  EXPECT_GT(second->percent, 0U);
  EXPECT_LT(first->percent, 100U);
}

TEST(MachineSnapshot, ThatNeedsMoreMemoryThanThereIsIsClosedByName) {
  BlockRig rig;
  rig.arena.set_side_bytes_max(4 * kPageBytes);
  const BlockId block = rig.allocate(100 * kPageBytes);
  rig.run(wire::Publish{block, grant(1), {{0, 100 * kPageBytes}}}, bytes(100 * kPageBytes, 'a'));
  const SnapshotNumber number = rig.machine.open_snapshot();
  rig.run(wire::Publish{block, grant(1), {{0, 100 * kPageBytes}}}, bytes(100 * kPageBytes, 'b'));
  const Result<SnapshotPart> part = rig.machine.read_snapshot(number, {});
  ASSERT_FALSE(part);
  EXPECT_EQ(part.error().code, Code::kSnapshotGone);
  EXPECT_FALSE(rig.machine.snapshot_at(number));
  EXPECT_EQ(rig.arena.side_bytes(), 0U);
  Copy copy(pieces_of(rig.machine, rig.machine.open_snapshot()));
  EXPECT_TRUE(copy.status);
}

TEST(MachineSnapshot, RowsThatNeedMoreMemoryThanThereIsCloseIt) {
  BlockRig rig;
  rig.arena.set_side_bytes_max(20'000);
  const BlockId block = rig.allocate(100'000);
  const SnapshotNumber number = rig.machine.open_snapshot();
  const OpId op = rig.next();
  ASSERT_EQ(rig.run(op, wire::Stage{block, 0, {{0, 30'000}}}, bytes(30'000, 'a')).reply.code, Code::kOk);
  EXPECT_TRUE(rig.machine.snapshot_at(number));
  const SnapshotNumber later = rig.machine.open_snapshot();
  ASSERT_EQ(rig.run(op, wire::Stage{block, 1, {{0, 10}}}, bytes(10, 'a')).reply.code, Code::kOk);
  EXPECT_FALSE(rig.machine.snapshot_at(later));
}

TEST(MachineSnapshot, ArenaTooSmallForItIsSaidSo) {
  BlockRig rig;
  rig.allocate(kArenaBytes / 2);
  const std::vector<Buffer> pieces = pieces_of(rig.machine, rig.machine.open_snapshot());
  PageArena arena = *PageArena::create(kArenaBytes / 4);
  BlockMachine machine(kGroup, arena);
  const Status status = restore_all(machine, pieces);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNoSpace);
}

// Each of these must not pass for a state.
class BrokenSnapshot : public testing::Test {
 protected:
  BrokenSnapshot() {
    const BlockId block = rig.allocate(3 * kPageBytes);
    rig.run(wire::Publish{block, grant(1), {{0, 5000}}}, bytes(5000, 'a'));
    rig.run(rig.next(), wire::Stage{block, 0, {{0, 100}}}, bytes(100, 'b'));
    pieces = pieces_of(rig.machine, rig.machine.open_snapshot());
  }
  bool is_refused(const std::function<void(wire::SnapshotPiece&)>& change) const {
    wire::SnapshotPiece piece = decoded(pieces.at(0));
    change(piece);
    Copy copy({wire::encode_snapshot_piece(piece)});
    return !copy.status && copy.status.error().code == Code::kProtocol;
  }
  BlockRig rig;
  std::vector<Buffer> pieces;
};

TEST_F(BrokenSnapshot, IsRefusedByName) {
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_FALSE(is_refused([](wire::SnapshotPiece&) {}));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.number = 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.at += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.sessions.clear(); }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.staged.clear(); }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks.clear(); }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks_head.group = kGroup + 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks_head.quota_bytes += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks_head.next_slot += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks[0].version = piece.at + 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks[0].size_bytes = wire::kBlockBytesMax; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.blocks.push_back(piece.blocks[0]); }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.pages[0].slot += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.pages[0].first_page = 2; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.pages[0].versions[0] += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.staged[0].session += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.staged[0].more = true; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.staged.push_back(piece.staged[0]); }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.staged[0].ranges[0].size_bytes += 1; }));
  EXPECT_TRUE(is_refused([](wire::SnapshotPiece& piece) { piece.digest += 1; }));
}

TEST(CatalogSnapshot, RestoredCatalogIsTheOneThatWas) {
  CatalogMachine machine(1);
  Instance instance = 0;
  const auto run = [&](wire::Action action) {
    return machine.apply(++instance, wire::Command{.op = {}, .action = std::move(action)}, {});
  };
  const SessionId session = run(wire::OpenSession{1, 1}).reply.session;
  std::uint64_t counter = 0;
  const auto operate = [&](wire::Action action) {
    return machine.apply(++instance, wire::Command{.op = {session, 0, ++counter}, .action = std::move(action)}, {});
  };
  run(wire::JoinProvider{
      .name = "a", .site = "s", .address = "x", .incarnation = 1, .capacity_bytes = 1 << 30, .manager = true, .node = 1});
  const auto group = operate(wire::CreateGroup{.shape = {1, 1}, .reserve_bytes = 4096}).reply.number;
  ASSERT_EQ(group, 1U);
  for (int i = 0; i < 30'000; ++i) {
    operate(wire::PublishName{.name = "name of some length " + std::to_string(i), .block = make_block_id(group, 1)});
  }
  const std::uint64_t digest = machine.digest();
  const SnapshotNumber number = machine.open_snapshot();
  int removed = 0;
  const std::vector<Buffer> pieces = pieces_of(machine, number, [&] {
    operate(wire::UnpublishName{.name = "name of some length " + std::to_string(29'999 - removed++)});
    operate(wire::PublishName{.name = "zz" + std::to_string(removed), .block = make_block_id(group, 2)});
    operate(wire::Reserve{.group = group, .bytes = 4096});
  });
  EXPECT_GT(pieces.size(), 1U);
  EXPECT_NE(machine.digest(), digest);
  CatalogMachine copy(1);
  const Status status = restore_all(copy, pieces);
  ASSERT_TRUE(status) << to_string(status.error());
  EXPECT_EQ(copy.digest(), digest);
  EXPECT_EQ(copy.catalog().lookup("name of some length 29999"), make_block_id(group, 1));
  EXPECT_EQ(copy.catalog().groups().at(group).reserved_bytes, 4096U);
  copy.catalog().check_invariants();
}

// A later manager may know nothing of the first ones.
TEST(CatalogSnapshot, TellsWhoTheManagersAre) {
  CatalogMachine machine(3);
  const std::vector<Buffer> pieces = pieces_of(machine, machine.open_snapshot());
  CatalogMachine copy(1);
  ASSERT_TRUE(restore_all(copy, pieces));
  EXPECT_EQ(copy.catalog().root().members, (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(copy.digest(), machine.digest());
}

}  // namespace
}  // namespace juxmem

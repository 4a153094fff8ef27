#include "juxmem/provider/state_machine.h"

#include <gtest/gtest.h>

#include "juxmem/wire/codec.h"
#include "tests/unit/machines/machine_fixture.h"

namespace juxmem {
namespace {

wire::Entry entry_of(const wire::Command& command, const Buffer& data = {}) {
  return {.ballot = {1, 1}, .kind = wire::EntryKind::kCommand, .command = wire::encode_command(command), .data = data};
}

TEST(StateMachine, EncodedEntriesAreExecuted) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  const wire::Command command{op, wire::Publish{block, grant(1), {{0, 2}}}};
  const Applied applied = rig.machine.apply(++rig.instance, entry_of(command, Buffer::copy_of("hi")));
  EXPECT_EQ(applied.reply.code, Code::kOk);
  EXPECT_EQ(applied.op, op);
  EXPECT_EQ(applied.instance, rig.instance);
  EXPECT_EQ(rig.content(block).substr(0, 2), "hi");
}

TEST(StateMachine, DigestsOfInstallTravel) {
  const wire::Command command{{1, 2, 3}, wire::Install{.block = 7, .grant = grant(1), .parts = 4, .digest = 99}};
  const Result<wire::Command> decoded = wire::decode_command(wire::encode_command(command));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, command);
}

TEST(StateMachine, EntriesThatAreNoCommandsOnlyMoveThePlace) {
  BlockRig rig;
  for (const auto kind : {wire::EntryKind::kNoop, wire::EntryKind::kDigest, wire::EntryKind::kStop}) {
    const Applied applied =
        rig.machine.apply(++rig.instance, {.ballot = {}, .kind = kind, .command = bytes(8, 'x'), .data = {}});
    EXPECT_FALSE(applied.executed);
    EXPECT_EQ(rig.machine.applied(), rig.instance);
  }
}

TEST(StateMachine, CommandThatCannotBeDecodedChangesNothing) {
  BlockRig rig;
  BlockRig twin;
  const wire::Entry garbage{.ballot = {}, .kind = wire::EntryKind::kCommand, .command = bytes(33, 'x'), .data = {}};
  const Applied applied = rig.machine.apply(++rig.instance, garbage);
  EXPECT_EQ(applied.reply.code, Code::kInvalid);
  EXPECT_FALSE(applied.executed);
  twin.machine.apply(++twin.instance, garbage);
  EXPECT_EQ(rig.machine.digest(), twin.machine.digest());
}

TEST(StateMachine, RepeatedOperationIsAnsweredButNotExecuted) {
  BlockRig rig;
  const BlockId block = rig.allocate(100);
  const OpId op = rig.next();
  const Applied first = rig.run(op, wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'a'));
  rig.run({rig.session, 1, 1}, wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'b'));
  const Applied again = rig.run(op, wire::Publish{block, grant(1), {{0, 1}}}, bytes(1, 'a'));
  EXPECT_TRUE(first.executed);
  EXPECT_FALSE(again.executed);
  EXPECT_EQ(again.reply, first.reply);
  EXPECT_EQ(again.changed, 0U);
  EXPECT_EQ(rig.content(block)[0], 'b');
}

TEST(StateMachine, RefusedOperationIsRepeatedAsRefused) {
  BlockRig rig;
  const OpId op = rig.next();
  const Applied first = rig.run(op, wire::Free{make_block_id(kGroup, 1)});
  EXPECT_EQ(first.reply.code, Code::kNotFound);
  rig.run({rig.session, 1, 1}, wire::Allocate{.size_bytes = 1, .added_quota_bytes = 4096, .meta = {}});
  EXPECT_EQ(rig.run(op, wire::Free{make_block_id(kGroup, 1)}).reply, first.reply);
  EXPECT_EQ(rig.machine.block_count(), 1U);
}

TEST(StateMachine, OperationWithoutNumberIsRefused) {
  BlockRig rig;
  EXPECT_EQ(rig.run(OpId{}, wire::Free{1}).reply.code, Code::kInvalid);
  EXPECT_EQ(rig.run(OpId{rig.session, 0, 0}, wire::Free{1}).reply.code, Code::kInvalid);
}

TEST(StateMachine, SessionsOpenAndExpireByEntries) {
  BlockRig rig;
  const Applied opened = rig.machine.apply(++rig.instance, wire::Command{{}, wire::OpenSession{2, 7}}, {});
  EXPECT_EQ(opened.opened, rig.instance);
  EXPECT_EQ(opened.reply.session, rig.instance);
  const SessionId session = opened.opened;
  EXPECT_EQ(rig.machine.apply(++rig.instance, wire::Command{{}, wire::OpenSession{2, 7}}, {}).opened, session);
  EXPECT_EQ(rig.expire(session).expired, session);
  EXPECT_EQ(rig.expire(session).expired, 0U);
  EXPECT_EQ(rig.run(OpId{session, 0, 1}, wire::Free{1}).reply.code, Code::kSessionExpired);
}

TEST(StateMachineDeathTest, SameInstanceTwiceIsADefect) {
  BlockRig rig;
  EXPECT_DEATH(rig.machine.apply(rig.instance, wire::Entry{}), "instance > applied_");
}

}  // namespace
}  // namespace juxmem

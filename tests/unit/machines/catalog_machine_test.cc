#include "juxmem/provider/catalog_machine.h"

#include <gtest/gtest.h>

#include <utility>

namespace juxmem {
namespace {

class CatalogMachineTest : public testing::Test {
 protected:
  Applied run(wire::Action action, const OpId& op = {}) {
    return machine.apply(++instance, wire::Command{.op = op, .action = std::move(action)}, {});
  }
  wire::JoinProvider provider(const char* name) {
    return {.name = name, .site = "s", .address = "tcp://x", .incarnation = 5, .capacity_bytes = 1U << 20};
  }

  CatalogMachine machine{1};
  Instance instance = 0;
};

TEST_F(CatalogMachineTest, JoinNeedsNoSession) {
  const Applied joined = run(provider("a"));
  EXPECT_EQ(joined.reply.code, Code::kOk);
  EXPECT_EQ(joined.reply.number, 2U);
  EXPECT_TRUE(joined.catalog_changed);
  EXPECT_FALSE(run(provider("a")).catalog_changed);
}

TEST_F(CatalogMachineTest, StateOfProvidersNeedsNoSession) {
  run(provider("a"));
  EXPECT_TRUE(run(wire::ProviderState{2, false}).catalog_changed);
  EXPECT_FALSE(run(wire::ProviderState{2, false}).catalog_changed);
  EXPECT_TRUE(run(wire::LeaveProvider{2}).catalog_changed);
}

TEST_F(CatalogMachineTest, EverythingElseHappensOncePerOperation) {
  run(provider("a"));
  EXPECT_EQ(run(wire::CreateGroup{.shape = {1, 1}}).reply.code, Code::kInvalid);
  const SessionId session = run(wire::OpenSession{2, 5}).reply.session;
  const OpId op{session, 0, 1};
  const Applied created = run(wire::CreateGroup{.shape = {1, 1}, .reserve_bytes = 100}, op);
  ASSERT_EQ(created.reply.code, Code::kOk);
  EXPECT_TRUE(created.catalog_changed);
  const Applied again = run(wire::CreateGroup{.shape = {1, 1}, .reserve_bytes = 100}, op);
  EXPECT_EQ(again.reply, created.reply);
  EXPECT_FALSE(again.catalog_changed);
  EXPECT_EQ(machine.catalog().groups().at(created.reply.number).reserved_bytes, 100U);
  EXPECT_EQ(run(wire::Reserve{created.reply.number, 50}, {session, 0, 2}).reply.code, Code::kOk);
  EXPECT_EQ(run(wire::Unreserve{created.reply.number, 150}, {session, 0, 3}).reply.code, Code::kOk);
  const BlockId block = make_block_id(created.reply.number, 1);
  EXPECT_EQ(run(wire::PublishName{"n", block}, {session, 0, 4}).reply.code, Code::kOk);
  EXPECT_EQ(machine.catalog().lookup("n"), block);
  EXPECT_EQ(run(wire::UnpublishName{"n"}, {session, 0, 5}).reply.code, Code::kOk);
  EXPECT_EQ(run(wire::UnpublishName{"n"}, {session, 0, 5}).reply.code, Code::kOk);
}

TEST_F(CatalogMachineTest, CommandsOfBlockGroupsAreRefused) {
  const SessionId session = run(wire::OpenSession{2, 5}).reply.session;
  EXPECT_EQ(run(wire::Free{1}, {session, 0, 1}).reply.code, Code::kInvalid);
}

}  // namespace
}  // namespace juxmem

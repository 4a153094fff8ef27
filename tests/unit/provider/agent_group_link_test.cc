#include "juxmem/provider/group_link.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/provider/agent_world.h"

namespace juxmem {
namespace {

// A link to the root of an AgentWorld, beside the agent's own.
class Link : public GroupLinkEvents {
 public:
  explicit Link(AgentWorld& world) : world_(world), link(*this, world) {}

  void on_session_opened(GroupLink&) override { ++opened; }
  void on_session_lost(GroupLink&, SessionId session) override { lost.push_back(session); }
  void on_session_renewed(GroupLink&) override { ++renewed; }
  void on_coordinator(GroupLink&) override {}

  // Delivers between the link and the group until all is quiet.
  void run() {
    while (!sent.empty() || !answers.empty()) {
      if (!sent.empty()) {
        auto [to, message] = std::move(sent.front());
        sent.pop_front();
        group.receive(to, AgentWorld::kSelf, std::move(message));
      } else {
        auto [from, message] = std::move(answers.front());
        answers.pop_front();
        if (auto* executed = std::get_if<wire::Executed>(&message)) link.get().on_executed(from, *executed);
        if (auto* redirect = std::get_if<wire::Redirect>(&message)) link.get().on_redirect(from, *redirect);
        if (auto* answer = std::get_if<wire::SessionRenewed>(&message)) link.get().on_renewed(from, *answer);
        if (auto* names = std::get_if<wire::NamesReply>(&message)) link.get().on_answer(from, names->tag, *names);
      }
    }
  }
  void pass(std::int64_t ms) {
    for (std::int64_t passed = 0; passed < ms; passed += 5) {
      run();
      now += ms_to_ns(5);
      timers.run(now);
    }
    run();
  }

 private:
  AgentWorld& world_;

  // The host of the link: three managers, of which `group.leader` leads.
  struct Host : public AgentHost {
    explicit Host(Link& owner) : owner(owner) {}
    NodeId self() const override { return AgentWorld::kSelf; }
    SiteId site() const override { return 1; }
    std::uint64_t incarnation() const override { return 22; }
    TimeNs now() const override { return owner.now; }
    std::uint64_t random() override { return 1; }
    const CatalogView& catalog() const override { return owner.world_.catalog(); }
    std::vector<NodeId> managers() const override { return {1, 3, 4}; }
    void send(NodeId to, wire::Message message) override {
      owner.sent.emplace_back(to, std::get<wire::GroupMessage>(std::move(message)));
    }
    void reply(PeerId, wire::Message) override {}
    std::string user_of(PeerId) const override { return {}; }
    LocalReplica* replica(GroupId) override { return nullptr; }
    Link& owner;
  };
  struct Lazy {
    Lazy(Link& owner, AgentWorld& world) : host(owner), link(host, world.timing, owner.timers, owner, kRootGroup) {}
    GroupLink& get() { return link; }
    Host host;
    GroupLink link;
  };

 public:
  TimeNs now = 1'000'000'000;
  AgentTimers timers;
  std::deque<std::pair<NodeId, wire::GroupMessage>> sent;
  std::deque<std::pair<NodeId, wire::GroupMessage>> answers;
  StandInGroup group{kRootGroup, std::make_unique<CatalogMachine>(1), 1,
                     [this](NodeId from, wire::GroupMessage message) { answers.emplace_back(from, std::move(message)); }};
  int opened = 0;
  int renewed = 0;
  std::vector<SessionId> lost;
  Lazy link;

  GroupLink& operator*() { return link.get(); }
  GroupLink* operator->() { return &link.get(); }

  // Submits PublishName; the codes of its answers gather in `codes`.
  std::vector<Code> codes;
  void publish(const std::string& name, TimeNs limit = kNever) {
    link.get().submit(wire::PublishName{.name = name, .block = make_block_id(1, 1)}, {}, limit,
                      [this](const wire::Executed& answer) { codes.push_back(answer.reply.code); });
  }
  // A group that names may refer to.
  void add_group() {
    group.execute(wire::Command{.op = {},
                                .action = wire::JoinProvider{.name = "p",
                                                             .site = "a",
                                                             .address = "x",
                                                             .incarnation = 1,
                                                             .capacity_bytes = 1 << 30,
                                                             .manager = true,
                                                             .node = 1}});
    link.get().submit(wire::CreateGroup{.shape = {}, .durability = Durability::kMemory, .prefer = 0, .reserve_bytes = 0}, {},
                      kNever, [](const wire::Executed&) {});
    run();
  }
};

class GroupLinkTest : public testing::Test {
 protected:
  AgentWorld world;
  Link link{world};
};

TEST_F(GroupLinkTest, FirstOperationOpensTheSessionAndExecutes) {
  link.add_group();
  link.publish("x");
  link.run();
  EXPECT_EQ(link.opened, 1);
  EXPECT_TRUE(link->lease_holds());
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_TRUE(link.group.catalog().catalog().lookup("x").has_value());
}

TEST_F(GroupLinkTest, LostAnswerIsAskedForAgainAndExecutedOnce) {
  link.add_group();
  link.group.answers_lost = 2;
  link->submit(wire::Reserve{.group = 1, .bytes = 4096}, {}, kNever,
               [&](const wire::Executed& answer) { link.codes.push_back(answer.reply.code); });
  link.pass(2000);
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link.group.catalog().catalog().groups().at(1).reserved_bytes, 4096U);
}

TEST_F(GroupLinkTest, LateSecondAnswerChangesNothing) {
  link.add_group();
  link.publish("x");
  const auto copy = link.sent;
  link.run();
  link.sent = copy;
  link.run();
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link->pending(), 0U);
}

TEST_F(GroupLinkTest, RedirectLeadsToTheCoordinator) {
  link.group.leader = 4;
  link.add_group();
  link.publish("x");
  link.run();
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link->coordinator(), 4U);
}

TEST_F(GroupLinkTest, SilentCoordinatorIsReplacedByTheNextMember) {
  link.add_group();
  link.group.leader = 3;  // without anybody telling
  link.publish("x");
  link.pass(3000);
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link->coordinator(), 3U);
  EXPECT_TRUE(link->lease_holds());
}

TEST_F(GroupLinkTest, NoAnswerUntilTheLimitSaysTryAgain) {
  link.add_group();
  link.group.silent = true;
  link.publish("x", link.now + ms_to_ns(300));
  link.pass(400);
  EXPECT_EQ(link.codes, std::vector{Code::kTryAgain});
  EXPECT_EQ(link->pending(), 0U);
}

TEST_F(GroupLinkTest, SlotOfATimedOutOperationIsUsedAgainWithAHigherCounter) {
  link.add_group();
  link.group.silent = true;
  link.publish("x", link.now + ms_to_ns(300));
  link.pass(400);
  const std::optional<OpId> op = link->reserve_slot();
  ASSERT_TRUE(op.has_value());
  EXPECT_EQ(op->slot, 0U);
  EXPECT_GE(op->counter, 2U);
}

TEST_F(GroupLinkTest, LeaseCountsFromWhenTheRenewalWasSent) {
  link.add_group();
  link.group.renews = false;
  link.pass(2 * world.timing.agent_lease_ms);
  ASSERT_NE(link->session(), 0U);
  EXPECT_FALSE(link->lease_holds());
  const TimeNs sent_at = link.now - ms_to_ns(world.timing.agent_lease_ms) * 9 / 10;
  const wire::SessionRenewed late{.group = kRootGroup,
                                  .session = link->session(),
                                  .sent_at = sent_at,
                                  .alive = true,
                                  .ballot = {},
                                  .lease_ms = world.timing.agent_lease_ms};
  link->on_renewed(1, late);
  EXPECT_TRUE(link->lease_holds());
  EXPECT_LT(link->lease_until(), sent_at + ms_to_ns(world.timing.agent_lease_ms));
}

TEST_F(GroupLinkTest, OperationOfAnExpiredSessionThatWasNotExecutedIsSubmittedUnderTheNextSession) {
  link.add_group();
  const SessionId first = link->session();
  link.group.expire(first);
  link.publish("x");
  link.run();
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link.lost, std::vector{first});
  EXPECT_NE(link->session(), first);
}

TEST_F(GroupLinkTest, OperationExecutedBeforeItsSessionExpiredIsNotExecutedAgain) {
  link.add_group();
  link.group.answers_lost = 1;
  link->submit(wire::Reserve{.group = 1, .bytes = 4096}, {}, kNever,
               [&](const wire::Executed& answer) { link.codes.push_back(answer.reply.code); });
  link.run();
  link.group.expire(link->session());
  link.pass(2000);
  EXPECT_EQ(link.codes, std::vector{Code::kOk});
  EXPECT_EQ(link.group.catalog().catalog().groups().at(1).reserved_bytes, 4096U);
}

TEST_F(GroupLinkTest, FixedOperationOfAnExpiredSessionIsReportedAsLost) {
  link.add_group();
  const std::optional<OpId> op = link->reserve_slot();
  ASSERT_TRUE(op.has_value());
  link.group.expire(link->session());
  link->submit_as(*op, wire::Reserve{.group = 1, .bytes = 4096}, {}, kNever,
                  [&](const wire::Executed& answer) { link.codes.push_back(answer.reply.code); });
  link.run();
  EXPECT_EQ(link.codes, std::vector{Code::kOwnerDead});
  EXPECT_EQ(link.group.catalog().catalog().groups().at(1).reserved_bytes, 0U);
}

TEST_F(GroupLinkTest, NoMoreIsOnItsWayThanTheWindowHolds) {
  link.add_group();
  const Buffer megabyte = Buffer::take(std::vector<std::byte>(1U << 20));
  int done = 0;
  for (int i = 0; i < 40; ++i) {
    const std::optional<OpId> op = link->reserve_slot();
    link->submit_as(*op, wire::UnpublishName{.name = "none"}, megabyte, kNever, [&](const wire::Executed&) { ++done; });
  }
  EXPECT_LT(link.sent.size(), 20U);
  link.run();
  EXPECT_EQ(done, 40);
}

TEST_F(GroupLinkTest, ManyOperationsAreUnderWayAtOnce) {
  link.add_group();
  for (int i = 0; i < 100; ++i) link.publish("n" + std::to_string(i));
  EXPECT_EQ(link.sent.size(), 100U);
  link.run();
  EXPECT_EQ(link.codes.size(), 100U);
}

TEST_F(GroupLinkTest, NodesThatNameEachOtherAreNotAskedInCircles) {
  link.add_group();
  link.publish("x");
  std::size_t sendings = 0;
  for (int i = 0; i < 50 && !link.sent.empty(); ++i) {
    const auto [to, message] = link.sent.front();
    link.sent.pop_front();
    ++sendings;
    const auto* propose = std::get_if<wire::Propose>(&message);
    const std::uint64_t tag = propose == nullptr ? 0 : propose->tag;
    const NodeId other = to == 1 ? 3 : 1;
    link->on_redirect(to, wire::Redirect{.group = kRootGroup, .tag = tag, .coordinator = other, .epoch = 1});
  }
  EXPECT_LE(sendings, 10U);
}

TEST_F(GroupLinkTest, QuestionIsAnsweredByTheCoordinator) {
  link.add_group();
  link.publish("x");
  link.run();
  std::size_t rows = 0;
  link->ask(wire::ReadNames{.tag = 0, .name = "x", .list = false, .after = {}, .limit = 1}, kNever,
            [&](Result<wire::GroupMessage> answer) {
              ASSERT_TRUE(answer.has_value());
              rows = std::get<wire::NamesReply>(*answer).rows.size();
            });
  link.run();
  EXPECT_EQ(rows, 1U);
}

}  // namespace
}  // namespace juxmem

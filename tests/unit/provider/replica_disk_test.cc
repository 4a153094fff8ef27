// A replica that is kept on disk, alone in its group, through the lives of its node.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/provider/block_machine.h"
#include "juxmem/provider/replica.h"
#include "juxmem/storage/page_arena.h"
#include "juxmem/wire/codec.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem {
namespace {

constexpr GroupId kGroup = 3;
constexpr NodeId kSelf = 1;
constexpr NodeId kOther = 2;
constexpr NodeId kAgent = 7;
constexpr std::uint64_t kBlockBytes = 1U << 20;

// A node with one replica; crash() ends a life, start() begins the next one.
class ReplicaDisk : public testing::Test, public ReplicaHost, public JournalListener {
 protected:
  ReplicaDisk() : disk(sim::SimDiskOptions{}, clock) { clock.now_ = ms_to_ns(1000); }

  void start() {
    arena.emplace(*PageArena::create(64U << 20));
    journal.emplace(disk, clock, *this, Journal::kSegmentBytes);
    journal->open(false);
    run_until([&] { return replica != nullptr || trouble.has_value(); });
  }
  void crash(sim::Crash kind = sim::Crash::kPower) {
    replica.reset();
    recovery.reset();
    journal.reset();
    arena.reset();
    disk.crash(kind);
    executed.clear();
    is_open = false;
  }
  void restart(sim::Crash kind = sim::Crash::kPower) {
    crash(kind);
    start();
    ASSERT_TRUE(replica != nullptr) << trouble->detail;
    ASSERT_TRUE(run_until([&] { return replica->leads(); }));
  }

  // One turn: what the disk has done, the time, what comes of it.
  void turn() {
    clock.now_ += ms_to_ns(1);
    if (!disk_stands_still) disk.deliver_due();
    if (replica) {
      if (replica->next_tick() <= clock.now_) replica->tick();
      replica->advance();
    }
    if (journal) journal->end_turn();
  }
  template <typename Condition>
  bool run_until(Condition condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) turn();
    return condition();
  }

  void propose(std::uint64_t tag, const OpId& op, const wire::Action& action, Buffer data = {}) {
    wire::Propose request;
    request.group = kGroup;
    request.tag = tag;
    request.command = wire::encode_command({.op = op, .action = action});
    request.data = std::move(data);
    replica->on_request(kAgent, wire::GroupMessage(std::move(request)));
  }
  const wire::Executed* answer_to(std::uint64_t tag) const {
    for (const wire::Executed& answer : executed) {
      if (answer.tag == tag) return &answer;
    }
    return nullptr;
  }
  wire::Reply execute(const OpId& op, const wire::Action& action, Buffer data = {}) {
    const std::uint64_t tag = ++tags;
    propose(tag, op, action, std::move(data));
    EXPECT_TRUE(run_until([&] { return answer_to(tag) != nullptr; }));
    return answer_to(tag) == nullptr ? wire::Reply{} : answer_to(tag)->reply;
  }
  // A session and a block in a new group.
  void begin_group() {
    start();
    ASSERT_TRUE(run_until([&] { return replica->leads(); }));
    session = execute({}, wire::OpenSession{.node = kAgent, .incarnation = 1}).session;
    wire::Allocate allocate;
    allocate.size_bytes = kBlockBytes;
    allocate.added_quota_bytes = kBlockBytes;
    block = execute({session, 0, ++counter}, allocate).block;
    ASSERT_NE(block, 0U);
  }
  wire::Publish change(std::uint64_t offset, std::size_t bytes) const {
    wire::Publish publish;
    publish.block = block;
    publish.grant = {{1, 1}, 1};
    publish.ranges = {{offset, bytes}};
    return publish;
  }
  void publish(std::uint64_t offset, const std::string& text) {
    ASSERT_EQ(execute({session, 0, ++counter}, change(offset, text.size()), Buffer::copy_of(text)).code, Code::kOk);
  }
  std::string read(std::uint64_t offset, std::uint64_t bytes) {
    wire::ReadPages request;
    request.block = block;
    request.size_bytes = kBlockBytes;
    const wire::PagesReply reply = replica->read_pages(request);
    for (std::size_t i = 0; i < reply.ranges.size(); ++i) {
      const wire::Range& range = reply.ranges[i];
      if (offset >= range.offset && offset + bytes <= range.offset + range.size_bytes) {
        return std::string(reply.data[i].slice(offset - range.offset, bytes).text());
      }
    }
    return {};
  }

  // ReplicaHost.
  NodeId self() const override { return kSelf; }
  TimeNs now() const override { return clock.now_; }
  void send(NodeId, wire::Message message) override {
    if (const auto* stream = std::get_if<wire::StreamMessage>(&message))
      votes += std::holds_alternative<wire::Promise>(*stream);
    const auto* group = std::get_if<wire::GroupMessage>(&message);
    if (group == nullptr) return;
    if (const auto* answer = std::get_if<wire::Executed>(group)) executed.push_back(*answer);
  }
  void on_replica_changed(GroupId) override {}
  void on_replica_trouble(GroupId, const std::string&) override {}

  // JournalListener.
  void on_journal_known() override {
    if (journal->identity().node == 0) journal->begin({.grid = 5, .node = kSelf, .incarnation = 9});
  }
  void on_journal_open() override {
    is_open = true;
    const auto found = journal->groups().find(kGroup);
    if (found == journal->groups().end()) {
      replica = std::make_unique<Replica>(*this, config(), maker(), std::make_unique<ReplicaLog>(*journal, kGroup));
      return;
    }
    const std::optional<CheckpointId> checkpoint = found->second.checkpoint;
    recovery = std::make_unique<GroupRecovery>(
        journal->checkpoints(), kGroup, std::move(found->second), maker()(),
        [this, checkpoint](Result<RestoredGroup> restored) {
          if (!restored) {
            trouble = restored.error();
            return;
          }
          replica = std::make_unique<Replica>(*this, config(), maker(), std::make_unique<ReplicaLog>(*journal, kGroup),
                                              std::move(*restored), checkpoint);
        });
    recovery->start();
  }
  void on_journal_durable(Lsn up_to) override {
    if (replica) replica->on_log_durable(up_to);
  }
  void on_journal_room() override {
    if (replica) replica->on_log_room();
  }
  void on_journal_dead(const Error& error) override { trouble = error; }

  StreamConfig config() const {
    StreamConfig config;
    config.stream = {kGroup, epoch};
    config.self = kSelf;
    config.members = {{kSelf, 1}};
    config.preferred = kSelf;
    if (epoch > 1) {
      config.members.push_back({kOther, 1});
      config.preferred = 0;
    }
    config.durability = Durability::kDisk;
    config.seed = static_cast<std::uint64_t>(clock.now_);
    return config;
  }
  MachineMaker maker() {
    return [this] { return std::make_unique<BlockMachine>(kGroup, *arena); };
  }

  HandClock clock;
  sim::SimDisk disk;
  std::optional<PageArena> arena;
  std::optional<Journal> journal;
  std::unique_ptr<GroupRecovery> recovery;
  std::unique_ptr<Replica> replica;
  std::vector<wire::Executed> executed;
  std::optional<Error> trouble;
  bool is_open = false;
  bool disk_stands_still = false;
  std::uint64_t tags = 0;
  SessionId session = 0;
  std::uint64_t counter = 0;
  BlockId block = 0;
  std::uint32_t epoch = 1;
  int votes = 0;
};

TEST_F(ReplicaDisk, NothingIsAnsweredBeforeItIsStable) {
  begin_group();
  disk_stands_still = true;
  propose(900, {session, 0, ++counter}, change(0, 3), Buffer::copy_of("one"));
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(answer_to(900), nullptr);
  disk_stands_still = false;
  EXPECT_TRUE(run_until([&] { return answer_to(900) != nullptr; }));
}

TEST_F(ReplicaDisk, WhatWasAnsweredIsThereAfterAPowerFailure) {
  begin_group();
  publish(0, "one");
  publish(8192, "two");
  const Instance applied = replica->applied();
  restart();
  EXPECT_GE(replica->applied(), applied);
  EXPECT_EQ(read(0, 3), "one");
  EXPECT_EQ(read(8192, 3), "two");
}

TEST_F(ReplicaDisk, RepeatedOperationGetsItsFirstAnswerInTheNextLife) {
  begin_group();
  publish(0, "one");
  const OpId op{session, 0, counter};
  const Version version = execute(op, change(0, 3), Buffer::copy_of("two")).version;
  restart(sim::Crash::kProcess);
  EXPECT_EQ(execute(op, change(0, 3), Buffer::copy_of("two")).version, version);
  EXPECT_EQ(read(0, 3), "one");
}

TEST_F(ReplicaDisk, CheckpointTakesThePlaceOfTheLog) {
  begin_group();
  // More than the log keeps without a checkpoint.
  for (int i = 0; i < 80; ++i) publish(0, std::string(900'000, static_cast<char>('a' + i % 26)));
  const std::uint64_t segments = journal->status().segments;
  EXPECT_LE(segments * Journal::kSegmentBytes, std::uint64_t{64} << 20);
  restart();
  EXPECT_EQ(read(0, 1), std::string(1, static_cast<char>('a' + 79 % 26)));
  publish(0, "after");
  restart();
  EXPECT_EQ(read(0, 5), "after");
}

TEST_F(ReplicaDisk, DamagedCheckpointIsRefusedByName) {
  begin_group();
  for (int i = 0; i < 80; ++i) publish(0, std::string(900'000, 'x'));
  crash();
  bool is_damaged = false;
  for (const DiskEntry& file : disk.files()) {
    if (!file.name.starts_with("checkpoint")) continue;
    disk.rot(file.name, file.size_bytes / 2);
    is_damaged = true;
  }
  ASSERT_TRUE(is_damaged);
  start();
  EXPECT_EQ(replica, nullptr);
  ASSERT_TRUE(trouble.has_value());
  EXPECT_NE(trouble->detail.find("group 3"), std::string::npos) << trouble->detail;
}

TEST_F(ReplicaDisk, FullDiskRefusesByNameUntilACheckpointHasMadeRoom) {
  begin_group();
  publish(0, "first");
  disk.set_capacity(disk.used_bytes());
  for (int i = 0; i < 60; ++i) {
    const OpId op{session, 0, ++counter};
    Code code = Code::kNoSpace;
    for (int attempt = 0; attempt < 1000 && code == Code::kNoSpace; ++attempt) {
      code = execute(op, change(0, 900'000), Buffer::copy_of(std::string(900'000, static_cast<char>('a' + i % 26)))).code;
      turn();
    }
    ASSERT_EQ(code, Code::kOk);
  }
  EXPECT_EQ(read(0, 1), std::string(1, static_cast<char>('a' + 59 % 26)));
  restart();
  EXPECT_EQ(read(0, 1), std::string(1, static_cast<char>('a' + 59 % 26)));
}

// What its epoch began with is part of what its votes stand for.
TEST_F(ReplicaDisk, MemberThatBeganWithNothingVotesOnceItsStateIsStable) {
  epoch = 2;
  start();
  ASSERT_TRUE(replica != nullptr);
  const auto ask = [this] {
    replica->on_stream(kOther, wire::Prepare{.stream = {kGroup, epoch}, .ballot = {5, kOther}, .released = {}});
    for (int i = 0; i < 50; ++i) turn();
  };
  ask();
  EXPECT_EQ(votes, 0);

  BlockMachine other(kGroup, *arena);
  for (Instance i = 1; i <= 3; ++i) other.apply(i, wire::Entry{});
  const Result<SnapshotPart> part = other.read_snapshot(other.open_snapshot(), {});
  ASSERT_TRUE(part && part->last);
  disk_stands_still = true;
  replica->on_request(kOther,
                      wire::GroupMessage(wire::SnapshotReply{
                          .group = kGroup, .snapshot = 1, .at = 3, .last = true, .percent = 100, .data = part->piece}));
  ask();
  EXPECT_EQ(replica->applied(), 3U);
  EXPECT_EQ(votes, 0);

  disk_stands_still = false;
  ask();
  EXPECT_GT(votes, 0);
}

}  // namespace
}  // namespace juxmem

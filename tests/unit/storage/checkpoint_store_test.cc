#include "juxmem/storage/log/checkpoint_store.h"

#include <gtest/gtest.h>

#include <optional>

#include "juxmem/storage/log/format.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kReserveBytes = 256U << 10;
const CheckpointId kId{kStream, 17};

struct CheckpointTest : testing::Test {
  void SetUp() override { begin(); }

  void drain() {
    while (disk.next_due() != sim::SimDisk::kNever) {
      clock.now_ = std::max(clock.now_, disk.next_due());
      disk.deliver_due();
    }
  }
  void begin() {
    store = std::make_unique<CheckpointStore>(disk, LogIdentity{5, 7, 1}, kReserveBytes);
    store->begin([this](Result<std::vector<CheckpointId>> found) { ids = *found; });
    drain();
  }
  void crash() {
    writer.reset();
    store.reset();
    disk.crash(sim::Crash::kPower);
  }
  Buffer piece(std::size_t i) const { return Buffer::copy_of(std::string(1000 * i, static_cast<char>('a' + i % 26))); }
  void start(std::size_t pieces, const CheckpointId& id = kId) {
    writer = store->write(id);
    add(0, pieces);
  }
  void add(std::size_t i, std::size_t pieces) {
    if (i < pieces) {
      return writer->add(piece(i), [this, i, pieces](const Status& added) {
        if (!added) result = std::unexpected(added.error());
        if (added) add(i + 1, pieces);
      });
    }
    writer->finish([this](Result<CheckpointRecord> done) { result = std::move(done); });
  }
  // Pieces read until the end or an error.
  Status read_all(const CheckpointId& id = kId) {
    read.clear();
    std::optional<Status> end;
    const auto reader = store->read(id);
    std::function<void()> next = [&] {
      reader->next([&](const Result<std::optional<Buffer>>& got) {
        if (!got) end = std::unexpected(got.error());
        if (got && !*got) end = Status{};
        if (got && *got) {
          read.push_back(**got);
          next();
        }
      });
    };
    reader->open([&](const Result<wal::CheckpointHeader>& header) {
      if (!header) {
        end = std::unexpected(header.error());
      } else {
        next();
      }
    });
    drain();
    return *end;
  }

  HandClock clock;
  sim::SimDisk disk{{}, clock};
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<CheckpointWriter> writer;
  std::vector<CheckpointId> ids;
  std::vector<Buffer> read;
  Result<CheckpointRecord> result = fail(Code::kTryAgain);
};

TEST_F(CheckpointTest, PiecesAreReadAsTheyWereAdded) {
  start(5);
  drain();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->instance, 17U);
  ASSERT_TRUE(read_all());
  ASSERT_EQ(read.size(), 5U);
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], piece(i));
  crash();
  begin();
  EXPECT_EQ(ids, (std::vector<CheckpointId>{kId}));
  EXPECT_TRUE(read_all());
}

TEST_F(CheckpointTest, EmptyCheckpointIsOne) {
  start(0);
  drain();
  EXPECT_TRUE(result);
  EXPECT_TRUE(read_all());
}

TEST_F(CheckpointTest, UnfinishedOneIsRemoved) {
  writer = store->write(kId);
  writer->add(piece(3), [](const Status&) {});
  drain();
  writer.reset();
  begin();
  EXPECT_TRUE(ids.empty());
  EXPECT_EQ(disk.files().size(), 1U);  // the reserve
}

TEST_F(CheckpointTest, RemovedOneIsGone) {
  start(2);
  drain();
  bool removed = false;
  store->remove(kId, [&removed](const Status& status) { removed = status.has_value(); });
  drain();
  EXPECT_TRUE(removed);
  EXPECT_EQ(read_all().error().code, Code::kNotFound);
}

TEST_F(CheckpointTest, EveryFlippedByteIsFound) {
  start(3);
  drain();
  const std::string name = wal::checkpoint_name(kId);
  const std::size_t size = disk.contents(name).size();
  for (std::size_t at = 0; at < size; at += at < 600 || at + 40 > size ? 1 : 37) {
    const std::vector<std::byte> before = disk.contents(name);
    disk.rot(name, at);
    EXPECT_EQ(read_all().error().code, Code::kIo) << at;
    disk.write(name, 0, Buffer::take(before), [](const Status&) {});
    drain();
  }
  EXPECT_TRUE(read_all());
  disk.spoil(name, 2000);
  EXPECT_EQ(read_all().error().code, Code::kIo);
}

TEST_F(CheckpointTest, FullDiskGivesTheReserve) {
  disk.set_capacity(disk.used_bytes() + 10'000);
  start(20);
  drain();
  EXPECT_TRUE(result) << to_string(result.error());
  EXPECT_TRUE(read_all());
}

TEST_F(CheckpointTest, FullerDiskRefusesAndKeepsTheOlderOne) {
  start(3);
  drain();
  disk.set_capacity(disk.used_bytes() + 10'000);
  start(40, {kStream, 18});
  drain();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNoSpace);
  EXPECT_TRUE(read_all());
  EXPECT_EQ(read_all({kStream, 18}).error().code, Code::kNotFound);
}

TEST_F(CheckpointTest, FailedSyncGivesItUp) {
  disk.fail_next_sync();
  start(3);
  drain();
  EXPECT_EQ(result.error().code, Code::kIo);
  EXPECT_EQ(read_all().error().code, Code::kNotFound);
}

// At whatever instant the power fails, the checkpoint is whole or not there; once it was reported, it is there.
TEST(CheckpointCrash, IsWholeOrNotThere) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    struct Run : CheckpointTest {
      void TestBody() override {}
    } run;
    run.begin();
    run.start(6);
    Random random(seed);
    for (std::uint64_t steps = random.below(30); steps > 0 && run.disk.next_due() != sim::SimDisk::kNever; --steps) {
      run.clock.now_ = std::max(run.clock.now_, run.disk.next_due());
      run.disk.deliver_due();
    }
    const bool finished = run.result.has_value();
    run.crash();
    run.begin();
    ASSERT_TRUE(!finished || run.ids.size() == 1);
    for (const CheckpointId& id : run.ids) ASSERT_TRUE(run.read_all(id));
  }
}

TEST(CheckpointName, IsReadBack) {
  const CheckpointId id{{0xABCDEF, 12}, 1ULL << 60};
  EXPECT_EQ(wal::checkpoint_of(wal::checkpoint_name(id)), id);
  EXPECT_FALSE(wal::checkpoint_of("checkpoint-1-2-3"));
  EXPECT_FALSE(wal::checkpoint_of(wal::checkpoint_name(id) + ".new"));
  EXPECT_TRUE(wal::is_unfinished_checkpoint(wal::checkpoint_name(id) + ".new"));
}

}  // namespace
}  // namespace juxmem

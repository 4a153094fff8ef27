#include "juxmem/storage/log/write_ahead_log.h"

#include <gtest/gtest.h>

#include <cstring>

#include "juxmem/base/digest.h"
#include "juxmem/base/timing.h"
#include "juxmem/storage/log/format.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kFirstBatch = wal::kSegmentHeaderBytes;

TEST(WriteAheadLog, FreshFolderGetsAnEmptyLog) {
  LogHarness h;
  h.open();
  ASSERT_TRUE(h.report);
  EXPECT_TRUE(h.report->complete());
  EXPECT_EQ(h.log->identity(), small_log().identity);
  EXPECT_TRUE(h.found.empty());
}

TEST(WriteAheadLog, DurableRecordsAreFoundAgain) {
  LogHarness h;
  h.open();
  const std::vector<LogRecord> records = {{kStream, OpenedRecord{Buffer::copy_of("three members")}},
                                          {kStream, PromiseRecord{{4, 2}}},
                                          accepted(kStream, 1),
                                          {kOtherStream, DecidedRecord{9, 3}},
                                          {kStream, CheckpointRecord{8, 100, 12}},
                                          {kStream, ReleasedRecord{2}},
                                          {kOtherStream, RemovedRecord{}}};
  for (const LogRecord& record : records) h.keep(record);
  EXPECT_EQ(h.log->durable_up_to(), records.size());
  h.restart();
  ASSERT_EQ(h.found.size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(h.found[i].record, records[i]) << i;
  EXPECT_EQ(h.trust(kStream)->released_before, 2U);
  EXPECT_EQ(h.trust(kOtherStream), nullptr);
}

TEST(WriteAheadLog, OtherIdentityThanTheFoldersIsNotTaken) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  h.options.identity = {5, 8, 1};
  h.restart();
  EXPECT_EQ(h.log->identity(), small_log().identity);
}

TEST(WriteAheadLog, AppendIsNotDurableBeforeItsSync) {
  LogHarness h;
  h.open();
  ASSERT_TRUE(h.log->append(accepted(kStream, 1)));
  EXPECT_EQ(h.log->status().pending_since, h.clock.now_);
  const std::uint64_t syncs = h.disk.syncs();
  h.log->end_turn();
  while (h.disk.syncs() == syncs) {
    EXPECT_TRUE(h.durable.empty());
    h.clock.now_ = h.disk.next_due();
    h.disk.deliver_due();
  }
  EXPECT_EQ(h.durable, (std::vector<Lsn>{1}));
  EXPECT_EQ(h.log->status().pending_since, 0);
}

TEST(WriteAheadLog, AppendsOfOneTurnShareOneSync) {
  LogHarness h;
  h.open();
  for (Instance i = 1; i <= 50; ++i) ASSERT_TRUE(h.log->append(accepted(kStream, i)));
  h.log->end_turn();
  // The next batch gathers while this one is on its way.
  for (Instance i = 51; i <= 100; ++i) ASSERT_TRUE(h.log->append(accepted(kStream, i)));
  h.drain();
  EXPECT_EQ(h.log->status().batches, 2U);
  EXPECT_EQ(h.durable, (std::vector<Lsn>{50, 100}));
}

TEST(WriteAheadLog, HangingDiskShowsSinceWhen) {
  LogHarness h;
  h.open();
  const TimeNs since = h.clock.now_;
  ASSERT_TRUE(h.log->append(accepted(kStream, 1)));
  h.disk.hang(true);
  h.log->end_turn();
  h.clock.now_ += ms_to_ns(3000);
  EXPECT_EQ(h.log->status().pending_since, since);
  // What is pending is bounded.
  Result<Lsn> last = Lsn{0};
  for (Instance i = 2; last; ++i) last = h.log->append(accepted(kStream, i, 1000));
  EXPECT_EQ(last.error().code, Code::kOverloaded);
  h.disk.hang(false);
  h.drain();
  EXPECT_EQ(h.log->durable_up_to(), h.log->appended_up_to());
}

TEST(WriteAheadLog, TornTailIsVoidAndNoDamage) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  ASSERT_TRUE(h.log->append(accepted(kStream, 2, 9000)));
  h.log->end_turn();
  h.log.reset();
  // Of the write, one sector has reached the disk.
  LogHarness whole;
  whole.open();
  whole.keep(accepted(kStream, 1));
  whole.keep(accepted(kStream, 2, 9000));
  h.disk.crash(sim::Crash::kPower);
  const std::vector<std::byte> image = whole.disk.contents(wal::segment_name(1));
  h.disk.write(wal::segment_name(1), kFirstBatch + 4096 + 1024,
               Buffer::copy_of(std::span(image).subspan(kFirstBatch + 4096 + 1024, 512)), [](const Status&) {});
  h.drain();
  h.open();
  EXPECT_EQ(h.found.size(), 1U);
  EXPECT_TRUE(h.has_fault(LogFaultKind::kTornTail));
  EXPECT_TRUE(h.report->complete());
  EXPECT_EQ(h.keep(accepted(kStream, 3)), 2U);
  h.restart();
  EXPECT_EQ(h.found.size(), 2U);
  EXPECT_TRUE(h.report->faults.empty());
}

TEST(WriteAheadLog, RotInTheMiddleNamesWhatIsLost) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  h.keep(accepted(kOtherStream, 1));
  h.keep(accepted(kStream, 2));
  h.crash();
  h.disk.rot(wal::segment_name(1), kFirstBatch + 4096 + 100);
  h.open();
  EXPECT_EQ(h.found.size(), 2U);
  EXPECT_TRUE(h.has_fault(LogFaultKind::kDamagedBatch));
  EXPECT_EQ(h.report->lost, (std::vector<LsnRange>{{2, 2}}));
  // Its next record tells that this stream had none there; of the other nothing is left at all.
  EXPECT_TRUE(h.trust(kStream)->whole());
  EXPECT_EQ(h.trust(kOtherStream), nullptr);
}

TEST(WriteAheadLog, StreamWhoseRecordIsLostIsNotWhole) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  h.keep(accepted(kStream, 2));
  h.keep(accepted(kStream, 3));
  h.crash();
  h.disk.spoil(wal::segment_name(1), kFirstBatch + 4096);
  h.open();
  ASSERT_FALSE(h.trust(kStream)->whole());
  EXPECT_TRUE(h.trust(kStream)->certain);
  EXPECT_EQ(*h.trust(kStream)->lost, (LsnRange{2, 2}));
}

TEST(WriteAheadLog, LostEndIsReportedUntilItIsSettled) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  h.keep(accepted(kStream, 2));
  h.crash();
  // All of the last batch: nothing tells whether it was acknowledged.
  for (std::uint64_t at = 0; at < 4096; at += 512) h.disk.spoil(wal::segment_name(1), kFirstBatch + 4096 + at);
  for (int life = 0; life < 3; ++life) {
    h.open();
    ASSERT_TRUE(h.report);
    EXPECT_FALSE(h.report->complete());
    EXPECT_FALSE(h.trust(kStream)->whole()) << life;
    if (life < 2) h.keep(accepted(kStream, 3));
    h.crash();
  }
  h.open();
  const Lsn fresh = h.keep({kStream, OpenedRecord{}});
  h.keep({kStream, ReleasedRecord{fresh}});
  h.log->settle_losses();
  h.keep({kStream, ReleasedRecord{fresh}});
  h.restart();
  EXPECT_TRUE(h.report->complete());
  EXPECT_TRUE(h.trust(kStream)->whole());
}

TEST(WriteAheadLog, MissingSegmentIsReported) {
  LogHarness h;
  h.open();
  for (Instance i = 1; i <= 40; ++i) h.keep(accepted(kStream, i));
  h.crash();
  h.disk.lose(wal::segment_name(2));
  h.open();
  EXPECT_TRUE(h.has_fault(LogFaultKind::kMissingSegment));
  EXPECT_FALSE(h.trust(kStream)->whole());
}

TEST(WriteAheadLog, FailedSyncIsTheEnd) {
  LogHarness h;
  h.open();
  h.keep(accepted(kStream, 1));
  h.disk.fail_next_sync();
  ASSERT_TRUE(h.log->append(accepted(kStream, 2)));
  h.log->end_turn();
  h.drain();
  ASSERT_TRUE(h.dead);
  EXPECT_EQ(h.dead->code, Code::kIo);
  EXPECT_EQ(h.log->durable_up_to(), 1U);
  EXPECT_EQ(h.log->append(accepted(kStream, 3)).error().code, Code::kIo);
  EXPECT_TRUE(h.log->status().dead);
}

TEST(WriteAheadLog, FullDiskRefusesAndRecovers) {
  LogHarness h;
  h.open();
  for (Instance i = 1; i <= 40; ++i) h.keep(accepted(kStream, i, 4000));
  h.disk.set_capacity(h.disk.used_bytes());
  Lsn last = 0;
  Result<Lsn> lsn = Lsn{0};
  for (Instance i = 1; lsn; ++i) {
    lsn = h.log->append(accepted(kStream, i, 4000));
    h.log->end_turn();
    h.drain();
    if (lsn) last = *lsn;
  }
  EXPECT_EQ(lsn.error().code, Code::kNoSpace);
  // The reserve is for what makes room: the records before the last one are released.
  h.keep({kStream, ReleasedRecord{last}});
  EXPECT_GT(h.rooms, 0);
  EXPECT_TRUE(h.log->append(accepted(kStream, 1000, 4000)));
}

TEST(WriteAheadLog, ReleasedSegmentsAreUsedAgain) {
  LogHarness h;
  h.open();
  std::uint64_t most = 0;
  for (Instance i = 1; i <= 500; ++i) {
    const Lsn lsn = h.keep(accepted(kStream, i, 3000));
    h.keep({kStream, ReleasedRecord{lsn}});
    most = std::max<std::uint64_t>(most, h.disk.files().size());
  }
  EXPECT_LE(most, 8U);
  h.restart();
  EXPECT_TRUE(h.report->complete());
  EXPECT_EQ(h.found.back().lsn, 1000U);
}

TEST(WriteAheadLog, IdleStreamHoldsItsRecords) {
  LogHarness h;
  h.open();
  h.keep({kOtherStream, PromiseRecord{{1, 1}}});
  for (Instance i = 1; i <= 100; ++i) h.keep({kStream, ReleasedRecord{h.keep(accepted(kStream, i, 3000))}});
  EXPECT_EQ(h.log->oldest_holder(), kOtherStream);
  h.restart();
  EXPECT_EQ(h.found.front().record.stream, kOtherStream);
  const Lsn fresh = h.keep({kOtherStream, PromiseRecord{{1, 1}}});
  const std::uint64_t before = h.log->status().segments;
  h.keep({kOtherStream, ReleasedRecord{fresh}});
  EXPECT_LT(h.log->status().segments, before);
}

TEST(WriteAheadLog, TooLargeRecordIsRefused) {
  LogHarness h;
  h.open();
  EXPECT_EQ(h.log->append(accepted(kStream, 1, 16U << 10)).error().code, Code::kTooBig);
}

TEST(WriteAheadLog, OtherVersionIsRefusedByName) {
  LogHarness h;
  h.open();
  h.crash();
  std::vector<std::byte> header = h.disk.contents(std::string(wal::kIdentityName));
  for (std::size_t at = 0; at < header.size(); at += 512) {
    header[at + 12] = std::byte{9};
    const std::uint64_t checksum = digest_of(std::span(header).subspan(at + 8, 504));
    std::memcpy(header.data() + at, &checksum, sizeof checksum);
  }
  h.disk.write(std::string(wal::kIdentityName), 0, Buffer::take(std::move(header)), [](const Status&) {});
  h.drain();
  h.open();
  ASSERT_TRUE(h.dead);
  EXPECT_EQ(h.dead->code, Code::kNotSupported);
  EXPECT_NE(h.dead->detail.find("version 9"), std::string::npos) << h.dead->detail;
}

TEST(WriteAheadLog, OptionsThatDoNotFitAreRefused) {
  LogHarness h;
  for (const LogOptions& wrong : {LogOptions{.segment_bytes = 1000}, LogOptions{.segment_bytes = 2ULL << 30},
                                  LogOptions{.batch_bytes = 32U << 20}, LogOptions{.segments_ahead = 1}}) {
    WriteAheadLog log(h.disk, h.clock, h, wrong);
    EXPECT_EQ(log.open().error().code, Code::kInvalid);
  }
}

}  // namespace
}  // namespace juxmem

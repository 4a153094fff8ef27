#include <gtest/gtest.h>

#include <cstring>

#include "juxmem/base/random.h"
#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/headers.h"
#include "juxmem/storage/log/record_codec.h"
#include "juxmem/storage/log/segment_scan.h"
#include "tests/unit/storage/log_harness.h"

namespace juxmem::wal {
namespace {

const LogIdentity kIdentity{11, 3, 2};

// A segment with batches of these records, one each.
SegmentImage segment_of(const std::vector<LogRecord>& records, std::uint64_t number = 1) {
  std::vector<std::byte> bytes(16 * kBlockBytes);
  std::uint64_t offset = kSegmentHeaderBytes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    BatchBuilder builder;
    builder.add(encode_record({i + 1, i, records[i]}), i + 1);
    const Buffer image = builder.finish({number, i + 1, i, tag_of(kIdentity), 1, 1, 1});
    std::memcpy(bytes.data() + offset, image.data(), image.size());
    offset += image.size();
  }
  return {number, Buffer::take(std::move(bytes)), {}};
}

TEST(RecordCodec, EveryKindIsReadBack) {
  const std::vector<LogBody> bodies = {OpenedRecord{Buffer::copy_of("x")},
                                       PromiseRecord{{1ULL << 50, 9}},
                                       accepted(kStream, 77, 0).body,
                                       accepted(kStream, 78, 5000).body,
                                       DecidedRecord{5, 6},
                                       CheckpointRecord{1, 2, 3},
                                       ReleasedRecord{1ULL << 40},
                                       RemovedRecord{}};
  for (const LogBody& body : bodies) {
    const PlacedRecord placed{100, 99, {kStream, body}};
    const std::vector<std::byte> bytes = encode_record(placed);
    EXPECT_EQ(bytes.size(), record_bytes(placed.record));
    const auto decoded = decode_record(Buffer::copy_of(bytes), 0);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->placed, placed);
    EXPECT_EQ(decoded->size_bytes, bytes.size());
  }
}

TEST(RecordCodec, EveryFlippedBitIsFound) {
  std::vector<std::byte> bytes = encode_record({4, 3, accepted(kStream, 77, 30)});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(decode_record(Buffer::copy_of(bytes), 0)) << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
  }
}

TEST(Header, OneGoodCopyIsEnough) {
  const SegmentHeader header{kIdentity, 5, 1U << 20};
  const Buffer encoded = encode_header(header);
  std::vector<std::byte> bytes(encoded.data(), encoded.data() + encoded.size());
  for (std::size_t copy = 0; copy + 1 < kSectorsPerBlock; ++copy) bytes[copy * kSectorBytes + 20] ^= std::byte{1};
  EXPECT_EQ(*decode_header(bytes), header);
  bytes.back() ^= std::byte{1};
  EXPECT_EQ(decode_header(bytes).error().code, Code::kIo);
}

TEST(SegmentScan, BatchesAreFoundInOrder) {
  const SegmentImage image = segment_of({accepted(kStream, 1), accepted(kStream, 2, 9000), accepted(kStream, 3)});
  const SegmentFindings findings = scan_segment(image, tag_of(kIdentity), {});
  ASSERT_EQ(findings.batches.size(), 3U);
  for (const FoundBatch& batch : findings.batches) EXPECT_TRUE(batch.whole());
  EXPECT_EQ(findings.batches[1].head.count, 24);
  EXPECT_EQ(findings.end, kSegmentHeaderBytes + 5 * kBlockBytes);
  EXPECT_FALSE(findings.end_damaged);
}

TEST(SegmentScan, LeftoversOfAnEarlierUseAreOld) {
  const SegmentImage image = segment_of({accepted(kStream, 1), accepted(kStream, 2)});
  EXPECT_TRUE(scan_segment({2, image.bytes, {}}, tag_of(kIdentity), {}).batches.empty());
  EXPECT_TRUE(scan_segment(image, tag_of({11, 3, 3}), {}).batches.empty());
  EXPECT_EQ(scan_segment(image, tag_of(kIdentity), {1, 1}).batches.size(), 1U);
}

TEST(SegmentScan, RecordsBehindAHoleAreRead) {
  BatchBuilder builder;
  for (Lsn lsn = 1; lsn <= 20; ++lsn) builder.add(encode_record({lsn, lsn - 1, accepted(kStream, lsn, 200)}), lsn);
  const Buffer batch = builder.finish({1, 1, 0, tag_of(kIdentity), 1, 1, 1});
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  bytes.insert(bytes.end(), batch.data(), batch.data() + batch.size());
  const SegmentImage image{1, Buffer::take(std::move(bytes)), {kSectorsPerBlock + 3}};
  const SegmentFindings findings = scan_segment(image, tag_of(kIdentity), {});
  ASSERT_EQ(findings.batches.size(), 1U);
  EXPECT_EQ(findings.batches[0].damaged, 1U);
  EXPECT_FALSE(findings.batches[0].torn());
  const BatchContents contents = read_batch(findings.batches[0]);
  ASSERT_TRUE(contents.head);
  EXPECT_EQ(contents.head->records, 20U);
  EXPECT_GE(contents.records.size(), 16U);
  EXPECT_LT(contents.records.size(), 20U);
  EXPECT_EQ(contents.records.back().lsn, 20U);
}

TEST(SegmentScan, AnyBytesAreSurvived) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    const SegmentImage good = segment_of({accepted(kStream, 1), accepted(kStream, 2, 3000)});
    std::vector<std::byte> bytes(good.bytes.data(), good.bytes.data() + good.bytes.size());
    for (int i = 0; i < 20; ++i) bytes[random.below(bytes.size())] = static_cast<std::byte>(random.next());
    for (const FoundBatch& batch : scan_segment({1, Buffer::take(std::move(bytes)), {}}, tag_of(kIdentity), {}).batches)
      read_batch(batch);
  }
}

}  // namespace
}  // namespace juxmem::wal

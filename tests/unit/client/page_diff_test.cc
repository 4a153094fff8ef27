#include "juxmem/client/page_diff.h"

#include <gtest/gtest.h>

#include <cstring>

#include "juxmem/base/random.h"
#include "juxmem/base/types.h"

namespace juxmem {
namespace {

using Bytes = std::vector<std::byte>;

TEST(PageDiff, EqualMemoryHasNoChanges) {
  const Bytes a(10 * kPageBytes + 17, std::byte{3});
  EXPECT_TRUE(find_changes(a.data(), a.data(), a.size(), 0).empty());
  EXPECT_TRUE(find_changes(a.data(), a.data(), 0, 0).empty());
}

TEST(PageDiff, OneByteIsOneByte) {
  const Bytes before(4 * kPageBytes, std::byte{0});
  for (const std::size_t at : {std::size_t{0}, std::size_t{7}, std::size_t{4095}, std::size_t{4096}, std::size_t{16383}}) {
    Bytes now = before;
    now[at] = std::byte{1};
    EXPECT_EQ(find_changes(now.data(), before.data(), now.size(), 0), (std::vector<ByteRange>{{at, 1}})) << at;
  }
}

TEST(PageDiff, NeighbouringPagesMakeOneRange) {
  const Bytes before(4 * kPageBytes, std::byte{0});
  Bytes now = before;
  now[100] = now[5000] = now[9000] = std::byte{1};
  EXPECT_EQ(find_changes(now.data(), before.data(), now.size(), 0), (std::vector<ByteRange>{{100, 8901}}));
}

TEST(PageDiff, PagesApartMakeTwoRanges) {
  const Bytes before(4 * kPageBytes, std::byte{0});
  Bytes now = before;
  now[100] = now[3 * kPageBytes + 5] = std::byte{1};
  EXPECT_EQ(find_changes(now.data(), before.data(), now.size(), 0),
            (std::vector<ByteRange>{{100, 1}, {3 * kPageBytes + 5, 1}}));
}

TEST(PageDiff, AnyChangesAreCoveredAndTrimmed) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + "; replay: client_core_test --gtest_filter=PageDiff.*");
    Random random(seed);
    Bytes before(random.below(5 * kPageBytes) + 1);
    for (std::byte& b : before) b = static_cast<std::byte>(random.below(4));
    Bytes now = before;
    for (std::uint64_t n = random.below(6); n > 0; --n) now[random.below(now.size())] ^= std::byte{0x80};
    const std::size_t phase = random.below(kPageBytes);
    Bytes patched = before;
    std::size_t end = 0;
    for (const ByteRange& range : find_changes(now.data(), before.data(), now.size(), phase)) {
      ASSERT_GT(range.size_bytes, 0U);
      ASSERT_TRUE(range.offset >= end);
      end = range.offset + range.size_bytes;
      ASSERT_LE(end, now.size());
      ASSERT_NE(now[range.offset], before[range.offset]);
      ASSERT_NE(now[end - 1], before[end - 1]);
      std::memcpy(patched.data() + range.offset, now.data() + range.offset, range.size_bytes);
    }
    ASSERT_EQ(patched, now);
  }
}

TEST(PageDiff, IsZeroSeesEveryByte) {
  Bytes bytes(100, std::byte{0});
  EXPECT_TRUE(is_zero(bytes.data(), bytes.size()));
  EXPECT_TRUE(is_zero(bytes.data(), 0));
  for (std::byte& b : bytes) {
    b = std::byte{1};
    EXPECT_FALSE(is_zero(bytes.data(), bytes.size()));
    b = std::byte{0};
  }
}

}  // namespace
}  // namespace juxmem

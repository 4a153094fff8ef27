#include "juxmem/client/mapping.h"

#include <gtest/gtest.h>

#include <cstring>

namespace juxmem {
namespace {

constexpr BlockId kBlock = make_block_id(3, 5);

std::unique_ptr<Mapping> make(std::uint64_t offset, std::uint64_t size_bytes) {
  auto mapping = Mapping::create(kBlock, offset, size_bytes);
  EXPECT_TRUE(mapping);
  return std::move(*mapping);
}

std::vector<std::byte> bytes(std::size_t count, int value) { return {count, static_cast<std::byte>(value)}; }

Result<std::vector<Change>> take_changes(Mapping& mapping) {
  mapping.begin_changes();
  return mapping.next_changes(mapping.size_bytes());
}

TEST(Mapping, BeginsAsZero) {
  const auto mapping = make(0, 5000);
  for (std::size_t i = 0; i < 5000; ++i) ASSERT_EQ(mapping->data()[i], std::byte{0});
  EXPECT_EQ(mapping->version(), 0U);
}

TEST(Mapping, NothingWrittenIsNoChange) {
  const auto mapping = make(0, 3 * kPageBytes);
  mapping->put(0, bytes(3 * kPageBytes, 7));
  ASSERT_TRUE(mapping->prepare_to_write());
  EXPECT_TRUE(take_changes(*mapping)->empty());
}

TEST(Mapping, WrittenBytesAreRangesOfTheBlock) {
  const auto mapping = make(10'000, 3 * kPageBytes);
  ASSERT_TRUE(mapping->prepare_to_write());
  mapping->data()[1] = std::byte{9};
  mapping->data()[2] = std::byte{8};
  const auto changes = take_changes(*mapping);
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 1U);
  EXPECT_EQ(changes->front().offset, 10'001U);
  EXPECT_EQ(changes->front().data, Buffer::copy_of(std::string_view("\x09\x08")));
  EXPECT_TRUE(take_changes(*mapping)->empty()) << "the twin knows them now";
}

TEST(Mapping, PutIsClippedToTheRange) {
  const auto mapping = make(kPageBytes + 100, 200);
  mapping->put(0, bytes(3 * kPageBytes, 5));
  EXPECT_EQ(mapping->data()[0], std::byte{5});
  EXPECT_EQ(mapping->data()[199], std::byte{5});
  mapping->put(0, bytes(kPageBytes, 6));
  mapping->put(2 * kPageBytes, bytes(kPageBytes, 6));
  EXPECT_EQ(mapping->data()[0], std::byte{5});
  EXPECT_EQ(mapping->data()[199], std::byte{5});
}

TEST(Mapping, WhatIsPutIsNotPublished) {
  const auto mapping = make(0, 2 * kPageBytes);
  ASSERT_TRUE(mapping->prepare_to_write());
  mapping->put(0, bytes(2 * kPageBytes, 4));
  ASSERT_TRUE(mapping->prepare_to_write());
  mapping->data()[10] = std::byte{1};
  const auto changes = take_changes(*mapping);
  ASSERT_EQ(changes->size(), 1U);
  EXPECT_EQ(changes->front().data.size(), 1U);
}

TEST(Mapping, BytesBeingSentDoNotChange) {
  constexpr std::size_t kSize = 1U << 20;
  const auto mapping = make(0, kSize);
  ASSERT_TRUE(mapping->prepare_to_write());
  std::memset(mapping->data(), 1, kSize);
  auto first = take_changes(*mapping);
  ASSERT_EQ(first->size(), 1U);
  std::memset(mapping->data(), 2, kSize);
  auto second = take_changes(*mapping);
  mapping->put(0, bytes(kSize, 3));
  EXPECT_EQ(first->front().data, Buffer::copy_of(bytes(kSize, 1)));
  EXPECT_EQ(second->front().data, Buffer::copy_of(bytes(kSize, 2)));
  ASSERT_TRUE(mapping->prepare_to_write());
  EXPECT_TRUE(take_changes(*mapping)->empty());
  mapping->data()[kSize - 1] = std::byte{4};
  EXPECT_EQ(take_changes(*mapping)->front().offset, kSize - 1);
}

TEST(Mapping, LargeChangesAreSentFromTheTwin) {
  constexpr std::size_t kSize = 1U << 20;
  const auto mapping = make(0, kSize);
  ASSERT_TRUE(mapping->prepare_to_write());
  std::memset(mapping->data(), 1, kSize);
  const std::byte* twin = take_changes(*mapping)->front().data.data();
  std::memset(mapping->data(), 2, kSize);
  EXPECT_EQ(take_changes(*mapping)->front().data.data(), twin) << "free again, so no new memory";
}

TEST(Mapping, ChangesComePieceByPiece) {
  constexpr std::size_t kSize = 8U << 20;
  const auto mapping = make(100, kSize);
  ASSERT_TRUE(mapping->prepare_to_write());
  std::memset(mapping->data(), 1, kSize);
  mapping->data()[5U << 20] = std::byte{0};
  mapping->begin_changes();
  std::vector<Buffer> kept;
  std::uint64_t expected = 100;
  for (;;) {
    const auto piece = mapping->next_changes(2U << 20);
    ASSERT_TRUE(piece);
    if (piece->empty()) break;
    for (const Change& change : *piece) {
      ASSERT_EQ(change.offset, expected);
      expected += change.data.size();
      kept.push_back(change.data);
    }
  }
  EXPECT_EQ(expected, 100 + kSize);
  EXPECT_GE(kept.size(), 4U);
  // A later section, while all this is still being sent.
  std::memset(mapping->data(), 2, kSize);
  mapping->begin_changes();
  while (!mapping->next_changes(2U << 20)->empty()) {
  }
  std::size_t ones = 0;
  for (const Buffer& buffer : kept) {
    for (std::size_t i = 0; i < buffer.size(); ++i) ones += buffer.data()[i] == std::byte{1} ? 1 : 0;
  }
  EXPECT_EQ(ones, kSize - 1);
}

TEST(Mapping, ResetForgetsEverything) {
  const auto mapping = make(0, 2 * kPageBytes);
  mapping->put(0, bytes(2 * kPageBytes, 4));
  mapping->set_version(12);
  ASSERT_TRUE(mapping->prepare_to_write());
  mapping->data()[0] = std::byte{1};
  mapping->reset();
  EXPECT_EQ(mapping->version(), 0U);
  EXPECT_EQ(mapping->data()[0], std::byte{0});
  EXPECT_EQ(mapping->data()[kPageBytes], std::byte{0});
  ASSERT_TRUE(mapping->prepare_to_write());
  EXPECT_TRUE(take_changes(*mapping)->empty());
}

TEST(Mapping, MoreThanTheAddressSpaceIsAnError) {
  const auto mapping = Mapping::create(kBlock, 0, 1ULL << 60);
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code, Code::kNoLocalMemory);
}

}  // namespace
}  // namespace juxmem

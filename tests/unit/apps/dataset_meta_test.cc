// What is kept with a dataset's block: written, read again, and foreign bytes in its place.
#include "apps/hdf5/dataset_meta.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

std::vector<std::byte> cbor_of(const nlohmann::json& document) {
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(document);
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  return {first, first + bytes.size()};
}

DatasetMeta some_meta() {
  return {.path = "/map/longitude",
          .type = "u2le",
          .shape = {3, 70000},
          .attributes = {{.name = "scale", .type = "f8be", .shape = {2}, .data = std::vector<std::byte>(16)}},
          .scale_of = {{.path = "/map", .dimension = 1}}};
}

TEST(DatasetMeta, IsTheSameAfterEncodingAndDecoding) {
  const auto bytes = encode_meta(some_meta());
  ASSERT_TRUE(bytes);
  const auto decoded = decode_meta(*bytes);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(*decoded, some_meta());
}

TEST(DatasetMeta, CutOffIsRefused) {
  const auto bytes = encode_meta(some_meta());
  ASSERT_TRUE(bytes);
  for (std::size_t size = 0; size < bytes->size(); ++size) {
    EXPECT_FALSE(decode_meta(std::span(*bytes).first(size))) << size;
  }
}

// A decoder that calls itself for each level would exhaust its stack: arrays, open arrays, open texts, open byte strings, tags.
TEST(DatasetMeta, DeeplyNestedIsRefused) {
  for (const unsigned first : {0x81U, 0x9FU, 0x7FU, 0x5FU, 0xC1U, 0xA1U}) {
    const std::vector<std::byte> bytes(wire::kMetaBytesMax, static_cast<std::byte>(first));
    const auto decoded = decode_meta(bytes);
    ASSERT_FALSE(decoded) << first;
    EXPECT_EQ(decoded.error().code, Code::kInvalid);
  }
}

TEST(DatasetMeta, FieldOfAnotherKindIsRefused) {
  EXPECT_FALSE(decode_meta(cbor_of({{"format", 1}})));
  EXPECT_FALSE(decode_meta(cbor_of({{"format", "juxmem-dataset-1"}, {"path", 7}})));
  EXPECT_FALSE(decode_meta(cbor_of(nlohmann::json::array({1, 2}))));
}

}  // namespace
}  // namespace juxmem

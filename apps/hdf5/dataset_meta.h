// What is kept with a block that holds an HDF5 dataset: its type, shape and attributes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

// Names of element types: kind, size in bytes, byte order: "i2le", "u8be", "f4le". Text of a fixed length: "s34" (ASCII) or "t34"
// (UTF-8), followed by nothing if it ends with a zero byte, "np" if filled with zeros, "sp" if filled with spaces.
struct AttributeMeta {
  std::string name;
  std::string type;
  std::vector<std::uint64_t> shape;  // empty: a scalar
  std::vector<std::byte> data;
  bool operator==(const AttributeMeta&) const = default;
};

// A dataset and the number of one of its dimensions.
struct ScaleUse {
  std::string path;
  std::uint32_t dimension = 0;
  bool operator==(const ScaleUse&) const = default;
};

// What for: encoded into the block's meta bytes by import, read by export and by jobs that use the data.
// Failure: decode names what is wrong with foreign bytes.
struct DatasetMeta {
  std::string path;  // inside its file
  std::string type;
  std::vector<std::uint64_t> shape;
  std::vector<AttributeMeta> attributes;
  bool is_group = false;           // stands for a group's attributes; there are no elements
  bool is_written = true;          // false: the file held no element, all are zero
  std::vector<ScaleUse> scale_of;  // whose dimension scale it is

  // Elements of the dataset; 1 for a scalar.
  std::uint64_t element_count() const;
  // The first element of a numeric attribute as a double; nothing if there is none of this name.
  std::optional<double> number(std::string_view attribute) const;

  bool operator==(const DatasetMeta&) const = default;
};

// CBOR (RFC 8949), at most wire::kMetaBytesMax bytes; errors: kTooBig.
Result<std::vector<std::byte>> encode_meta(const DatasetMeta& meta);
// Errors: kInvalid, the detail says what is wrong.
Result<DatasetMeta> decode_meta(std::span<const std::byte> bytes);

// Bytes of one element of a type name; nothing if it is not one.
std::optional<std::uint64_t> element_bytes(std::string_view type);

}  // namespace juxmem

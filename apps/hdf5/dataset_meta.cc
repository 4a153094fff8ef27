#include "apps/hdf5/dataset_meta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/hdf5/flat_cbor.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "juxmem-dataset-1";
constexpr std::size_t kNestedMax = 4;  // document, list of attributes, attribute, shape

json bytes_to_json(std::span<const std::byte> bytes) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return json::binary(std::vector<std::uint8_t>(first, first + bytes.size()));
}

std::vector<std::byte> bytes_of(const json& value) {
  const auto& binary = value.get_binary();
  const auto* first = reinterpret_cast<const std::byte*>(binary.data());
  return {first, first + binary.size()};
}

template <typename Int>
double number_of(std::span<const std::byte> bytes, bool big_endian) {
  Int value;
  std::memcpy(&value, bytes.data(), sizeof value);
  if (big_endian != (std::endian::native == std::endian::big)) {
    auto raw = std::bit_cast<std::array<std::byte, sizeof(Int)>>(value);
    std::reverse(raw.begin(), raw.end());
    value = std::bit_cast<Int>(raw);
  }
  return static_cast<double>(value);
}

std::optional<double> first_number(std::string_view type, std::span<const std::byte> data) {
  const auto size = element_bytes(type);
  if (!size || type.front() == 's' || type.front() == 't' || data.size() < *size) return std::nullopt;
  const bool big = type.ends_with("be");
  switch (type.front()) {
    case 'f':
      return *size == 4 ? number_of<float>(data, big) : number_of<double>(data, big);
    case 'i':
      if (*size == 1) return number_of<std::int8_t>(data, big);
      if (*size == 2) return number_of<std::int16_t>(data, big);
      return *size == 4 ? number_of<std::int32_t>(data, big) : number_of<std::int64_t>(data, big);
    default:
      if (*size == 1) return number_of<std::uint8_t>(data, big);
      if (*size == 2) return number_of<std::uint16_t>(data, big);
      return *size == 4 ? number_of<std::uint32_t>(data, big) : number_of<std::uint64_t>(data, big);
  }
}

}  // namespace

std::uint64_t DatasetMeta::element_count() const {
  std::uint64_t count = 1;
  for (std::uint64_t extent : shape) count *= extent;
  return count;
}

std::optional<double> DatasetMeta::number(std::string_view attribute) const {
  for (const AttributeMeta& candidate : attributes) {
    if (candidate.name == attribute) return first_number(candidate.type, candidate.data);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> element_bytes(std::string_view type) {
  if (type.size() < 2) return std::nullopt;
  std::uint64_t size = 0;
  const char* end = type.data() + type.size();
  const auto [rest, error] = std::from_chars(type.data() + 1, end, size);
  if (error != std::errc{} || size == 0) return std::nullopt;
  const std::string_view order(rest, static_cast<std::size_t>(end - rest));
  if (type.front() == 's' || type.front() == 't') {
    return order.empty() || order == "np" || order == "sp" ? std::optional(size) : std::nullopt;
  }
  if (order != "le" && order != "be") return std::nullopt;
  const bool whole = size == 1 || size == 2 || size == 4 || size == 8;
  switch (type.front()) {
    case 'i':
    case 'u':
      return whole ? std::optional(size) : std::nullopt;
    case 'f':
      return size == 4 || size == 8 ? std::optional(size) : std::nullopt;
    default:
      return std::nullopt;
  }
}

Result<std::vector<std::byte>> encode_meta(const DatasetMeta& meta) {
  json attributes = json::array();
  for (const AttributeMeta& attribute : meta.attributes) {
    attributes.push_back({{"name", attribute.name},
                          {"type", attribute.type},
                          {"shape", attribute.shape},
                          {"data", bytes_to_json(attribute.data)}});
  }
  json scale_of = json::array();
  for (const ScaleUse& use : meta.scale_of) scale_of.push_back({use.path, use.dimension});
  const json document = {{"format", kFormat},
                         {"path", meta.path},
                         {"type", meta.type},
                         {"shape", meta.shape},
                         {"group", meta.is_group},
                         {"written", meta.is_written},
                         {"scale_of", std::move(scale_of)},
                         {"attributes", std::move(attributes)}};
  const std::vector<std::uint8_t> cbor = json::to_cbor(document);
  if (cbor.size() > wire::kMetaBytesMax) {
    return fail(Code::kTooBig, "the attributes of " + meta.path + " do not fit into a block's meta data");
  }
  const auto* first = reinterpret_cast<const std::byte*>(cbor.data());
  return std::vector<std::byte>(first, first + cbor.size());
}

Result<DatasetMeta> decode_meta(std::span<const std::byte> bytes) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const json document = is_flat_cbor(bytes, kNestedMax) ? json::from_cbor(first, first + bytes.size(), true, false) : json();
  const auto format = document.is_object() ? document.find("format") : document.end();
  if (format == document.end() || *format != kFormat) {
    return fail(Code::kInvalid, "the block does not hold an imported dataset");
  }
  try {
    DatasetMeta meta;
    meta.path = document.at("path").get<std::string>();
    meta.type = document.at("type").get<std::string>();
    meta.is_group = document.at("group").get<bool>();
    meta.is_written = document.at("written").get<bool>();
    for (const json& use : document.at("scale_of")) {
      meta.scale_of.push_back({use.at(0).get<std::string>(), use.at(1).get<std::uint32_t>()});
    }
    meta.shape = document.at("shape").get<std::vector<std::uint64_t>>();
    for (const json& row : document.at("attributes")) {
      meta.attributes.push_back({row.at("name").get<std::string>(), row.at("type").get<std::string>(),
                                 row.at("shape").get<std::vector<std::uint64_t>>(), bytes_of(row.at("data"))});
    }
    if (!element_bytes(meta.type)) return fail(Code::kInvalid, "unknown element type " + meta.type);
    return meta;
  } catch (const json::exception& error) {
    return fail(Code::kInvalid, std::string("the dataset's meta data is damaged: ") + error.what());
  }
}

}  // namespace juxmem

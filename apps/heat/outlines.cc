#include "apps/heat/outlines.h"

#include <cstring>
#include <fstream>
#include <sstream>

namespace juxmem::heat {
namespace {

constexpr std::uint16_t kNewSegment = 65535;

struct Scale {
  double min = 0;
  double per_degree = 1;
};

Result<Scale> scale_of(const DatasetMeta& meta, std::size_t size_bytes) {
  if (meta.type != "u2le") return fail(Code::kInvalid, meta.path + " has the type " + meta.type + ", not u2le");
  if (meta.element_count() * 2 != size_bytes) return fail(Code::kInvalid, meta.path + " is not as long as its shape");
  const auto min = meta.number("min");
  const auto scale = meta.number("scale");
  if (!min || !scale || *scale == 0) return fail(Code::kInvalid, meta.path + " lacks its attributes min and scale");
  return Scale{*min, *scale};
}

std::uint16_t number_at(std::span<const std::byte> bytes, std::size_t index) {
  std::uint16_t number;
  std::memcpy(&number, bytes.data() + index * sizeof number, sizeof number);
  return number;
}

}  // namespace

Result<std::vector<Country>> read_countries(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::kIo, "cannot read " + path + "; install the package gmt-dcw");
  std::vector<Country> countries;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string continent;
    Country country;
    words >> continent >> country.code >> std::ws;
    std::getline(words, country.name);
    if (country.code.size() == 2) countries.push_back(std::move(country));
  }
  if (countries.empty()) return fail(Code::kInvalid, path + " lists no country");
  return countries;
}

Result<std::vector<Segment>> decode_outline(const DatasetMeta& longitude_meta, std::span<const std::byte> longitudes,
                                            const DatasetMeta& latitude_meta, std::span<const std::byte> latitudes) {
  if (longitudes.size() != latitudes.size()) {
    return fail(Code::kInvalid, longitude_meta.path + " and " + latitude_meta.path + " differ in length");
  }
  const auto x = scale_of(longitude_meta, longitudes.size());
  if (!x) return std::unexpected(x.error());
  const auto y = scale_of(latitude_meta, latitudes.size());
  if (!y) return std::unexpected(y.error());

  std::vector<Segment> segments;
  bool starts = true;
  for (std::size_t i = 0; i < longitudes.size() / 2; ++i) {
    const std::uint16_t column = number_at(longitudes, i);
    const std::uint16_t row = number_at(latitudes, i);
    if (column == kNewSegment) {
      starts = true;
      continue;
    }
    if (starts) segments.emplace_back();
    starts = false;
    segments.back().push_back({column / x->per_degree + x->min, row / y->per_degree + y->min});
  }
  return segments;
}

}  // namespace juxmem::heat

// Country outlines of the Digital Chart of the World, as the Debian package gmt-dcw ships them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/hdf5/dataset_meta.h"
#include "juxmem/base/result.h"

namespace juxmem::heat {

struct Country {
  std::string code;  // two letters
  std::string name;
};

// Rows "continent code name" of dcw-countries.txt in the order of the file. Errors: kIo (cannot be read), kInvalid (no row).
Result<std::vector<Country>> read_countries(const std::string& path);

struct Point {
  double longitude = 0;  // degrees, may go beyond 180 so that an outline stays in one piece
  double latitude = 0;
};
using Segment = std::vector<Point>;

// The outline of a country from its two datasets of 16-bit numbers, scaled by their attributes `min` and `scale`
// (degrees = number / scale + min); the value 65535 starts a new segment.
// Errors: kInvalid (lengths differ, attributes or type are not as expected).
Result<std::vector<Segment>> decode_outline(const DatasetMeta& longitude_meta, std::span<const std::byte> longitudes,
                                            const DatasetMeta& latitude_meta, std::span<const std::byte> latitudes);

}  // namespace juxmem::heat

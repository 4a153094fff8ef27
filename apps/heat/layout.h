// How the heat jobs name and cut what they share.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "apps/heat/world.h"

namespace juxmem::heat {

inline constexpr const char* kLayoutName = "heat/layout";
inline constexpr const char* kOutlinesPrefix = "dcw";
inline constexpr std::int64_t kNeighbourLimitMs = 60'000;  // how long a rank waits for another one

// Content of the block kLayoutName: what a job that comes later must know.
struct Layout {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t bands = 0;
  std::uint32_t steps = 0;
  std::uint32_t frame_every = 0;  // steps between two published fields
};

// The rows of one band; the first bands take the remainder.
struct BandRows {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};
inline BandRows band_rows(std::uint32_t height, std::uint32_t bands, std::uint32_t band) {
  const std::uint32_t share = height / bands;
  const std::uint32_t rest = height % bands;
  const std::uint32_t first = band * share + (band < rest ? band : rest);
  return {first, share + (band < rest ? 1U : 0U)};
}

inline std::string field_name(std::uint32_t band) { return "heat/band/" + std::to_string(band) + "/field"; }
inline std::string countries_name(std::uint32_t band) { return "heat/band/" + std::to_string(band) + "/countries"; }
// The row that a band shows to its northern or southern neighbour; two slots, for even and odd steps.
inline std::string edge_name(std::uint32_t band, bool north) {
  return "heat/band/" + std::to_string(band) + (north ? "/north" : "/south");
}

}  // namespace juxmem::heat

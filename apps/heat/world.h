// The map that heat spreads over: which country each cell of a longitude-latitude raster belongs to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apps/heat/outlines.h"

namespace juxmem::heat {

// A raster of the whole globe: column 0 begins at longitude -180, row 0 at latitude 90 (north is up).
struct Raster {
  std::uint32_t width = 1440;
  std::uint32_t height = 720;
  bool operator==(const Raster&) const = default;
};

// Number of a cell's country in the list of countries plus 1; 0 is the sea.
using CountryNumber = std::uint16_t;

// Paints one country's outline into the rows [first_row, first_row + rows) of the raster: a cell belongs to it if its centre lies
// inside (even-odd rule over all its segments; each is closed; longitudes wrap around). Cells that have a country already keep it.
void paint_country(const Raster& raster, std::uint32_t first_row, std::uint32_t rows, std::span<const Segment> outline,
                   CountryNumber number, std::span<CountryNumber> cells);

}  // namespace juxmem::heat

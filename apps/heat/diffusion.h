// Heat diffusion over land and sea: the explicit five-point scheme on a raster that is periodic in longitude.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apps/heat/world.h"

namespace juxmem::heat {

// What for: a band of rows of the field that computes its next state from the rows just above and below it.
// Invariants: a cell's new value depends only on its own and its four neighbours' values and countries, in a fixed order of
// operations, so that the field is the same bit for bit however it is cut into bands.
// Thread safety: none. Failure: none.
class Band {
 public:
  // `cells`: the countries of rows [first_row - 1, first_row + rows + 1), rows beyond the poles repeat the last one.
  Band(const Raster& raster, std::uint32_t first_row, std::uint32_t rows, std::span<const CountryNumber> cells);

  // One step. `above` and `below`: the neighbouring rows' temperatures before the step; at a pole the band's own outer row
  // (no heat flows over the pole).
  void step(std::span<const double> above, std::span<const double> below);

  std::span<const double> temperatures() const { return field_; }
  std::span<const double> first_row() const { return row(0); }
  std::span<const double> last_row() const { return row(rows_ - 1); }

 private:
  std::span<const double> row(std::uint32_t index) const {
    return std::span(field_).subspan(std::size_t{index} * raster_.width, raster_.width);
  }

  Raster raster_;
  std::uint32_t rows_;
  std::vector<double> north_faces_;  // conductivity between a row and the one above it; rows_ + 1 rows
  std::vector<double> west_faces_;   // between a cell and its western neighbour
  std::vector<double> field_;
  std::vector<double> next_;
};

// The temperature, in degrees Celsius, that a cell starts with.
double start_temperature(const Raster& raster, std::uint32_t row, std::uint32_t column, CountryNumber country);

}  // namespace juxmem::heat

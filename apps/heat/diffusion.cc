#include "apps/heat/diffusion.h"

#include <cmath>

#include "juxmem/base/check.h"

namespace juxmem::heat {
namespace {

// Share of a temperature difference that flows over a cell's face in one step; below 1/4 the scheme is stable.
constexpr double kLandConductivity = 0.08;
constexpr double kSeaConductivity = 0.22;

double conductivity(CountryNumber country) { return country == 0 ? kSeaConductivity : kLandConductivity; }

// Two halves in series: the harmonic mean.
double across(double a, double b) { return 2.0 * a * b / (a + b); }

}  // namespace

double start_temperature(const Raster& raster, std::uint32_t row, std::uint32_t column, CountryNumber country) {
  const double latitude = (90.0 - (row + 0.5) * 180.0 / raster.height) * 3.14159265358979323846 / 180.0;
  const double by_latitude = 42.0 * std::cos(latitude) - 14.0;
  if (country == 0) return by_latitude * 0.7;
  // Land starts patchy: warm and cold countries, with stripes inside so that there is something to even out.
  const double by_country = static_cast<double>(country * 7919U % 29U) - 10.0;
  const double stripe = (row / 6 + column / 6) % 2 == 0 ? 6.0 : -6.0;
  return by_latitude + by_country + stripe;
}

Band::Band(const Raster& raster, std::uint32_t first_row, std::uint32_t rows, std::span<const CountryNumber> cells)
    : raster_(raster), rows_(rows) {
  JUXMEM_CHECK(cells.size() == std::size_t{rows + 2} * raster.width);
  const std::uint32_t width = raster.width;
  const auto at = [&](std::uint32_t r, std::uint32_t c) { return conductivity(cells[std::size_t{r} * width + c]); };
  for (std::uint32_t r = 0; r <= rows; ++r) {
    for (std::uint32_t c = 0; c < width; ++c) {
      north_faces_.push_back(across(at(r, c), at(r + 1, c)));
      west_faces_.push_back(across(at(r + 1, c == 0 ? width - 1 : c - 1), at(r + 1, c)));
    }
  }
  field_.resize(std::size_t{rows} * raster.width);
  next_.resize(field_.size());
  for (std::uint32_t r = 0; r < rows; ++r) {
    for (std::uint32_t c = 0; c < raster.width; ++c) {
      field_[std::size_t{r} * raster.width + c] =
          start_temperature(raster, first_row + r, c, cells[std::size_t{r + 1} * raster.width + c]);
    }
  }
}

void Band::step(std::span<const double> above, std::span<const double> below) {
  const std::uint32_t width = raster_.width;
  JUXMEM_CHECK(above.size() == width && below.size() == width);
  for (std::uint32_t r = 0; r < rows_; ++r) {
    const double* here = field_.data() + std::size_t{r} * width;
    const double* north = r == 0 ? above.data() : here - width;
    const double* south = r + 1 == rows_ ? below.data() : here + width;
    const double* north_face = north_faces_.data() + std::size_t{r} * width;
    const double* south_face = north_face + width;
    const double* face = west_faces_.data() + std::size_t{r} * width;  // between a cell and its western neighbour
    double* out = next_.data() + std::size_t{r} * width;
    const auto flow = [&](std::uint32_t c, std::uint32_t west, std::uint32_t east) {
      const double vertical = north_face[c] * (north[c] - here[c]) + south_face[c] * (south[c] - here[c]);
      const double horizontal = face[c] * (here[west] - here[c]) + face[east] * (here[east] - here[c]);
      out[c] = here[c] + vertical + horizontal;
    };
    flow(0, width - 1, 1);
    for (std::uint32_t c = 1; c + 1 < width; ++c) flow(c, c - 1, c + 1);
    flow(width - 1, width - 2, 0);
  }
  field_.swap(next_);
}

}  // namespace juxmem::heat

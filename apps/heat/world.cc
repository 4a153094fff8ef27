#include "apps/heat/world.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace juxmem::heat {
namespace {

// Longitudes at which the outline crosses a latitude, in order.
std::vector<double> crossings(std::span<const Segment> outline, double latitude) {
  std::vector<double> found;
  for (const Segment& segment : outline) {
    for (std::size_t i = 0; i < segment.size(); ++i) {
      const Point& a = segment[i];
      const Point& b = segment[(i + 1) % segment.size()];
      if ((a.latitude > latitude) == (b.latitude > latitude)) continue;
      const double share = (latitude - a.latitude) / (b.latitude - a.latitude);
      found.push_back(a.longitude + share * (b.longitude - a.longitude));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

struct Extent {
  Point low{720, 90};
  Point high{-720, -90};
  // A land all around the globe reaches to its pole, although its outline ends before it.
  bool covers_south_pole() const { return high.longitude - low.longitude > 350 && high.latitude < 0; }
};

Extent extent_of(std::span<const Segment> outline) {
  Extent extent;
  for (const Segment& segment : outline) {
    for (const Point& point : segment) {
      extent.low = {std::min(extent.low.longitude, point.longitude), std::min(extent.low.latitude, point.latitude)};
      extent.high = {std::max(extent.high.longitude, point.longitude), std::max(extent.high.latitude, point.latitude)};
    }
  }
  return extent;
}

void fill_between(const Raster& raster, double from, double to, CountryNumber number, std::span<CountryNumber> row) {
  const double cell = 360.0 / raster.width;
  const auto first = static_cast<std::int64_t>(std::ceil((from + 180.0) / cell - 0.5));
  const auto last = static_cast<std::int64_t>(std::ceil((to + 180.0) / cell - 0.5));
  for (std::int64_t column = first; column < last; ++column) {
    const std::int64_t width = raster.width;
    CountryNumber& owner = row[static_cast<std::size_t>(((column % width) + width) % width)];
    if (owner == 0) owner = number;
  }
}

}  // namespace

void paint_country(const Raster& raster, std::uint32_t first_row, std::uint32_t rows, std::span<const Segment> outline,
                   CountryNumber number, std::span<CountryNumber> cells) {
  const Extent extent = extent_of(outline);
  const double cell = 180.0 / raster.height;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const double latitude = 90.0 - (first_row + row + 0.5) * cell;
    const auto row_cells = cells.subspan(std::size_t{row} * raster.width, raster.width);
    if (latitude < extent.low.latitude + cell && extent.covers_south_pole())
      fill_between(raster, -180, 180, number, row_cells);
    if (latitude < extent.low.latitude || latitude > extent.high.latitude) continue;
    const std::vector<double> edges = crossings(outline, latitude);
    for (std::size_t i = 0; i + 1 < edges.size(); i += 2) fill_between(raster, edges[i], edges[i + 1], number, row_cells);
  }
}

}  // namespace juxmem::heat

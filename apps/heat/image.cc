#include "apps/heat/image.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace juxmem::heat {
namespace {

constexpr double kColdest = -25.0;
constexpr double kWarmest = 40.0;
constexpr std::uint32_t kScaleRows = 36;

struct Colour {
  double red, green, blue;
};

// From deep blue over white-yellow to dark red, by equal steps of temperature.
constexpr std::array<Colour, 7> kColours = {
    {{24, 28, 98}, {44, 102, 176}, {120, 186, 214}, {236, 240, 214}, {250, 190, 92}, {224, 92, 44}, {120, 12, 24}}};

Colour colour_of(double temperature) {
  const double share = std::clamp((temperature - kColdest) / (kWarmest - kColdest), 0.0, 1.0);
  const double place = share * (kColours.size() - 1);
  const auto low = std::min<std::size_t>(static_cast<std::size_t>(place), kColours.size() - 2);
  const double rest = place - static_cast<double>(low);
  const Colour& a = kColours[low];
  const Colour& b = kColours[low + 1];
  return {a.red + rest * (b.red - a.red), a.green + rest * (b.green - a.green), a.blue + rest * (b.blue - a.blue)};
}

class Canvas {
 public:
  Canvas(std::uint32_t width, std::uint32_t height)
      : width_(width), height_(height), rgb_(std::size_t{width} * height * 3) {}

  void set(std::uint32_t column, std::uint32_t row, const Colour& colour, double light = 1.0) {
    png_byte* pixel = rgb_.data() + (std::size_t{row} * width_ + column) * 3;
    pixel[0] = static_cast<png_byte>(colour.red * light);
    pixel[1] = static_cast<png_byte>(colour.green * light);
    pixel[2] = static_cast<png_byte>(colour.blue * light);
  }

  Status save(const std::string& path) const {
    png_image image;
    std::memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = width_;
    image.height = height_;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, rgb_.data(), 0, nullptr) == 0) {
      return fail(Code::kIo, "cannot write " + path + ": " + image.message);
    }
    return {};
  }

 private:
  std::uint32_t width_;
  std::uint32_t height_;
  std::vector<png_byte> rgb_;
};

// A cell is on a line where its eastern or southern neighbour belongs to another country: darker along coasts.
double light_at(const Raster& raster, std::span<const CountryNumber> countries, std::uint32_t row, std::uint32_t column) {
  const auto at = [&](std::uint32_t r, std::uint32_t c) { return countries[std::size_t{r} * raster.width + c]; };
  const CountryNumber here = at(row, column);
  const CountryNumber east = at(row, (column + 1) % raster.width);
  const CountryNumber south = at(std::min(row + 1, raster.height - 1), column);
  if (here == east && here == south) return 1.0;
  return (here == 0 || east == 0 || south == 0) ? 0.25 : 0.7;
}

void draw_scale(Canvas& canvas, const Raster& raster) {
  const std::uint32_t margin = raster.width / 8;
  for (std::uint32_t column = 0; column < raster.width; ++column) {
    for (std::uint32_t row = 0; row < kScaleRows; ++row) canvas.set(column, raster.height + row, {255, 255, 255});
    if (column < margin || column >= raster.width - margin) continue;
    const double degrees_per_column = (kWarmest - kColdest) / (raster.width - 2 * margin);
    const double temperature = kColdest + (column - margin) * degrees_per_column;
    const bool tick = std::floor(temperature / 10.0) != std::floor((temperature - degrees_per_column) / 10.0);
    for (std::uint32_t row = 8; row < kScaleRows - 10; ++row)
      canvas.set(column, raster.height + row, colour_of(temperature));
    for (std::uint32_t row = kScaleRows - 10; tick && row < kScaleRows - 3; ++row)
      canvas.set(column, raster.height + row, {0, 0, 0});
  }
}

}  // namespace

Status write_picture(const std::string& path, const Raster& raster, std::span<const double> temperatures,
                     std::span<const CountryNumber> countries) {
  Canvas canvas(raster.width, raster.height + kScaleRows);
  for (std::uint32_t row = 0; row < raster.height; ++row) {
    for (std::uint32_t column = 0; column < raster.width; ++column) {
      const double temperature = temperatures[std::size_t{row} * raster.width + column];
      canvas.set(column, row, colour_of(temperature), light_at(raster, countries, row, column));
    }
  }
  draw_scale(canvas, raster);
  return canvas.save(path);
}

}  // namespace juxmem::heat

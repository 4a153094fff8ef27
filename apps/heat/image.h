// Pictures of the field (libpng).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "apps/heat/world.h"
#include "juxmem/base/result.h"

namespace juxmem::heat {

// Writes the whole field as a PNG: colours by temperature, coasts and borders as dark lines, and a colour scale below with its
// degrees marked by ticks every 10. Errors: kIo.
Status write_picture(const std::string& path, const Raster& raster, std::span<const double> temperatures,
                     std::span<const CountryNumber> countries);

}  // namespace juxmem::heat

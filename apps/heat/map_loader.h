// The map from the outlines that were imported into the grid.
#pragma once

#include <juxmem/juxmem.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/heat/world.h"
#include "juxmem/base/result.h"

namespace juxmem::heat {

// Looks the outline of every country up by name (PREFIX/CODE_lon, PREFIX/CODE_lat) and paints the rows [first_row, first_row +
// rows). Countries without an outline stay out. Errors: of the grid; kInvalid if a dataset is not what it should be, or if
// no country was found at all.
Result<std::vector<CountryNumber>> load_map(juxmem_grid* grid, const std::string& prefix, std::span<const Country> countries,
                                            const Raster& raster, std::uint32_t first_row, std::uint32_t rows);

}  // namespace juxmem::heat

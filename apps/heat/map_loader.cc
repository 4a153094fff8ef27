#include "apps/heat/map_loader.h"

#include "apps/heat/shared_block.h"
#include "juxmem/wire/limits.h"

namespace juxmem::heat {
namespace {

struct Dataset {
  DatasetMeta meta;
  std::vector<std::byte> data;
};

// kNoSuchName if it was not imported.
Result<Dataset> load_dataset(juxmem_grid* grid, const std::string& name) {
  juxmem_id id = 0;
  int code = juxmem_lookup(grid, name.c_str(), &id);
  if (code != JUXMEM_OK) return grid_error(code, "cannot find " + name);
  juxmem_stat_info info;
  std::vector<std::byte> meta(wire::kMetaBytesMax);
  code = juxmem_stat(grid, id, &info, meta.data(), meta.size());
  if (code != JUXMEM_OK) return grid_error(code, "cannot look at " + name);
  auto decoded = decode_meta(std::span(meta).first(info.meta_bytes));
  if (!decoded) return std::unexpected(decoded.error());
  Dataset dataset{std::move(*decoded), std::vector<std::byte>(info.size)};
  code = juxmem_read(grid, id, 0, dataset.data.data(), dataset.data.size());
  if (code != JUXMEM_OK) return grid_error(code, "cannot read " + name);
  return dataset;
}

Result<std::vector<Segment>> load_outline(juxmem_grid* grid, const std::string& path) {
  auto longitude = load_dataset(grid, path + "_lon");
  if (!longitude) return std::unexpected(longitude.error());
  auto latitude = load_dataset(grid, path + "_lat");
  if (!latitude) return std::unexpected(latitude.error());
  return decode_outline(longitude->meta, longitude->data, latitude->meta, latitude->data);
}

}  // namespace

Result<std::vector<CountryNumber>> load_map(juxmem_grid* grid, const std::string& prefix, std::span<const Country> countries,
                                            const Raster& raster, std::uint32_t first_row, std::uint32_t rows) {
  std::vector<CountryNumber> cells(std::size_t{rows} * raster.width, 0);
  std::size_t found = 0;
  for (std::size_t i = 0; i < countries.size(); ++i) {
    const auto outline = load_outline(grid, prefix + "/" + countries[i].code);
    if (!outline && outline.error().code == Code::kNoSuchName) continue;
    if (!outline) return std::unexpected(outline.error());
    ++found;
    paint_country(raster, first_row, rows, *outline, static_cast<CountryNumber>(i + 1), cells);
  }
  if (found == 0) return fail(Code::kNotFound, "no outline is published under " + prefix + "/; import dcw-gmt.nc first");
  return cells;
}

}  // namespace juxmem::heat

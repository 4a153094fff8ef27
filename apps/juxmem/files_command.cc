#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "apps/hdf5/hdf5_transfer.h"
#include "apps/juxmem/commands.h"
#include "apps/juxmem/progress_bar.h"
#include "apps/juxmem/text_table.h"

namespace juxmem {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

// "2x3": two sites, three nodes of each.
bool parse_copies(const std::string& text, std::uint32_t& sites, std::uint32_t& nodes) {
  const char* last = text.data() + text.size();
  const auto [middle, bad_sites] = std::from_chars(text.data(), last, sites);
  if (bad_sites != std::errc{} || middle == last || *middle != 'x') return false;
  const auto [end, bad_nodes] = std::from_chars(middle + 1, last, nodes);
  return bad_nodes == std::errc{} && end == last && sites > 0 && nodes > 0;
}

// Names what was left out. Something was done all the same, but not all: the exit code tells.
int report_skipped(const char* command, const TransferReport& report) {
  if (report.skipped_attributes > 0) {
    fmt::print(stderr, "juxmem {}: {} attributes were left out: they are neither numbers nor text of fixed length\n",
               command, report.skipped_attributes);
  }
  for (const std::string& skipped : report.skipped) fmt::print(stderr, "juxmem {}: skipped {}\n", command, skipped);
  return report.skipped.empty() ? kExitOk : kExitFailed;
}

}  // namespace

int import_command(const Arguments& arguments) {
  CommandLine line(
      "import", "FILE [PREFIX] [options]",
      "Reads an HDF5 or netCDF-4 file. Every dataset becomes a block of its own, published as PREFIX/dataset/path, with\n"
      "type, shape and attributes as its meta data. PREFIX is the file's name without its ending if none is given.\n"
      "Datasets of other types than numbers and text of fixed length are skipped and named; the exit code is 1 then.",
      "  juxmem import ocean.nc\n  juxmem import results.h5 run7/results --copies 2x3\n");
  line.add_grid_option();
  line.options()("copies", po::value<std::string>()->default_value("1x1"),
                 "SITESxNODES: on how many nodes of how many sites")(
      "disk", "acknowledged means on stable storage; for grids whose providers keep data on disk")(
      "replace", "replace what is published under the same names");
  if (const auto ended = line.parse(arguments, 1, 2)) return *ended;
  const std::string& file = line.operands().front();
  ImportOptions options;
  options.prefix = line.operands().size() > 1 ? line.operands()[1] : fs::path(file).stem().string();
  while (options.prefix.ends_with('/')) options.prefix.pop_back();
  if (options.prefix.empty()) return line.wrong("PREFIX is empty");
  options.replace = line.has("replace");
  options.durability = line.has("disk") ? JUXMEM_DISK : JUXMEM_MEMORY;
  if (!parse_copies(line.text("copies"), options.sites, options.nodes_per_site)) {
    return line.wrong("--copies: '" + line.text("copies") + "' is not of the form SITESxNODES, like 2x3");
  }
  const auto grid = open_grid_of(line);
  if (!grid) return line.failed(grid.error());
  Result<TransferReport> report;
  {
    ProgressBar bar("import");
    report = import_hdf5(grid->get(), file, options, [&](std::uint64_t done, std::uint64_t total, const std::string& path) {
      bar.show(done, total, path);
    });
  }
  if (!report && report.error().code == Code::kNameTaken) {
    return line.failed({Code::kNameTaken, report.error().detail + "; --replace frees what is there"});
  }
  if (!report) return line.failed(report.error());
  fmt::print("{} datasets, {}, published under {}/\n", report->datasets, size_text(report->bytes), options.prefix);
  return report_skipped("import", *report);
}

int export_command(const Arguments& arguments) {
  CommandLine line(
      "export", "PREFIX FILE [options]",
      "Writes every imported dataset published under PREFIX/ to a new HDF5 file, with its groups and attributes.\n"
      "Blocks that hold no dataset are skipped and named; the exit code is 1 then.",
      "  juxmem export run7/results copy.h5\n  juxmem export dcw world.nc --force\n");
  line.add_grid_option();
  line.options()("force", "replace FILE if it exists");
  if (const auto ended = line.parse(arguments, 2, 2)) return *ended;
  std::string prefix = line.operands()[0];
  while (prefix.ends_with('/')) prefix.pop_back();
  const std::string& file = line.operands()[1];
  if (fs::exists(file) && !line.has("force")) {
    return line.failed({Code::kIo, file + " exists already; --force replaces it"});
  }
  const auto grid = open_grid_of(line);
  if (!grid) return line.failed(grid.error());
  // Appears with its whole content or not at all.
  const std::string unfinished = file + ".unfinished";
  std::error_code error;
  fs::remove(unfinished, error);
  Result<TransferReport> report;
  {
    ProgressBar bar("export");
    report =
        export_hdf5(grid->get(), prefix, unfinished,
                    [&](std::uint64_t done, std::uint64_t total, const std::string& path) { bar.show(done, total, path); });
  }
  if (report) fs::rename(unfinished, file, error);
  if (!report) {
    fs::remove(unfinished, error);
    return line.failed(report.error());
  }
  if (error) return line.failed({Code::kIo, fmt::format("cannot rename {} to {}: {}", unfinished, file, error.message())});
  fmt::print("{} datasets, {}, written to {}\n", report->datasets, size_text(report->bytes), file);
  return report_skipped("export", *report);
}

}  // namespace juxmem

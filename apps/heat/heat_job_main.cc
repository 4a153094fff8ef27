// Job one: each MPI rank computes a band of the world; the bands exchange their outer rows through blocks and publish their
// fields for others. Run by heat_run, or by hand: JUXMEM_GRID=... mpirun -n 4 heat_job --steps 900
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/heat/diffusion.h"
#include "apps/heat/layout.h"
#include "apps/heat/map_loader.h"
#include "apps/heat/shared_block.h"
#include "apps/program_options/program_options.h"

namespace juxmem::heat {
namespace {

namespace options = boost::program_options;

struct JobOptions {
  Raster raster;
  std::uint32_t steps = 900;
  std::uint32_t frame_every = 20;
  std::string countries = "/usr/share/gmt-dcw/dcw-countries.txt";
  std::string summary;
};

// One band with the blocks it writes and the neighbours' edges it reads.
class Rank {
 public:
  Rank(juxmem_grid* grid, const JobOptions& wanted, std::uint32_t rank, std::uint32_t ranks)
      : grid_(grid), options_(wanted), rank_(rank), ranks_(ranks), rows_(band_rows(wanted.raster.height, ranks, rank)) {}

  Status prepare();
  Status open_neighbours();
  Status run();
  Status verify();
  SectionStats& stats() { return stats_; }
  std::uint64_t shared_bytes() const;
  std::size_t blocks() const { return own_.size(); }

 private:
  Status create(const std::string& name, std::uint64_t bytes, SharedBlock** block);
  Status show_edges(std::uint32_t step);
  Status fetch_edge(SharedBlock* edge, std::uint32_t step, std::vector<double>& row);
  Status show_field(std::uint32_t step);
  std::uint64_t row_bytes() const { return std::uint64_t{options_.raster.width} * sizeof(double); }

  juxmem_grid* grid_;
  JobOptions options_;
  std::uint32_t rank_;
  std::uint32_t ranks_;
  BandRows rows_;
  SectionStats stats_;
  std::vector<std::unique_ptr<SharedBlock>> own_;
  std::vector<std::unique_ptr<SharedBlock>> others_;
  SharedBlock* field_ = nullptr;
  SharedBlock* north_ = nullptr;  // own outer rows, for the neighbours
  SharedBlock* south_ = nullptr;
  SharedBlock* from_north_ = nullptr;  // the neighbours' rows
  SharedBlock* from_south_ = nullptr;
  std::unique_ptr<Band> band_;
};

Status Rank::create(const std::string& name, std::uint64_t bytes, SharedBlock** block) {
  auto made = SharedBlock::create(grid_, name, bytes, &stats_);
  if (!made) return std::unexpected(made.error());
  own_.push_back(std::make_unique<SharedBlock>(std::move(*made)));
  *block = own_.back().get();
  return {};
}

Status Rank::prepare() {
  const auto countries = read_countries(options_.countries);
  if (!countries) return std::unexpected(countries.error());
  const std::uint32_t height = options_.raster.height;
  const std::uint32_t above = rows_.first == 0 ? 0 : 1;
  const std::uint32_t below = rows_.first + rows_.count == height ? 0 : 1;
  auto cells =
      load_map(grid_, kOutlinesPrefix, *countries, options_.raster, rows_.first - above, rows_.count + above + below);
  if (!cells) return std::unexpected(cells.error());
  const auto width = static_cast<std::ptrdiff_t>(options_.raster.width);
  if (above == 0) cells->insert(cells->begin(), cells->begin(), cells->begin() + width);
  if (below == 0) cells->insert(cells->end(), cells->end() - width, cells->end());
  band_ = std::make_unique<Band>(options_.raster, rows_.first, rows_.count, *cells);

  SharedBlock* map = nullptr;
  const std::uint64_t map_bytes = std::uint64_t{rows_.count} * options_.raster.width * sizeof(CountryNumber);
  if (Status made = create(countries_name(rank_), map_bytes, &map); !made) return made;
  const CountryNumber* first = cells->data() + width;
  Status written = map->write([&](SharedBlock::Header& header, std::byte* content) {
    header.step[0] = 1;
    std::memcpy(content, first, map_bytes);
  });
  if (!written) return written;

  if (Status made = create(field_name(rank_), rows_.count * row_bytes(), &field_); !made) return made;
  if (rank_ > 0) {
    if (Status made = create(edge_name(rank_, true), 2 * row_bytes(), &north_); !made) return made;
  }
  if (rank_ + 1 < ranks_) {
    if (Status made = create(edge_name(rank_, false), 2 * row_bytes(), &south_); !made) return made;
  }
  return {};
}

Status Rank::open_neighbours() {
  const auto open = [&](const std::string& name, SharedBlock** block) -> Status {
    auto opened = SharedBlock::open(grid_, name, kNeighbourLimitMs, &stats_);
    if (!opened) return std::unexpected(opened.error());
    others_.push_back(std::make_unique<SharedBlock>(std::move(*opened)));
    *block = others_.back().get();
    return {};
  };
  if (north_ != nullptr) {
    if (Status opened = open(edge_name(rank_ - 1, false), &from_north_); !opened) return opened;
  }
  if (south_ != nullptr) {
    if (Status opened = open(edge_name(rank_ + 1, true), &from_south_); !opened) return opened;
  }
  if (rank_ != 0) return {};
  SharedBlock* layout = nullptr;
  if (Status made = create(kLayoutName, sizeof(Layout), &layout); !made) return made;
  return layout->write([&](SharedBlock::Header& header, std::byte* content) {
    header.step[0] = 1;
    const Layout value{options_.raster.width, options_.raster.height, ranks_, options_.steps, options_.frame_every};
    std::memcpy(content, &value, sizeof value);
  });
}

Status Rank::show_edges(std::uint32_t step) {
  const auto show = [&](SharedBlock* edge, std::span<const double> row) -> Status {
    if (edge == nullptr) return {};
    return edge->write([&](SharedBlock::Header& header, std::byte* content) {
      header.step[step % 2] = step + 1;
      std::memcpy(content + (step % 2) * row_bytes(), row.data(), row_bytes());
    });
  };
  if (Status shown = show(north_, band_->first_row()); !shown) return shown;
  return show(south_, band_->last_row());
}

// The neighbour publishes step + 2 into the same slot only after it has read our step + 1, so the slot cannot be overtaken.
Status Rank::fetch_edge(SharedBlock* edge, std::uint32_t step, std::vector<double>& row) {
  for (;;) {
    bool there = false;
    Status looked = edge->read([&](const SharedBlock::Header& header, const std::byte* content) {
      there = header.step[step % 2] == step + 1;
      if (there) std::memcpy(row.data(), content + (step % 2) * row_bytes(), row_bytes());
    });
    if (!looked || there) return looked;
    if (Status waited = edge->wait_newer(kNeighbourLimitMs); !waited) return waited;
  }
}

Status Rank::show_field(std::uint32_t step) {
  return field_->write([&](SharedBlock::Header& header, std::byte* content) {
    header.step[0] = step;
    std::memcpy(content, band_->temperatures().data(), band_->temperatures().size_bytes());
  });
}

Status Rank::run() {
  std::vector<double> above(options_.raster.width);
  std::vector<double> below(options_.raster.width);
  for (std::uint32_t step = 0; step < options_.steps; ++step) {
    if (Status shown = show_edges(step); !shown) return shown;
    std::ranges::copy(band_->first_row(), above.begin());
    std::ranges::copy(band_->last_row(), below.begin());
    if (from_north_ != nullptr) {
      if (Status fetched = fetch_edge(from_north_, step, above); !fetched) return fetched;
    }
    if (from_south_ != nullptr) {
      if (Status fetched = fetch_edge(from_south_, step, below); !fetched) return fetched;
    }
    band_->step(above, below);
    if ((step + 1) % options_.frame_every == 0 || step + 1 == options_.steps) {
      if (Status shown = show_field(step + 1); !shown) return shown;
      if (rank_ == 0) {
        std::printf("heat_job: step %u of %u\n", step + 1, options_.steps);
        std::fflush(stdout);
      }
    }
  }
  return {};
}

Status Rank::verify() {
  for (const auto& block : own_) {
    if (Status verified = block->verify(); !verified) return verified;
  }
  return {};
}

std::uint64_t Rank::shared_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& block : own_) bytes += block->size_bytes();
  return bytes;
}

// All ranks' numbers at rank 0.
std::vector<double> gather(const std::vector<double>& mine, int rank, int ranks) {
  const int count = static_cast<int>(mine.size());
  std::vector<int> counts(static_cast<std::size_t>(ranks));
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
  std::vector<int> places(counts.size(), 0);
  for (std::size_t i = 1; i < counts.size(); ++i) places[i] = places[i - 1] + counts[i - 1];
  std::vector<double> all(rank == 0 ? static_cast<std::size_t>(places.back() + counts.back()) : 0);
  MPI_Gatherv(mine.data(), count, MPI_DOUBLE, all.data(), counts.data(), places.data(), MPI_DOUBLE, 0, MPI_COMM_WORLD);
  std::sort(all.begin(), all.end());
  return all;
}

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

void write_summary(Rank& worker, const JobOptions& wanted, int rank, int ranks) {
  const SectionStats& stats = worker.stats();
  const std::vector<double> acquire = gather(stats.acquire_us, rank, ranks);
  const std::vector<double> release = gather(stats.release_us, rank, ranks);
  const std::uint64_t mine[] = {worker.blocks(), worker.shared_bytes(), stats.exclusive,
                                stats.shared,    stats.repeated,        stats.lost};
  std::uint64_t sums[std::size(mine)] = {};
  MPI_Reduce(mine, sums, static_cast<int>(std::size(mine)), MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
  double stall = 0;
  MPI_Reduce(&stats.longest_stall_ms, &stall, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
  if (rank != 0 || wanted.summary.empty()) return;
  const nlohmann::json document = {{"steps", wanted.steps},
                                   {"blocks", sums[0]},
                                   {"bytes_shared", sums[1]},
                                   {"sections", sums[2] + sums[3]},
                                   {"sections_exclusive", sums[2]},
                                   {"sections_shared", sums[3]},
                                   {"sections_repeated", sums[4]},
                                   {"sections_lost", sums[5]},
                                   {"acquire_us_p50", percentile(acquire, 0.50)},
                                   {"acquire_us_p99", percentile(acquire, 0.99)},
                                   {"release_us_p50", percentile(release, 0.50)},
                                   {"release_us_p99", percentile(release, 0.99)},
                                   {"longest_stall_ms", stall}};
  std::ofstream(wanted.summary) << document.dump(2) << '\n';
}

Status run_rank(const JobOptions& wanted, int rank, int ranks) {
  auto grid = open_grid(static_cast<unsigned>(rank));
  if (!grid) return std::unexpected(grid.error());
  Rank worker(grid->get(), wanted, static_cast<std::uint32_t>(rank), static_cast<std::uint32_t>(ranks));
  if (Status prepared = worker.prepare(); !prepared) return prepared;
  if (Status opened = worker.open_neighbours(); !opened) return opened;
  if (Status ran = worker.run(); !ran) return ran;
  if (Status verified = worker.verify(); !verified) return verified;
  write_summary(worker, wanted, rank, ranks);
  return {};
}

// Nothing if the job is to go on with `wanted`; otherwise the exit code.
std::optional<int> parse(int argc, char** argv, std::uint32_t ranks, JobOptions& wanted) {
  ProgramOptions line(
      "heat_job",
      "Usage: mpirun -n RANKS heat_job [options]\n"
      "Diffuses heat over the world's land and sea, sharing bands and their edges through a JuxMem grid ($JUXMEM_GRID)\n"
      "that holds the outlines of dcw-gmt.nc under dcw/.");
  line.add()("steps", options::value(&wanted.steps)->default_value(wanted.steps), "time steps")(
      "frame-every", options::value(&wanted.frame_every)->default_value(wanted.frame_every),
      "steps between two published fields")(
      "width", options::value(&wanted.raster.width)->default_value(wanted.raster.width), "columns of the raster")(
      "height", options::value(&wanted.raster.height)->default_value(wanted.raster.height), "rows of the raster")(
      "countries", options::value(&wanted.countries)->default_value(wanted.countries), "list of countries")(
      "summary", options::value(&wanted.summary), "file for the numbers, as JSON");
  if (const auto code = line.parse(argc, argv)) return code;
  const bool sizes_fit = wanted.steps > 0 && wanted.frame_every > 0 && wanted.raster.width >= 8 &&
                         wanted.raster.height >= 8 && wanted.raster.width <= 65536 && wanted.raster.height <= 32768;
  if (!sizes_fit) return line.wrong("steps and frame-every must be positive, the raster at least 8 x 8");
  if (ranks > wanted.raster.height / 2) return line.wrong("more ranks than half the rows of the raster");
  return std::nullopt;
}

int run_job(int argc, char** argv) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  JobOptions wanted;
  if (const auto code = parse(argc, argv, static_cast<std::uint32_t>(ranks), wanted)) return *code;
  const Status ran = run_rank(wanted, rank, ranks);
  if (ran) return 0;
  std::fprintf(stderr, "heat_job: rank %d: %s\n", rank, to_string(ran.error()).c_str());
  MPI_Abort(MPI_COMM_WORLD, 1);
  return 1;
}

}  // namespace
}  // namespace juxmem::heat

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int code = juxmem::heat::run_job(argc, argv);
  MPI_Finalize();
  return code;
}

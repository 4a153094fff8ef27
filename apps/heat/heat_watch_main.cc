// Job two, launched separately: follows job one through the blocks it publishes, computes each country's mean temperature and draws
// pictures. Run by heat_run, or by hand: JUXMEM_GRID=... mpirun -n 2 heat_watch --out out
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "apps/heat/image.h"
#include "apps/heat/layout.h"
#include "apps/heat/outlines.h"
#include "apps/heat/shared_block.h"
#include "apps/program_options/program_options.h"

namespace juxmem::heat {
namespace {

namespace options = boost::program_options;

constexpr std::int64_t kStartLimitMs = 120'000;
constexpr std::int64_t kPollMs = 500;  // one wait; the loop goes on until the last frame or the job's limit
constexpr int kIdleRoundsMax = 240;

struct WatchOptions {
  std::string out = "out";
  std::string countries = "/usr/share/gmt-dcw/dcw-countries.txt";
};

// One rank's share of the bands.
class Watcher {
 public:
  Watcher(juxmem_grid* grid, WatchOptions wanted, std::vector<Country> countries, int rank, int ranks)
      : grid_(grid), options_(std::move(wanted)), countries_(std::move(countries)), rank_(rank), ranks_(ranks) {}

  Status prepare();
  Status follow();

 private:
  Status read_fields();
  Status wait_for(std::uint64_t newest);
  Status make_frame(std::uint64_t step);
  Status write_statistics(std::span<const double> sums, std::span<const double> counts) const;
  std::size_t first_band(int rank) const {
    return layout_.bands * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks_);
  }
  template <typename T>
  std::vector<T> gather_rows(const std::vector<T>& mine, MPI_Datatype type) const;

  juxmem_grid* grid_;
  WatchOptions options_;
  std::vector<Country> countries_;
  int rank_;
  int ranks_;
  Layout layout_;
  SectionStats stats_;
  std::vector<SharedBlock> fields_;
  std::vector<std::uint64_t> steps_;  // of each field as last read
  std::vector<double> temperatures_;  // of this rank's bands, one after the other
  std::vector<CountryNumber> cells_;
  std::vector<CountryNumber> whole_map_;  // at rank 0
};

Status Watcher::prepare() {
  auto layout = SharedBlock::open(grid_, kLayoutName, kStartLimitMs, &stats_);
  if (!layout) return std::unexpected(layout.error());
  // The name is published before its content is released.
  for (int tries = 0; layout_.bands == 0 && tries < kIdleRoundsMax; ++tries) {
    Status looked = layout->read([&](const SharedBlock::Header& header, const std::byte* content) {
      if (header.step[0] != 0) std::memcpy(&layout_, content, sizeof layout_);
    });
    if (!looked) return looked;
    if (layout_.bands == 0) (void)layout->wait_newer(kPollMs);
  }
  if (layout_.bands < static_cast<std::uint32_t>(ranks_))
    return fail(Code::kInvalid, "there are more ranks than bands to watch");

  for (std::size_t band = first_band(rank_); band < first_band(rank_ + 1); ++band) {
    const auto number = static_cast<std::uint32_t>(band);
    auto map = SharedBlock::open(grid_, countries_name(number), kStartLimitMs, &stats_);
    if (!map) return std::unexpected(map.error());
    Status looked = map->read([&](const SharedBlock::Header&, const std::byte* content) {
      const auto* first = reinterpret_cast<const CountryNumber*>(content);
      const std::size_t count = std::size_t{band_rows(layout_.height, layout_.bands, number).count} * layout_.width;
      cells_.insert(cells_.end(), first, first + count);
    });
    if (!looked) return looked;
    auto field = SharedBlock::open(grid_, field_name(number), kStartLimitMs, &stats_);
    if (!field) return std::unexpected(field.error());
    fields_.push_back(std::move(*field));
  }
  steps_.assign(fields_.size(), 0);
  temperatures_.resize(cells_.size());
  whole_map_ = gather_rows(cells_, MPI_UINT16_T);
  return {};
}

template <typename T>
std::vector<T> Watcher::gather_rows(const std::vector<T>& mine, MPI_Datatype type) const {
  std::vector<int> counts;
  std::vector<int> places;
  int place = 0;
  for (int rank = 0; rank < ranks_; ++rank) {
    int count = 0;
    for (std::size_t band = first_band(rank); band < first_band(rank + 1); ++band) {
      count +=
          static_cast<int>(band_rows(layout_.height, layout_.bands, static_cast<std::uint32_t>(band)).count * layout_.width);
    }
    counts.push_back(count);
    places.push_back(place);
    place += count;
  }
  std::vector<T> whole(rank_ == 0 ? static_cast<std::size_t>(place) : 0);
  MPI_Gatherv(mine.data(), static_cast<int>(mine.size()), type, whole.data(), counts.data(), places.data(), type, 0,
              MPI_COMM_WORLD);
  return whole;
}

Status Watcher::read_fields() {
  std::size_t place = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto band = static_cast<std::uint32_t>(first_band(rank_) + i);
    const std::size_t count = std::size_t{band_rows(layout_.height, layout_.bands, band).count} * layout_.width;
    Status looked = fields_[i].read([&](const SharedBlock::Header& header, const std::byte* content) {
      steps_[i] = header.step[0];
      std::memcpy(temperatures_.data() + place, content, count * sizeof(double));
    });
    if (!looked) return looked;
    place += count;
  }
  return {};
}

Status Watcher::wait_for(std::uint64_t newest) {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (steps_[i] >= newest) continue;
    const Status waited = fields_[i].wait_newer(kPollMs);
    if (!waited && waited.error().code != Code::kTimedOut) return waited;
    return {};
  }
  return {};
}

Status Watcher::write_statistics(std::span<const double> sums, std::span<const double> counts) const {
  const std::string path = options_.out + "/countries.csv";
  std::ofstream file(path);
  file << "code,name,cells,mean_celsius\n";
  for (std::size_t i = 0; i < countries_.size(); ++i) {
    if (counts[i + 1] == 0) continue;
    file << countries_[i].code << ",\"" << countries_[i].name << "\"," << counts[i + 1] << ',' << sums[i + 1] / counts[i + 1]
         << '\n';
  }
  if (!file.flush()) return fail(Code::kIo, "cannot write " + path);
  return {};
}

Status Watcher::make_frame(std::uint64_t step) {
  std::vector<double> sums(countries_.size() + 1, 0);
  std::vector<double> counts(countries_.size() + 1, 0);
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    sums[cells_[i]] += temperatures_[i];
    counts[cells_[i]] += 1;
  }
  const int size = static_cast<int>(sums.size());
  std::vector<double> all_sums(sums.size());
  std::vector<double> all_counts(sums.size());
  MPI_Reduce(sums.data(), all_sums.data(), size, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  MPI_Reduce(counts.data(), all_counts.data(), size, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  const std::vector<double> whole = gather_rows(temperatures_, MPI_DOUBLE);
  if (rank_ != 0) return {};

  char name[32];
  std::snprintf(name, sizeof name, "/frame-%05llu.png", static_cast<unsigned long long>(step));
  const Raster raster{layout_.width, layout_.height};
  if (Status drawn = write_picture(options_.out + name, raster, whole, whole_map_); !drawn) return drawn;
  std::printf("heat_watch: step %llu: drew %s%s\n", static_cast<unsigned long long>(step), options_.out.c_str(), name);
  std::fflush(stdout);
  return write_statistics(all_sums, all_counts);
}

// All ranks go through the same rounds; a frame is made when every band shows the same new step.
Status Watcher::follow() {
  std::uint64_t drawn = 0;
  for (int idle = 0; idle < kIdleRoundsMax; ++idle) {
    if (Status looked = read_fields(); !looked) return looked;
    const auto [low, high] = std::minmax_element(steps_.begin(), steps_.end());
    std::uint64_t ends[2] = {*high, ~*low};
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    const std::uint64_t newest = ends[0];
    const bool all_equal = newest == ~ends[1];
    if (all_equal && newest > drawn) {
      if (Status made = make_frame(newest); !made) return made;
      drawn = newest;
      idle = 0;
      if (drawn == layout_.steps) return {};
    }
    if (Status waited = wait_for(all_equal ? newest + 1 : newest); !waited) return waited;
  }
  return fail(Code::kTimedOut, "job one published nothing new for too long");
}

Status run_rank(const WatchOptions& wanted, int rank, int ranks) {
  auto countries = read_countries(wanted.countries);
  if (!countries) return std::unexpected(countries.error());
  auto grid = open_grid(static_cast<unsigned>(rank) + 1);
  if (!grid) return std::unexpected(grid.error());
  Watcher watcher(grid->get(), wanted, std::move(*countries), rank, ranks);
  if (Status prepared = watcher.prepare(); !prepared) return prepared;
  return watcher.follow();
}

int run_watch(int argc, char** argv) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  WatchOptions wanted;
  ProgramOptions line(
      "heat_watch",
      "Usage: mpirun -n RANKS heat_watch [options]\n"
      "Follows heat_job through its grid ($JUXMEM_GRID): pictures and a table of the countries' mean temperatures.");
  line.add()("out", options::value(&wanted.out)->default_value(wanted.out), "folder for the results")(
      "countries", options::value(&wanted.countries)->default_value(wanted.countries), "list of countries");
  if (const auto code = line.parse(argc, argv)) return *code;
  const Status ran = run_rank(wanted, rank, ranks);
  if (ran) return 0;
  std::fprintf(stderr, "heat_watch: rank %d: %s\n", rank, to_string(ran.error()).c_str());
  MPI_Abort(MPI_COMM_WORLD, 1);
  return 1;
}

}  // namespace
}  // namespace juxmem::heat

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int code = juxmem::heat::run_watch(argc, argv);
  MPI_Finalize();
  return code;
}

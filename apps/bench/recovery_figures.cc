#include "apps/bench/recovery_figures.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>

#include "apps/process/process.h"

namespace juxmem::bench {
namespace {

constexpr std::int64_t kDrawLimitMs = 60'000;

// What for: the counts, asked by seconds. Ownership: sees what it was given. Thread safety: none. Failure: a span without an interval is 0.
class Timeline {
 public:
  Timeline(const std::vector<std::uint64_t>& counts, std::int64_t bin_ms)
      : counts_(counts), bin_seconds_(static_cast<double>(bin_ms) / 1000) {}

  // The first interval that begins at `seconds` or later.
  std::size_t bin_at(double seconds) const {
    const auto bin = static_cast<std::size_t>(std::max(0.0, seconds) / bin_seconds_ + 0.999);
    return std::min(bin, counts_.size());
  }
  double rate(std::size_t bin) const { return static_cast<double>(counts_[bin]) / bin_seconds_; }
  double mean(std::size_t from, std::size_t to) const {
    double sum = 0;
    for (std::size_t bin = from; bin < to; ++bin) sum += rate(bin);
    return to > from ? sum / static_cast<double>(to - from) : 0;
  }
  double mean_between(double from, double to) const { return mean(bin_at(from), bin_at(to)); }
  // The lowest mean of `bins` intervals in a row.
  double lowest(double from, double to, std::size_t bins) const {
    const std::size_t end = bin_at(to);
    const std::size_t first = std::min(bin_at(from), end);
    if (end - first <= bins) return mean(first, end);
    double low = mean(first, first + bins);
    for (std::size_t bin = first + 1; bin + bins <= end; ++bin) low = std::min(low, mean(bin, bin + bins));
    return low;
  }
  // From where on half a second reaches `rate`: not the first interval after the kill that does, which may be of puts that were done just before.
  double end_of_dip(const RecoveryTimes& times, double rate) const {
    const auto half_second = static_cast<std::size_t>(0.5 / bin_seconds_);
    for (std::size_t bin = bin_at(times.killed); bin + half_second <= bin_at(times.returned); ++bin) {
      if (mean(bin, bin + half_second) >= rate && this->rate(bin) >= rate)
        return std::max(times.killed, static_cast<double>(bin) * bin_seconds_);
    }
    return times.returned;
  }

 private:
  const std::vector<std::uint64_t>& counts_;
  double bin_seconds_;
};

}  // namespace

RecoveryFigures figures_of(const std::vector<std::uint64_t>& counts, std::int64_t bin_ms, const RecoveryTimes& times) {
  const Timeline line(counts, bin_ms);
  RecoveryFigures figures;
  const double end = static_cast<double>(counts.size()) * static_cast<double>(bin_ms) / 1000;
  figures.before_per_s = line.mean_between(std::min(1.0, times.killed / 2), times.killed);
  if (figures.before_per_s <= 0) return figures;
  const double percent = 100 / figures.before_per_s;
  const double dip_end = line.end_of_dip(times, figures.before_per_s / 2);
  figures.dip_seconds = dip_end - times.killed;
  figures.dip_percent = line.lowest(times.killed, times.returned, 1) * percent;
  figures.away_percent = line.mean_between(dip_end, times.returned) * percent;
  figures.catch_up_percent = line.mean_between(times.returned, times.caught_up) * percent;
  figures.catch_up_low_percent =
      line.lowest(times.returned, times.caught_up, static_cast<std::size_t>(1000 / bin_ms)) * percent;
  figures.catch_up_seconds = times.caught_up - times.returned;
  figures.after_percent = line.mean_between(times.caught_up, end) * percent;
  return figures;
}

Status draw_recovery(const std::string& folder, const std::string& name, const std::string& title,
                     const std::vector<std::uint64_t>& counts, std::int64_t bin_ms, const RecoveryTimes& times) {
  const std::string data = folder + "/" + name + ".csv";
  const std::string script = folder + "/" + name + ".gp";
  std::ofstream rows(data);
  rows << "seconds,puts_per_s\n";
  for (std::size_t bin = 0; bin < counts.size(); ++bin) {
    rows << fmt::format("{:.2f},{}\n", static_cast<double>(bin) * static_cast<double>(bin_ms) / 1000,
                        counts[bin] * 1000 / static_cast<std::uint64_t>(bin_ms));
  }
  std::ofstream plot(script);
  plot << "set terminal pngcairo size 1000,420 font 'sans,11'\n"
       << "set output '" << folder << "/" << name << ".png'\n"
       << "set datafile separator ','\nset key off\nset grid ytics\nset yrange [0:*]\n"
       << "set title '" << title << "'\nset xlabel 'seconds'\nset ylabel 'puts per second'\n";
  const std::pair<double, const char*> marks[] = {
      {times.killed, "1: killed"}, {times.returned, "2: back"}, {times.caught_up, "3: caught up"}};
  double height = 0.95;
  for (const auto& [at, what] : marks) {
    plot << fmt::format("set arrow from {0:.2f},graph 0 to {0:.2f},graph 1 nohead dashtype 2\n", at)
         << fmt::format("set label '{}' at {:.2f},graph {:.2f} offset 0.5,0\n", what, at, height);
    height -= 0.07;
  }
  plot << "plot '" << data << "' using 1:2 every ::1 with steps linewidth 1.5 linecolor rgb '#1f5fa8'\n";
  rows.close();
  plot.close();
  if (!rows || !plot) return fail(Code::kIo, "cannot write " + data + " and " + script);
  const auto drawn = output_of({"gnuplot", script}, {}, kDrawLimitMs);
  if (!drawn) return fail(drawn.error().code, drawn.error().detail + " (gnuplot is in the package gnuplot-nox)");
  return {};
}

}  // namespace juxmem::bench

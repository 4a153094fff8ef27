// What the throughput over time of a recovery says, and its picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem::bench {

// When what happened, in seconds since the load began.
struct RecoveryTimes {
  double killed = 0;
  double returned = 0;
  double caught_up = 0;
};

struct RecoveryFigures {
  double before_per_s = 0;          // mean until the kill, without the first second
  double dip_seconds = 0;           // from the kill until half a second in a row reaches half of that
  double dip_percent = 0;           // the lowest interval after the kill, of before_per_s
  double away_percent = 0;          // mean of the absence after the dip
  double catch_up_percent = 0;      // mean from the return until everything is caught up
  double catch_up_low_percent = 0;  // the lowest second of that
  double catch_up_seconds = 0;
  double after_percent = 0;
};

// `counts`: puts done in each `bin_ms` since the load began.
RecoveryFigures figures_of(const std::vector<std::uint64_t>& counts, std::int64_t bin_ms, const RecoveryTimes& times);

// Writes FOLDER/NAME.csv and draws FOLDER/NAME.png of it with gnuplot. Errors: kIo; the detail names the Debian package if gnuplot is missing.
Status draw_recovery(const std::string& folder, const std::string& name, const std::string& title,
                     const std::vector<std::uint64_t>& counts, std::int64_t bin_ms, const RecoveryTimes& times);

}  // namespace juxmem::bench

// The command line that all simulators share: run seeds, replay one, switch a known bug on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace juxmem::sim {

// What one seed's run showed.
struct SeedOutcome {
  std::string violation;   // empty: nothing was wrong
  std::string trace;       // what happened, line by line; kept only when asked for
  bool caught_up = false;  // a member that was left behind got the state from another one
};

// Runs the world of this seed; `keep_trace`: fill in the trace. Must depend on nothing but the seed (and the mutant).
using SeedRun = std::function<SeedOutcome(std::uint64_t seed, bool keep_trace)>;

// Options: --seeds N (1..N) or A..B, --seed N (prints the trace), --mutant NAME, --verify-replay (every seed twice: the traces must be
// equal byte by byte), --quiet. Returns 0 when no seed failed, 1 when one did (it prints the command that replays it), 2 for a
// mistake in the options.
int seeds_main(int argc, char** argv, const std::string& program, const SeedRun& run);

}  // namespace juxmem::sim

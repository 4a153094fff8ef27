#include "tests/sim/grid/grid_sim.h"
#include "tests/sim/seeds.h"

int main(int argc, char** argv) {
  return juxmem::sim::seeds_main(
      argc, argv, "sim", [](std::uint64_t seed, bool keep_trace) { return juxmem::sim::GridSim(seed, keep_trace).run(); });
}

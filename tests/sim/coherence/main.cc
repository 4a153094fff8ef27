#include "tests/sim/coherence/world.h"
#include "tests/sim/seeds.h"

int main(int argc, char** argv) {
  return juxmem::sim::seeds_main(argc, argv, "coherence_sim_test", [](std::uint64_t seed, bool keep_trace) {
    return juxmem::sim::CoherenceWorld(seed, keep_trace).run();
  });
}

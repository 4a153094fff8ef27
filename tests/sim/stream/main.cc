#include "tests/sim/seeds.h"
#include "tests/sim/stream/stream_world.h"

int main(int argc, char** argv) {
  return juxmem::sim::seeds_main(argc, argv, "stream_sim_test", [](std::uint64_t seed, bool keep_trace) {
    juxmem::sim::StreamWorld world(seed, keep_trace);
    world.run();
    return juxmem::sim::SeedOutcome{world.violation(), world.trace()};
  });
}

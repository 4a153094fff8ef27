#include "tests/sim/log/log_world.h"
#include "tests/sim/seeds.h"

int main(int argc, char** argv) {
  return juxmem::sim::seeds_main(argc, argv, "log_sim_test", [](std::uint64_t seed, bool keep_trace) {
    juxmem::sim::LogWorld world(seed, keep_trace);
    world.run();
    return juxmem::sim::SeedOutcome{world.violation(), world.trace()};
  });
}

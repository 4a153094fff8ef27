#include "juxmem/base/mutant.h"

#ifdef JUXMEM_MUTANTS

#include "juxmem/base/check.h"

namespace juxmem {
namespace {

constexpr std::string_view kNames[] = {
    "",
#define MUTANT(name, simulator, seeds, text) #name,
#include "juxmem/base/mutants.def"
#undef MUTANT
};

bool is_listed(std::string_view name) {
  for (std::string_view listed : kNames) {
    if (listed == name) return true;
  }
  return false;
}

std::string_view switched_on;  // one simulated world per process and thread: set before it starts

}  // namespace

bool mutant(std::string_view name) { return !switched_on.empty() && switched_on == name; }

bool switch_mutant_on(std::string_view name) {
  if (!is_listed(name)) return false;
  for (std::string_view listed : kNames) {
    if (listed == name) switched_on = listed;
  }
  return true;
}

}  // namespace juxmem

#endif

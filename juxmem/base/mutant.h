// Mutants: known bugs that the simulators switch on one at a time to prove that they find them.
#pragma once

#include <string_view>

namespace juxmem {

#ifdef JUXMEM_MUTANTS

// Whether the bug of this name is switched on. Names are listed in mutants.def.
bool mutant(std::string_view name);
// Switches one bug on ("" = none). Returns false for a name that is not in the list.
bool switch_mutant_on(std::string_view name);

#else

constexpr bool mutant(std::string_view) { return false; }

#endif

}  // namespace juxmem

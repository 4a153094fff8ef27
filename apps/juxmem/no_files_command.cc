#include <fmt/core.h>

#include "apps/juxmem/commands.h"

// import and export of a build without HDF5.
namespace juxmem {

int import_command(const Arguments&) {
  fmt::print(stderr, "juxmem import: this build has no HDF5 (JUXMEM_WITH_HDF5=OFF)\n");
  return kExitFailed;
}

int export_command(const Arguments&) {
  fmt::print(stderr, "juxmem export: this build has no HDF5 (JUXMEM_WITH_HDF5=OFF)\n");
  return kExitFailed;
}

}  // namespace juxmem

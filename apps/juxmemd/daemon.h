// Daemon: one provider as a process.
#pragma once

#include "apps/juxmemd/options.h"
#include "juxmem/base/result.h"

namespace juxmem {

// Runs a provider until SIGTERM or SIGINT, then lets it end cleanly; a second signal ends at once. Blocks. Success after a
// clean end; kInvalid for options that turn out wrong (an address that is not in the list), kIo for what the system refused,
// other errors when the provider can no longer take part in its grid.
Status run_daemon(const DaemonOptions& options);

}  // namespace juxmem

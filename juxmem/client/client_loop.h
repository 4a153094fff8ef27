// ClientLoop: an environment that the calling threads drive themselves.
#pragma once

#include <memory>

#include "juxmem/base/result.h"
#include "juxmem/env/env.h"
#include "juxmem/env/real_env.h"

namespace juxmem {

// What for: a client's event loop, over the network or inside the process.
// Thread safety: as RealEnv: one thread at a time, but wake() from any.
// Ownership: borrows the handler from attach() on. Failure: none.
class ClientLoop {
 public:
  virtual ~ClientLoop() = default;
  virtual Env& env() = 0;
  virtual void attach(Handler& handler) = 0;
  // Waits until there is something to do, until the clock shows `deadline`, or until wake(); does what there is. Returns true if the
  // handler was called.
  virtual bool run_once(TimeNs deadline) = 0;
  virtual void wake() = 0;
};

// Over the network. Errors: kIo.
// `key`: what it shows to providers that want one; may be empty.
Result<std::unique_ptr<ClientLoop>> make_network_loop(std::shared_ptr<const KeyFile> key = {});

}  // namespace juxmem

#include <utility>

#include "juxmem/client/client_loop.h"

namespace juxmem {
namespace {

class NetworkLoop final : public ClientLoop {
 public:
  explicit NetworkLoop(std::unique_ptr<RealEnv> env) : env_(std::move(env)) {}
  Env& env() override { return *env_; }
  void attach(Handler& handler) override { env_->attach(handler); }
  bool run_once(TimeNs deadline) override { return env_->run_once(deadline); }
  void wake() override { env_->wake(); }

 private:
  std::unique_ptr<RealEnv> env_;
};

}  // namespace

Result<std::unique_ptr<ClientLoop>> make_network_loop(std::shared_ptr<const KeyFile> key) {
  RealEnvOptions options;
  // A section's changes wait here until the agent has taken them; the core bounds them itself.
  options.waiting_bytes_max = 64U << 20;
  options.key = std::move(key);
  Result<std::unique_ptr<RealEnv>> env = RealEnv::create(options);
  if (!env) return std::unexpected(env.error());
  return std::make_unique<NetworkLoop>(std::move(*env));
}

}  // namespace juxmem

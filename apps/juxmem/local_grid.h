// A grid of several providers on this machine: what `juxmem grid start --local` makes and `juxmem grid stop` ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

struct LocalSite {
  std::string name;
  std::uint32_t providers = 0;
};

// "rennes:3,sophia:3". Errors: kInvalid, the detail says which part is wrong.
Result<std::vector<LocalSite>> parse_sites(const std::string& text);

struct LocalProvider {
  std::string name;  // "rennes-1"
  std::string site;
  std::string address;
  pid_t pid = 0;
  std::uint64_t started = 0;  // by the machine's clock: with the pid, it names the process for ever
  std::vector<std::string> command;
};

// What for: the running local grid as its folder describes it (DIR/grid.json).
// Ownership: the processes live on their own; only stop() ends them. Failure: every call names what failed.
struct LocalGrid {
  std::string dir;
  std::vector<LocalProvider> providers;

  // All addresses, separated by commas: the value for $JUXMEM_GRID.
  std::string uri() const;

  // Starts the providers (up to three managers per site, so that the root survives what the groups survive), waits until all
  // have joined and writes DIR/grid.json. What was started is stopped again on failure. Errors: kBusy (a grid runs in DIR already),
  // kNotFound (juxmemd), kIo, kTryAgain (not ready within the limit; the detail names the log).
  // `key_file`: of the grid's key; empty: none. `data`: each provider gets a folder in it; a grid that was started with it before goes on
  // with the same addresses (DATA/providers.json). Further errors: kInvalid (other sites than before).
  static Result<LocalGrid> start(const std::string& dir, const std::vector<LocalSite>& sites, std::uint64_t memory_bytes,
                                 std::int64_t limit_ms, const std::string& key_file = {}, const std::string& data = {});
  // Reads DIR/grid.json. kNotFound if no grid was started there.
  static Result<LocalGrid> load(const std::string& dir);
  // Kills providers (SIGKILL), as a crash would, all at once, and waits until they are gone. Those that have ended already are passed over.
  // Errors: kNotFound (no such name), kIo.
  Status crash(const std::vector<std::string>& names);
  // Starts providers that have ended again, by name, with the same command and address, waits until they serve, and writes DIR/grid.json.
  // Errors: kNotFound (no such name), kBusy (it runs), kIo, kTryAgain (not ready within the limit).
  Status start_again(const std::vector<std::string>& names, std::int64_t limit_ms);
  // Ends the processes that still run (SIGTERM, then SIGKILL at the limit) and removes what they left.
  Status stop(std::int64_t limit_ms);
};

}  // namespace juxmem

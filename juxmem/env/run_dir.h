// RunDir: the folder with the files of one running provider: its lock and its ipc socket.
#pragma once

#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

// Where the run folders of this user's providers are: $JUXMEM_RUN_DIR, else $XDG_RUNTIME_DIR/juxmem,
// else /tmp/juxmem-UID.
std::string run_base();

// What for: a place for a provider's ipc socket that local clients find without configuration, and that the next
// start cleans when the provider was killed.
// Thread safety: none; any number of processes may use the same base at the same time.
// Invariants: the folder's `lock` file is locked (flock) as long as its provider lives, so a folder whose lock can
// be taken is a leftover. The base belongs to this user and nobody else may write there.
// Ownership: removes its folder when it is destroyed.
// Failure: kIo with the path and the system's reason; kTooBig if a socket's path would be longer than the
// system allows.
class RunDir {
 public:
  // Removes leftovers below `base` (which is made if it does not exist) and makes a new folder there.
  static Result<RunDir> create(const std::string& base = run_base());

  RunDir(RunDir&& other) noexcept;
  RunDir& operator=(RunDir&& other) noexcept;
  ~RunDir();

  const std::string& path() const { return path_; }
  // Of the socket for local clients: "ipc://.../agent".
  std::string ipc_address() const;
  // Lets local_agents() find this provider; call it when the provider serves clients.
  Status announce(const std::string& address) const;

 private:
  RunDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  void remove();

  std::string path_;  // empty: moved from
  int lock_fd_ = -1;
};

// Removes the folders of providers that no longer live; returns how many.
Result<int> clean_run_base(const std::string& base = run_base());

// Addresses of the living, announced providers, in the order of their folders' names.
std::vector<std::string> local_agents(const std::string& base = run_base());

// The address of a provider on this machine; kNotFound if there is none.
Result<std::string> find_local_agent(const std::string& base = run_base());

}  // namespace juxmem

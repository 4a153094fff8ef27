// Child processes of programs that run others.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

// What for: one child. Ownership: a child that still runs when the object goes is killed and reaped.
// Thread safety: none. Failure: start names what could not be started.
class Process {
 public:
  // Starts `command` (found by PATH) in this process's environment plus `settings` ("NAME=value"). Output goes to the file `log`, or to
  // ours if it is empty.
  static Result<Process> start(const std::vector<std::string>& command, const std::vector<std::string>& settings,
                               const std::string& log);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  // The exit code once it has ended (128 + signal if one ended it); does not wait.
  std::optional<int> poll();
  // Waits at most `limit_ms`. Nothing if it still runs.
  std::optional<int> wait(std::int64_t limit_ms);
  pid_t pid() const { return pid_; }

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  void end();

  pid_t pid_ = 0;
  std::optional<int> code_;
};

// Runs a command to its end and returns what it printed to stdout. Errors: kIo with its exit code, kTryAgain at the limit.
Result<std::string> output_of(const std::vector<std::string>& command, const std::vector<std::string>& settings,
                              std::int64_t limit_ms);

}  // namespace juxmem

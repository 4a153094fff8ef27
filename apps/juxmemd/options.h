// The options of juxmemd.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/provider/agent_limits.h"

namespace juxmem {

struct DaemonOptions {
  std::string name;  // empty: made from the machine's name and the process number
  std::string site;
  std::string listen;     // as asked for; port 0 = any free one
  std::string advertise;  // empty: the resolved `listen`
  std::vector<std::string> join;
  bool manager = false;
  std::uint64_t memory_bytes = 0;
  std::string data;      // folder for what is kept on disk; empty: none
  std::string key_file;  // empty: no encryption
  std::string run_dir;   // empty: the user's usual place
  std::string log_level;
  std::string ready_file;  // empty: none
  int ready_fd = -1;       // -1: none
  Timing timing;
  AgentLimits limits;
};

// What a command line asks for: a run, or only a text to print.
struct DaemonRequest {
  std::string text;  // not empty: print it and end with success
  DaemonOptions options;
};

// Reads the command line over the environment (JUXMEM_SITE for --site, and so on) over the file named by --config.
// Error: kInvalid with what is wrong with which option.
Result<DaemonRequest> parse_daemon_options(int argc, const char* const* argv);

// "4096", "64KiB", "1.5 GiB", "2GB"; kInvalid if it is none.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace juxmem

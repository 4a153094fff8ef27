// juxmem: looks after a grid and moves data into and out of it.
#include <fmt/core.h>

#include <array>
#include <exception>
#include <string_view>

#include "apps/juxmem/commands.h"

namespace juxmem {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Arguments&);
};

constexpr std::array kCommands = {
    Command{"grid", "start or stop a grid on this machine", grid_command},
    Command{"status", "sites, providers, groups, coordinators, lag, memory", status_command},
    Command{"provider", "empty a provider before it is switched off", provider_command},
    Command{"group", "give a group's copy to another provider", group_command},
    Command{"rebalance", "even out memory within sites", rebalance_command},
    Command{"ls", "names of blocks", ls_command},
    Command{"stat", "facts about one block", stat_command},
    Command{"rm", "remove names and their blocks", rm_command},
    Command{"import", "an HDF5 or netCDF-4 file into the grid", import_command},
    Command{"export", "imported datasets into an HDF5 file", export_command},
    Command{"inspect", "what a provider keeps on disk, and what is damaged", inspect_command},
    Command{"key", "who may come in: make, show, admit and revoke keys", key_command},
    Command{"doctor", "find out what is wrong with this machine or its grid", doctor_command},
};

void print_usage(std::FILE* out) {
  fmt::print(out, "juxmem: looks after a JuxMem grid\n\nUsage: juxmem COMMAND [arguments]\n\nCommands:\n");
  for (const Command& command : kCommands) fmt::print(out, "  {:<9} {}\n", command.name, command.summary);
  fmt::print(out,
             "\nMore about one: juxmem COMMAND --help, or the manual page juxmem(1).\n\n"
             "Examples:\n"
             "  eval $(juxmem grid start --local --sites rennes:3,sophia:3)\n"
             "  juxmem import data.h5 mydata && juxmem ls mydata/\n"
             "  juxmem status\n"
             "  juxmem grid stop\n\n"
             "Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

int run(const Arguments& arguments) {
  if (arguments.empty()) {
    print_usage(stderr);
    return kExitUsage;
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return kExitOk;
  }
  if (name == "--version") {
    fmt::print("juxmem {}\n", juxmem_version());
    return kExitOk;
  }
  for (const Command& command : kCommands) {
    if (command.name == name) return command.run(Arguments(arguments.begin() + 1, arguments.end()));
  }
  fmt::print(stderr, "juxmem: there is no command '{}'; juxmem --help lists them\n", name);
  return kExitUsage;
}

}  // namespace
}  // namespace juxmem

int main(int argc, char** argv) {
  try {
    return juxmem::run(juxmem::Arguments(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    fmt::print(stderr, "juxmem: {}\n", error.what());
    return juxmem::kExitFailed;
  }
}

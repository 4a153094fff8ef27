// What the commands of `juxmem` have in common: their command lines and the way to a grid.
#pragma once

#include <juxmem/juxmem.h>

#include <boost/program_options.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

using Arguments = std::vector<std::string>;

// What for: one command's options, operands and help text. Thread safety: none.
class CommandLine {
 public:
  // `name`: "ls"; `operands`: "[PREFIX]"; `about` and `examples`: text for --help, lines of at most 100 characters.
  CommandLine(std::string name, std::string operands, std::string about, std::string examples);

  // To add options to; --help is there.
  boost::program_options::options_description_easy_init options() { return described_.add_options(); }
  // --grid
  void add_grid_option();

  // Nothing if the command is to be executed; otherwise the exit code: help was printed, or what is wrong.
  std::optional<int> parse(const Arguments& arguments, std::size_t operands_min, std::size_t operands_max);
  // Says what is wrong and returns kExitUsage.
  int wrong(const std::string& what) const;
  // Says what failed and returns kExitFailed.
  int failed(const Error& error) const;

  bool has(const char* option) const { return values_.count(option) != 0; }
  std::string text(const char* option) const;
  const std::vector<std::string>& operands() const { return operands_; }

 private:
  std::string name_;
  std::string operands_usage_;
  std::string about_;
  std::string examples_;
  boost::program_options::options_description described_{"Options"};
  boost::program_options::variables_map values_;
  std::vector<std::string> operands_;
};

// The grid meant: --grid, else $JUXMEM_GRID, else the providers on this machine. kUnreachable with what to do if there is none.
Result<std::string> grid_uri(const CommandLine& line);

struct CloseGrid {
  void operator()(juxmem_grid* grid) const { juxmem_close(grid); }
};
using GridHandle = std::unique_ptr<juxmem_grid, CloseGrid>;

Result<GridHandle> open_grid_of(const CommandLine& line);

}  // namespace juxmem

#include "apps/juxmem/command_line.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "apps/grid_error.h"
#include "juxmem/env/run_dir.h"

namespace juxmem {

namespace po = boost::program_options;

CommandLine::CommandLine(std::string name, std::string operands, std::string about, std::string examples)
    : name_(std::move(name)),
      operands_usage_(std::move(operands)),
      about_(std::move(about)),
      examples_(std::move(examples)) {
  options()("help,h", "this text");
}

void CommandLine::add_grid_option() {
  options()(
      "grid", po::value<std::string>(),
      "addresses of the grid's providers, separated by commas (default: $JUXMEM_GRID, else the daemon on this machine)");
}

std::optional<int> CommandLine::parse(const Arguments& arguments, std::size_t operands_min, std::size_t operands_max) {
  po::options_description all;
  all.add(described_);
  all.add_options()("operand", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("operand", -1);
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values_);
    po::notify(values_);
  } catch (const po::error& error) {
    return wrong(error.what());
  }
  if (has("help")) {
    std::ostringstream described;
    described << described_;
    fmt::print("Usage: juxmem {} {}\n\n{}\n\n{}\nExamples:\n{}", name_, operands_usage_, about_, described.str(), examples_);
    return kExitOk;
  }
  if (has("operand")) operands_ = values_["operand"].as<std::vector<std::string>>();
  if (operands_.size() < operands_min) return wrong("something is missing");
  if (operands_.size() > operands_max) return wrong(fmt::format("'{}' is too much", operands_[operands_max]));
  return std::nullopt;
}

int CommandLine::wrong(const std::string& what) const {
  fmt::print(stderr, "juxmem {}: {}\nUsage: juxmem {} {}\nMore: juxmem {} --help\n", name_, what, name_, operands_usage_,
             name_);
  return kExitUsage;
}

int CommandLine::failed(const Error& error) const {
  fmt::print(stderr, "juxmem {}: {}\n", name_, to_string(error));
  return kExitFailed;
}

std::string CommandLine::text(const char* option) const { return has(option) ? values_[option].as<std::string>() : ""; }

Result<std::string> grid_uri(const CommandLine& line) {
  if (line.has("grid")) return line.text("grid");
  const char* variable = std::getenv("JUXMEM_GRID");
  if (variable != nullptr && *variable != '\0') return std::string(variable);
  const std::vector<std::string> local = local_agents();
  if (local.empty()) {
    return fail(Code::kUnreachable,
                "JUXMEM_GRID is not set and no provider runs on this machine; start a grid with "
                "`juxmem grid start --local --sites here:3`, or name one with --grid");
  }
  return fmt::format("{}", fmt::join(local, ","));
}

Result<GridHandle> open_grid_of(const CommandLine& line) {
  const auto uri = grid_uri(line);
  if (!uri) return std::unexpected(uri.error());
  juxmem_grid* grid = nullptr;
  const int code = juxmem_open(uri->c_str(), nullptr, &grid);
  if (code != JUXMEM_OK) return grid_error(code, "cannot open the grid at " + *uri);
  return GridHandle(grid);
}

}  // namespace juxmem

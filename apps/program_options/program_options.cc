#include "apps/program_options/program_options.h"

#include <cstdio>
#include <sstream>
#include <utility>

namespace juxmem {

namespace po = boost::program_options;

ProgramOptions::ProgramOptions(std::string name, const std::string& usage)
    : name_(std::move(name)), described_(usage + "\n\nOptions") {
  add()("help,h", "this text");
}

std::optional<int> ProgramOptions::parse(int argc, const char* const* argv) {
  try {
    po::store(po::command_line_parser(argc, argv)
                  .options(described_)
                  .positional({})
                  .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values_);
    po::notify(values_);
  } catch (const po::error& error) {
    return wrong(error.what());
  }
  if (values_.count("help") == 0) return std::nullopt;
  std::ostringstream text;
  text << described_;
  std::printf("%s", text.str().c_str());
  return 0;
}

int ProgramOptions::wrong(const std::string& what) const {
  std::fprintf(stderr, "%s: %s; see %s --help\n", name_.c_str(), what.c_str(), name_.c_str());
  return 2;
}

}  // namespace juxmem

// The command lines of programs that take options only.
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>

namespace juxmem {

// What for: a program's options, its --help, and what is wrong with a command line. Thread safety: none.
// Ownership: the variables that options were bound to must outlive parse(). Failure: said on standard error, exit code 2.
class ProgramOptions {
 public:
  // `name`: "heat_run"; `usage`: the part of --help above the options, which begins with "Usage: ".
  ProgramOptions(std::string name, const std::string& usage);

  // To add options to; --help is there.
  boost::program_options::options_description_easy_init add() { return described_.add_options(); }

  // Nothing if the program is to go on; otherwise its exit code: help was printed, or what is wrong.
  std::optional<int> parse(int argc, const char* const* argv);
  // Says what is wrong and returns the exit code.
  int wrong(const std::string& what) const;
  bool given(const char* option) const { return values_.count(option) != 0 && !values_[option].defaulted(); }

 private:
  std::string name_;
  boost::program_options::options_description described_;
  boost::program_options::variables_map values_;
};

}  // namespace juxmem

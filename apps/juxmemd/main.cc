#include <fmt/core.h>

#include <cstdio>
#include <exception>

#include "apps/juxmemd/daemon.h"
#include "apps/juxmemd/options.h"

int main(int argc, char** argv) {
  constexpr int kFailed = 1;
  constexpr int kWrongOptions = 2;
  try {
    auto request = juxmem::parse_daemon_options(argc, argv);
    if (!request) {
      fmt::print(stderr, "juxmemd: {}\nTry 'juxmemd --help'.\n", request.error().detail);
      return kWrongOptions;
    }
    if (!request->text.empty()) {
      std::fputs(request->text.c_str(), stdout);
      return std::fflush(stdout) == 0 ? 0 : kFailed;
    }
    if (auto status = juxmem::run_daemon(request->options); !status) {
      fmt::print(stderr, "juxmemd: {}\n", juxmem::to_string(status.error()));
      return status.error().code == juxmem::Code::kInvalid ? kWrongOptions : kFailed;
    }
    return 0;
  } catch (const std::exception& problem) {
    fmt::print(stderr, "juxmemd: {}\n", problem.what());
    return kFailed;
  }
}

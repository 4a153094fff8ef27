// CHECK: a broken invariant ends the process, in release builds too.
#pragma once

#include <string>

namespace juxmem {

// Prints where and what to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail = {});

}  // namespace juxmem

#define JUXMEM_CHECK(condition)                               \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::juxmem::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

// `detail` is a std::string, made only when the check fails.
#define JUXMEM_CHECK_MSG(condition, detail)                             \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::juxmem::check_failed(__FILE__, __LINE__, #condition, (detail)); \
  } while (false)

// The C API's errors as results.
#pragma once

#include <juxmem/juxmem.h>

#include <string>

#include "juxmem/base/result.h"

namespace juxmem {

// What the calling thread's last call to the library failed with, after `what` the caller wanted to do.
inline std::unexpected<Error> grid_error(int code, const std::string& what) {
  std::string detail = juxmem_last_error();
  // It may end with the code's text, which printing the error adds anyway.
  const std::string text = juxmem_strerror(code);
  if (detail == text) detail.clear();
  if (detail.ends_with(" (" + text + ")")) detail.resize(detail.size() - text.size() - 3);
  return fail(static_cast<Code>(code), detail.empty() ? what : what + ": " + detail);
}

}  // namespace juxmem

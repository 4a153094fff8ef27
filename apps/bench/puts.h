// Puts per second of a grid: what is compared with etcd's.
#pragma once

#include <juxmem/juxmem.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "juxmem/base/result.h"

namespace juxmem::bench {

struct PutLoad {
  int clients = 8;
  std::size_t value_bytes = 128;
  std::int64_t run_ms = 4000;
  juxmem_durability durability = JUXMEM_MEMORY;
};

// `clients` threads, each with a connection and a block of three copies of its own, write a value again and again as one-shot sections.
// Errors: of the first call that failed.
Result<double> puts_per_second(const std::string& uri, const PutLoad& load);

}  // namespace juxmem::bench

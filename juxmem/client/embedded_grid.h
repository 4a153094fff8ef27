// An embedded grid: one provider inside the process, without network.
#pragma once

#include <cstdint>
#include <memory>

#include "juxmem/base/result.h"
#include "juxmem/client/client_loop.h"

namespace juxmem {

inline constexpr const char* kEmbeddedAddress = "embedded:";

// Starts a provider with a thread of its own; the loop's kEmbeddedAddress leads to it. It ends with the loop, and its blocks with
// it. `capacity_bytes` of block data at most.
Result<std::unique_ptr<ClientLoop>> make_embedded_loop(std::uint64_t capacity_bytes);

}  // namespace juxmem

#include "juxmem/base/digest.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the same functions, by the widest instructions that this processor has
#else
#include <xxhash.h>
#endif

namespace juxmem {

std::uint64_t digest_of(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t digest_with(std::uint64_t digest, std::uint64_t number) {
  return XXH3_64bits_withSeed(&number, sizeof number, digest);
}

}  // namespace juxmem

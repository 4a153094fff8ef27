#include "juxmem/base/digest.h"

#include <xxhash.h>

namespace juxmem {

std::uint64_t digest_of(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t digest_with(std::uint64_t digest, std::uint64_t number) {
  return XXH3_64bits_withSeed(&number, sizeof number, digest);
}

}  // namespace juxmem

// XXH3 checksums (library xxHash).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace juxmem {

// 64-bit XXH3 of the bytes, started from `seed` so that digests chain.
std::uint64_t digest_of(std::span<const std::byte> bytes, std::uint64_t seed = 0);

// Mixes a number into a running digest.
std::uint64_t digest_with(std::uint64_t digest, std::uint64_t number);

}  // namespace juxmem

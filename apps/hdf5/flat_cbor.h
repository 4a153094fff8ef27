// Flat CBOR: whether foreign bytes may be given to a decoder that calls itself for what is nested.
#pragma once

#include <cstddef>
#include <span>

namespace juxmem {

// One item of CBOR (RFC 8949) that ends with the bytes, is nested at most `depth_max` times, and has no tags and no lengths left open: so
// few and simple that a recursive decoder cannot exhaust its stack, whoever wrote them.
bool is_flat_cbor(std::span<const std::byte> bytes, std::size_t depth_max);

}  // namespace juxmem

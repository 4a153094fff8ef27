// Whatever arrives at a socket: refused, or a packet that survives being sent on.
#include "juxmem/base/check.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  std::vector<Buffer> parts = fuzz::parts_of(std::as_bytes(std::span(data, size)));
  if (!parts.empty()) parts[0] = fuzz::with_right_prefix(parts[0], "JXPK", wire::kWireVersion, parts.size() - 1);
  const Result<wire::Packet> packet = wire::decode(parts);
  if (!packet) return 0;
  const Result<wire::Packet> again = wire::decode(wire::encode(*packet));
  JUXMEM_CHECK(again);
  JUXMEM_CHECK(*again == *packet);
  return 0;
}

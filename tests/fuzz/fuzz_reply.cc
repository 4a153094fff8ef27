// Replies of the state machines, as they are kept and passed on.
#include "juxmem/base/check.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  const Buffer bytes = Buffer::copy_of(std::as_bytes(std::span(data, size)));
  const Result<wire::Reply> reply = wire::decode_reply(fuzz::with_right_prefix(bytes, "JXRP", wire::kWireVersion, 0));
  if (!reply) return 0;
  const Result<wire::Reply> again = wire::decode_reply(wire::encode_reply(*reply));
  JUXMEM_CHECK(again);
  JUXMEM_CHECK(*again == *reply);
  return 0;
}

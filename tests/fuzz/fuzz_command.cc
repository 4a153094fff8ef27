// The heads of log entries.
#include "juxmem/base/check.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  const Buffer bytes = Buffer::copy_of(std::as_bytes(std::span(data, size)));
  const Result<wire::Command> command = wire::decode_command(fuzz::with_right_prefix(bytes, "JXCM", wire::kWireVersion, 0));
  if (!command) return 0;
  const Result<wire::Command> again = wire::decode_command(wire::encode_command(*command));
  JUXMEM_CHECK(again);
  JUXMEM_CHECK(*again == *command);
  return 0;
}

// What a stream's log and checkpoints say of its epoch, and the stop-sign that ends one: refused, or the same when written again.
#include "consistency/paxos/stop_sign.h"
#include "juxmem/base/check.h"
#include "juxmem/provider/stream_facts.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  const Buffer bytes = Buffer::copy_of(std::as_bytes(std::span(data, size)));
  const StreamId stream{3, 2};
  if (const auto facts = decode_stream_facts(stream, bytes)) {
    const auto again = decode_stream_facts(stream, encode(*facts));
    JUXMEM_CHECK(again && *again == *facts);
  }
  if (const auto sign = decode_stop_sign({3, 1}, bytes)) JUXMEM_CHECK(encode(*sign) == bytes);
  return 0;
}

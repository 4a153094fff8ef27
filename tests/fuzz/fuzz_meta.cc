// What is kept with a dataset's block, which anybody may have written: refused with a name, or the same when written again.
#include "apps/hdf5/dataset_meta.h"
#include "juxmem/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  const auto meta = decode_meta(std::as_bytes(std::span(data, size)));
  if (!meta) return 0;
  const auto bytes = encode_meta(*meta);
  if (!bytes) return 0;  // it was written more tightly
  const auto again = decode_meta(*bytes);
  JUXMEM_CHECK(again && *again == *meta);
  return 0;
}

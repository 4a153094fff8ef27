// Segments of a log as they may stand on a disk: whatever is found in them survives being written again.
#include "juxmem/base/check.h"
#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/headers.h"
#include "juxmem/storage/log/log_scan.h"
#include "juxmem/storage/log/record_codec.h"
#include "tests/fuzz/fuzz_log_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  using namespace juxmem::wal;
  const Buffer bytes = fuzz::with_right_checksums(std::as_bytes(std::span(data, size)));
  (void)decode_header(bytes.bytes());
  LogScan scan(fuzz::kLogIdentity, 1, 1, [](const PlacedRecord& placed) {
    const auto again = decode_record(Buffer::take(encode_record(placed)), 0);
    JUXMEM_CHECK(again && again->placed == placed);
  });
  scan.add({1, bytes, {}});
  LogEnd end;
  const LogReport report = scan.finish(end);
  JUXMEM_CHECK(end.offset % kBlockBytes == 0);
  JUXMEM_CHECK(report.complete() || end.damaged_from != 0);
  return 0;
}

// Pieces of snapshots, from other members and from checkpoints' files.
#include "juxmem/base/check.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace juxmem;
  const Buffer bytes = Buffer::copy_of(std::as_bytes(std::span(data, size)));
  const Result<wire::SnapshotPiece> piece =
      wire::decode_snapshot_piece(fuzz::with_right_prefix(bytes, "JXSP", wire::kSnapshotFormat, 0));
  if (!piece) return 0;
  const Result<wire::SnapshotPiece> again = wire::decode_snapshot_piece(wire::encode_snapshot_piece(*piece));
  JUXMEM_CHECK(again);
  JUXMEM_CHECK(*again == *piece);
  return 0;
}

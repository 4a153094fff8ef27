#include "juxmem/wire/codec.h"
#include "juxmem/wire/codec_head.h"

namespace juxmem::wire {

Buffer encode_snapshot_piece(const SnapshotPiece& piece) {
  // A large piece at once, so that the builder does not copy what it has while it grows.
  const std::size_t room = piece.pages.empty() && piece.staged.empty() ? 4096 : kSnapshotPieceBytesMax;
  codec::Packer packer{.builder = flatbuffers::FlatBufferBuilder(room), .frames = {}, .frames_allowed = false};
  const auto root = codec::pack_table(packer, piece);
  return codec::finish(packer, root, codec::kSnapshotMagic, kSnapshotFormat);
}

Result<SnapshotPiece> decode_snapshot_piece(const Buffer& bytes) {
  if (bytes.size() > kSnapshotPieceBytesMax) return codec::refuse("snapshot", "a piece longer than the limit");
  return codec::decode_single<SnapshotPiece>(bytes, codec::kSnapshotMagic, "snapshot", kSnapshotFormat);
}

}  // namespace juxmem::wire

// The codec: packets and commands as bytes, and back. FORMAT.md describes the bytes.
#pragma once

#include <span>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/wire/message.h"
#include "juxmem/wire/snapshot_piece.h"

namespace juxmem::wire {

// Source: FlatBuffers (schema in wire.fbs), with all Buffers of kFrameThresholdBytes and more as parts of their own.
// Thread safety: pure functions.
// Failure of the decoders: kNotSupported if the other side speaks another version of the format; kProtocol with the reason for
// everything else that is not exactly what an encoder makes: no byte outside the parts is ever read, and what decoding
// costs is bounded by the parts' size.

// The head first, then the large Buffers of the packet, which are shared, not copied.
std::vector<Buffer> encode(const Packet& packet);

// The packet's large Buffers share the parts; small ones are copied, so that they do not keep the head alive.
[[nodiscard]] Result<Packet> decode(std::span<const Buffer> parts);

// The head of a log entry, in one piece.
Buffer encode_command(const Command& command);
[[nodiscard]] Result<Command> decode_command(const Buffer& bytes);

// What applying a command answered, in one piece.
Buffer encode_reply(const Reply& reply);
[[nodiscard]] Result<Reply> decode_reply(const Buffer& bytes);

// A piece of a snapshot, in one piece of at most kSnapshotPieceBytesMax.
Buffer encode_snapshot_piece(const SnapshotPiece& piece);
[[nodiscard]] Result<SnapshotPiece> decode_snapshot_piece(const Buffer& bytes);

}  // namespace juxmem::wire

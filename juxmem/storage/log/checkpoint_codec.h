// The parts of a checkpoint's file as bytes and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/storage/log/log_types.h"

namespace juxmem {

struct CheckpointId {
  StreamId stream;
  Instance instance = 0;
  auto operator<=>(const CheckpointId&) const = default;
};

namespace wal {

inline constexpr std::uint32_t kCheckpointVersion = 1;
inline constexpr std::size_t kCheckpointHeaderBytes = 512;
inline constexpr std::size_t kPieceHeadBytes = 16;
inline constexpr std::size_t kCheckpointEndBytes = kPieceHeadBytes + 16;
inline constexpr std::size_t kCheckpointPieceBytesMax = 16U << 20;
inline constexpr std::uint32_t kEndIndex = UINT32_MAX;
inline constexpr std::string_view kUnfinishedSuffix = ".new";

std::string checkpoint_name(const CheckpointId& id);
std::optional<CheckpointId> checkpoint_of(std::string_view name);
// Of a checkpoint that was never finished.
bool is_unfinished_checkpoint(std::string_view name);

struct CheckpointHeader {
  LogIdentity identity;
  CheckpointId id;
  bool operator==(const CheckpointHeader&) const = default;
};
Buffer encode_checkpoint_header(const CheckpointHeader& header);
// kNotSupported: another version, which is named; kIo: damaged.
Result<CheckpointHeader> decode_checkpoint_header(std::span<const std::byte> bytes);

struct PieceHead {
  std::uint64_t checksum = 0;
  std::uint32_t index = 0;
  std::uint32_t size_bytes = 0;
};
// Head and bytes.
Buffer encode_piece(std::uint32_t index, std::span<const std::byte> bytes);
// `bytes`: kPieceHeadBytes of them.
PieceHead decode_piece_head(std::span<const std::byte> bytes);
bool is_sound(const PieceHead& head, std::span<const std::byte> bytes);

struct CheckpointEnd {
  std::uint64_t pieces = 0;
  std::uint64_t digest = 0;  // chained over the pieces' checksums
  bool operator==(const CheckpointEnd&) const = default;
};
Buffer encode_checkpoint_end(const CheckpointEnd& end);
// `bytes`: what follows the head of the end's piece.
CheckpointEnd decode_checkpoint_end(std::span<const std::byte> bytes);

}  // namespace wal
}  // namespace juxmem

// Sizes that both sides of every message keep to; whatever exceeds them is refused when decoded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace juxmem::wire {

inline constexpr std::uint32_t kWireVersion = 1;
inline constexpr std::uint32_t kSnapshotFormat = 1;        // of the content of snapshots' pieces
inline constexpr std::size_t kFrameThresholdBytes = 1024;  // larger buffers travel as frames of their own
inline constexpr std::size_t kPacketBytesMax = 64U << 20;  // head and frames together
inline constexpr std::size_t kPacketHeadBytesMax = 8U << 20;
inline constexpr std::size_t kPacketMessagesMax = 4096;
inline constexpr std::size_t kPacketFramesMax = 16384;
inline constexpr std::uint64_t kEntryBytesMax = 1U << 20;          // data of one log entry
inline constexpr std::uint64_t kSnapshotPieceBytesMax = 1U << 20;  // a snapshot's piece as it is sent or stored
inline constexpr std::uint64_t kReplyBytesMax = 1U << 20;          // page data of one answer
inline constexpr std::size_t kRangesMax = 65536;                   // of one section's message
inline constexpr std::size_t kNameBytesMax = 1024;
inline constexpr std::size_t kMetaBytesMax = 64U << 10;
inline constexpr std::size_t kTextBytesMax = 4096;  // addresses, details, program names
inline constexpr std::size_t kListMax = 65536;      // rows of catalogs and holdings
inline constexpr std::uint32_t kNamesPerReplyMax = 1024;
inline constexpr std::uint32_t kSlotsPerSessionMax = 4096;
inline constexpr std::uint64_t kBlockBytesMax = 1ULL << 46;
inline constexpr std::uint32_t kTimeoutMsMax = 24U * 3600 * 1000;

}  // namespace juxmem::wire

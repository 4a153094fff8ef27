// How pieces of snapshots are filled: where a reader stands, and how much still fits.
#pragma once

#include <cstdint>
#include <string>

#include "juxmem/wire/limits.h"
#include "juxmem/wire/snapshot_piece.h"

namespace juxmem::wire {

// Where a reader of a snapshot stands: before a row of a part of the state. What the numbers mean is that part's. Stays with whoever
// owns the snapshot: others ask for pieces by their number.
struct SnapshotCursor {
  std::uint64_t number = 0;  // of the next piece
  std::uint32_t part = 0;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  std::uint64_t fourth = 0;
  std::string name;
  Instance since = 0;  // pages that have not changed since then are left out
  bool operator==(const SnapshotCursor&) const = default;
  // Everything before the next part has been read.
  void next_part() { *this = SnapshotCursor{.number = number, .part = part + 1, .name = {}, .since = since}; }
};

// One piece on its way.
struct SnapshotFiller {
  // What rows are counted as leaves room for what surrounds them.
  static constexpr std::uint64_t kRoomBytes = kSnapshotPieceBytesMax - (64U << 10);
  // Pages looked at per piece, so that a large block that was hardly written does not hold the event loop.
  static constexpr std::uint64_t kScannedPagesMax = 256U << 10;

  SnapshotPiece piece;
  std::uint64_t left_bytes = kRoomBytes;
  std::uint64_t left_pages = kScannedPagesMax;

  // Whether so much still fits; then it is counted.
  bool take(std::uint64_t bytes) {
    if (bytes > left_bytes) return false;
    left_bytes -= bytes;
    return true;
  }
};

}  // namespace juxmem::wire

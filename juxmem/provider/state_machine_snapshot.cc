// Snapshots of a group's whole state: reading them out in pieces, and making a machine of the pieces.
#include <string>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/provider/state_machine.h"
#include "juxmem/wire/codec.h"

namespace juxmem {
namespace {

// The sessions' parts come before the derived class's.
constexpr std::uint32_t kLivingPart = 0;
constexpr std::uint32_t kExpiredPart = 1;
constexpr std::uint32_t kSessionParts = 2;

std::unexpected<Error> refuse(const std::string& what) { return fail(Code::kProtocol, "snapshot: " + what); }

}  // namespace

SnapshotNumber StateMachine::open_snapshot() {
  const SnapshotNumber number = ++last_snapshot_;
  snapshots_[number] = Open{.at = applied_, .digest = digest()};
  sessions_.open_snapshot(number);
  open_state(number);
  return number;
}

void StateMachine::close_snapshot(SnapshotNumber number) {
  if (snapshots_.erase(number) == 0) return;
  sessions_.close_snapshot(number);
  close_state(number);
}

void StateMachine::close_what_cannot_stay() {
  while (!snapshots_.empty()) {
    const SnapshotNumber oldest = snapshots_.begin()->first;
    if (holds_state(oldest) && !keeps_too_much(sessions_.kept_bytes())) return;
    close_snapshot(oldest);
  }
}

std::optional<Instance> StateMachine::snapshot_at(SnapshotNumber number) const {
  const auto open = snapshots_.find(number);
  return open == snapshots_.end() ? std::nullopt : std::optional(open->second.at);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

bool StateMachine::read_rows(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  if (cursor.part == kLivingPart) {
    if (!sessions_.read_living(number, cursor, filler)) return false;
    cursor.next_part();
  }
  if (cursor.part == kExpiredPart) {
    if (!sessions_.read_expired(number, cursor, filler)) return false;
    cursor.next_part();
  }
  cursor.part -= kSessionParts;
  const bool done = read_state(number, cursor, filler);
  cursor.part += kSessionParts;
  return done;
}

Result<SnapshotPart> StateMachine::read_snapshot(SnapshotNumber number, const wire::SnapshotCursor& cursor,
                                                 std::uint64_t room_bytes) const {
  const auto open = snapshots_.find(number);
  if (open == snapshots_.end()) return fail(Code::kSnapshotGone, "snapshot " + std::to_string(number));
  wire::SnapshotFiller filler;
  filler.left_bytes = room_bytes;
  filler.piece.number = cursor.number;
  filler.piece.at = open->second.at;
  if (cursor.number == 0) read_head(number, filler.piece);
  SnapshotPart part;
  part.next = cursor;
  part.last = read_rows(number, part.next, filler);
  part.percent = 100;
  if (part.last) {
    filler.piece.last = true;
    filler.piece.digest = open->second.digest;
  } else if (part.next.part < kSessionParts) {
    part.percent = 0;
  } else {
    wire::SnapshotCursor own = part.next;
    own.part -= kSessionParts;
    part.percent = percent_read(number, own);
  }
  JUXMEM_CHECK(part.last || part.next != cursor);
  ++part.next.number;
  part.piece = wire::encode_snapshot_piece(filler.piece);
  JUXMEM_CHECK(part.piece.size() <= wire::kSnapshotPieceBytesMax);
  return part;
}

// ---- restoring -----------------------------------------------------------------------------------------------------------

// Whatever is small comes again as a whole.
void StateMachine::begin_changes() {
  JUXMEM_CHECK(takes_changes() && snapshots_.empty());
  sessions_ = SessionTable();
  applied_ = 0;
  restored_pieces_ = 0;
  begin_state_changes();
}

Status StateMachine::restore(const Buffer& bytes) {
  JUXMEM_CHECK(applied_ == 0 && snapshots_.empty());
  const Result<wire::SnapshotPiece> piece = wire::decode_snapshot_piece(bytes);
  if (!piece) return std::unexpected(piece.error());
  return restore_piece(*piece);
}

Status StateMachine::restore_piece(const wire::SnapshotPiece& piece) {
  if (piece.number != restored_pieces_) {
    return refuse("piece " + std::to_string(piece.number) + " instead of " + std::to_string(restored_pieces_));
  }
  if (piece.number == 0) restored_at_ = piece.at;
  if (piece.at != restored_at_) return refuse("a piece of another one");
  ++restored_pieces_;
  for (const wire::SessionRow& row : piece.sessions) {
    if (Status taken = sessions_.restore(row, piece.at); !taken) return taken;
  }
  if (Status taken = restore_state(piece); !taken) return taken;
  if (!piece.last) return {};
  if (Status sound = check_restored(); !sound) return sound;
  applied_ = piece.at;
  if (digest() == piece.digest) return {};
  applied_ = 0;
  return refuse("the state that the pieces make is not the one they were taken of");
}

}  // namespace juxmem

// CatalogMachine: the root's state machine.
#pragma once

#include <cstdint>

#include "groups/catalog/catalog.h"
#include "juxmem/provider/state_machine.h"

namespace juxmem {

// What for: runs the global stream's entries on the grid's catalog (PROTOCOLS section 5).
// Thread safety: none; the provider's event loop. Invariants: those of StateMachine and Catalog.
// Ownership: owns the catalog. Failure: refusals are replies.
class CatalogMachine final : public StateMachine {
 public:
  // `managers`: how many there are; they are the providers 1 to `managers`. `durability`: of the root itself.
  explicit CatalogMachine(std::uint32_t managers, Durability durability = Durability::kMemory)
      : catalog_(managers, {}, durability) {}

  const Catalog& catalog() const { return catalog_; }

 protected:
  wire::Reply execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                      Applied& applied) override;
  bool is_idempotent(const wire::Action& action) const override;
  bool is_preparation(const wire::Action& action) const override;
  void on_session_expired(SessionId session) override;
  std::uint64_t state_digest() const override;
  void open_state(SnapshotNumber number) override { catalog_.open_snapshot(number); }
  void close_state(SnapshotNumber number) override { catalog_.close_snapshot(number); }
  bool holds_state(SnapshotNumber) const override { return true; }
  void read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const override { catalog_.read_head(number, piece); }
  bool read_state(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const override;
  std::uint32_t percent_read(SnapshotNumber number, const wire::SnapshotCursor& cursor) const override;
  bool keeps_too_much(std::uint64_t session_bytes) const override;
  Status restore_state(const wire::SnapshotPiece& piece) override { return catalog_.restore(piece); }
  Status check_restored() const override { return catalog_.check_restored(); }

 private:
  Catalog catalog_;
};

}  // namespace juxmem

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
  // `managers`: how many there are; they are the providers 1 to `managers`.
  explicit CatalogMachine(std::uint32_t managers) : catalog_(managers) {}

  const Catalog& catalog() const { return catalog_; }

 protected:
  wire::Reply execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                      Applied& applied) override;
  bool is_idempotent(const wire::Action& action) const override;
  bool is_preparation(const wire::Action& action) const override;
  void on_session_expired(SessionId session) override;
  std::uint64_t state_digest() const override;

 private:
  Catalog catalog_;
};

}  // namespace juxmem

// Membership: how a provider gets into its grid and stays in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: asks to be taken in, reports signs of life to the root's coordinator, watches the catalog at the managers.
// Thread safety: none; the provider's event loop.
// Invariants: managers are asked in turn, so that one which is cut off and answers from an old state keeps nobody there.
// Ownership: borrows the outbox.
// Failure: unanswered messages are repeated; nothing is given up.
class Membership {
 public:
  // `managers`: addresses of managers 1..n. `what`: how this provider describes itself.
  Membership(Outbox& outbox, const Timing& timing, std::vector<std::string> managers, wire::JoinProvider what);

  // Number and role that this provider asks for from now on; joining begins.
  void begin(NodeId wanted_node, bool as_manager);
  bool has_begun() const { return has_begun_; }
  bool joined() const { return self_ != 0; }
  NodeId self() const { return self_; }

  // The answer to Join. True if it is one and this provider is now a member.
  bool on_joined(const wire::Joined& joined);
  // Who leads the root, as far as somebody knows (0: not known).
  void on_root_coordinator(TimeNs now, NodeId coordinator);
  // The root's replica lives in this provider: the catalog needs no watching.
  void set_catalog_is_local() { catalog_is_local_ = true; }

  void tick(TimeNs now, std::uint64_t used_bytes, std::uint64_t catalog_version);
  TimeNs next_tick() const;

  // Why this provider was not taken in; empty if nobody refused.
  const std::string& refusal() const { return refusal_; }

 private:
  // The one after `last`, which it becomes. 0: there is none.
  NodeId next_manager(NodeId& last);
  void send_join();

  Outbox& outbox_;
  const Timing& timing_;
  std::vector<std::string> managers_;
  wire::JoinProvider what_;
  bool has_begun_ = false;
  bool catalog_is_local_ = false;
  NodeId self_ = 0;
  NodeId coordinator_ = 0;  // of the root, as believed
  // Each goes round by itself: a common round would bring the rarer questions always to the same managers.
  NodeId last_reported_to_ = 0;
  NodeId last_watched_ = 0;
  std::uint64_t progress_ = 0;
  TimeNs join_at_ = 0;
  TimeNs report_at_ = 0;
  TimeNs watch_at_ = 0;
  std::string refusal_;
};

}  // namespace juxmem

// Membership: how a provider gets into its grid and stays in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: asks to be taken in, reports signs of life to the root's coordinator, watches the catalog at the managers. Until it knows the
//   managers it asks at the addresses it was given, of any providers, and at those that it is told there.
// Thread safety: none; the provider's event loop.
// Invariants: all are asked in turn, so that one which is cut off and answers from an old state keeps nobody there.
// Ownership: borrows the outbox.
// Failure: unanswered messages are repeated; nothing is given up.
class Membership {
 public:
  // `contacts`: addresses of providers of the grid. `what`: how this provider describes itself.
  Membership(Outbox& outbox, const Timing& timing, std::vector<std::string> contacts, wire::JoinProvider what);

  // Number and role that this provider asks for from now on; joining begins.
  void begin(NodeId wanted_node, bool as_manager);
  // What its data folder says; before begin().
  void set_store(std::uint64_t store, std::uint64_t grid, bool whole, std::vector<GroupId> kept);
  bool has_begun() const { return has_begun_; }
  bool joined() const { return self_ != 0; }
  NodeId self() const { return self_; }

  // The answer to Join. True if it is one and this provider is now a member.
  bool on_joined(const wire::Joined& joined);
  // Who leads the root, as far as somebody knows (0: not known).
  void on_root_coordinator(TimeNs now, NodeId coordinator);
  // Whom to ask, from somebody who is not the one.
  void on_manager_list(TimeNs now, const wire::ManagerList& list);
  // Further addresses of providers of the grid, as a former life knew them.
  void add_contacts(const std::vector<std::string>& addresses);
  // The managers that this provider can reach by their numbers, itself possibly among them.
  void use_managers(std::vector<NodeId> managers) { managers_ = std::move(managers); }
  // The root's replica lives in this provider and goes on: the catalog needs no watching.
  void set_catalog_is_local(bool is_local) { catalog_is_local_ = is_local; }

  // Where the disk keeps nothing of what waits, reports show no progress.
  void set_disk_follows(bool follows) { disk_follows_ = follows; }

  void tick(TimeNs now, std::uint64_t used_bytes, std::uint64_t catalog_version);
  TimeNs next_tick() const;

  // Why this provider was not taken in; empty if nobody refused.
  const std::string& refusal() const { return refusal_; }

 private:
  // To the next one after the turn's, which it becomes.
  NodeId next_manager(std::size_t& turn) const;
  const std::string* next_contact(std::size_t& turn) const;
  void send_join();

  Outbox& outbox_;
  const Timing& timing_;
  std::vector<std::string> contacts_;
  std::vector<NodeId> managers_;
  std::string coordinators_address_;  // of the root, as somebody said; asked once
  std::string asked_address_;
  wire::JoinProvider what_;
  bool has_begun_ = false;
  bool catalog_is_local_ = false;
  std::uint64_t grid_ = 0;
  NodeId self_ = 0;
  NodeId coordinator_ = 0;  // of the root, as believed
  // Each goes round by itself: a common round would bring the rarer questions always to the same managers.
  std::size_t reports_ = 0;
  std::uint64_t joins_ = 0;
  std::size_t watches_ = 0;
  std::uint64_t progress_ = 0;
  bool disk_follows_ = true;
  TimeNs join_at_ = 0;
  TimeNs report_at_ = 0;
  TimeNs watch_at_ = 0;
  std::string refusal_;
};

}  // namespace juxmem

// Root duties: what a manager does beside keeping the root's log.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "groups/catalog/catalog.h"
#include "groups/membership/failure_detector.h"
#include "groups/membership/healer.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/provider/replica.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: takes providers in, judges who is up, says which groups shall move away from those who are not, and tells everyone who
//   watches about changes of the catalog.
// Thread safety: none; the provider's event loop.
// Invariants: only the root's coordinator, under its lease, takes in and judges; any manager tells what it has applied.
// Ownership: borrows outbox and replica, which outlive it.
// Failure: a manager that does not lead redirects; one that is behind tells an older catalog, which watchers ignore.
class RootDuties {
 public:
  // `grid`: the grid's own number. `members`: the incarnations of managers 1..n; empty where they are not known (any more).
  RootDuties(Outbox& outbox, const Timing& timing, Replica& root, NodeId self, std::uint64_t grid,
             std::vector<std::uint64_t> members);

  // `peer` is where the answer goes; 0: this provider itself.
  void on_join(PeerId peer, const wire::Join& request);
  void on_report(TimeNs now, NodeId from, std::uint64_t incarnation, const wire::Report& report);
  void on_report_group(NodeId from, const wire::ReportGroup& report);
  void on_drain(PeerId peer, const wire::DrainRequest& request);
  void on_move(PeerId peer, const wire::MoveRequest& request);
  void on_watch(TimeNs now, NodeId from, const wire::WatchCatalog& request);

  void tick(TimeNs now);
  TimeNs next_tick() const { return next_tick_; }

  // The root's replica has applied entries or follows another coordinator. Proposes nothing.
  void on_root_changed(TimeNs now);

  std::uint64_t refused() const { return refused_; }

 private:
  struct Watcher {
    TimeNs until = 0;
    std::uint64_t told = 0;  // version
  };

  const Catalog& catalog() const;
  bool is_welcome(const wire::Join& request) const;
  void answer(PeerId peer, wire::GroupMessage message);
  void answer(PeerId peer, std::uint64_t tag, Code code, std::string detail = {});
  // Puts what people wish into the log and answers when it is there.
  void carry_out(PeerId peer, std::uint64_t tag, wire::Action action);
  // The wish goes to who leads; true if this node does.
  bool leads_or_redirects(PeerId peer, std::uint64_t tag);
  const wire::CatalogProvider* provider_named(const std::string& name) const;
  void tell_watchers(TimeNs now);
  void greet_silent(TimeNs now);

  Outbox& outbox_;
  const Timing& timing_;
  Replica& root_;
  const NodeId self_;
  const std::uint64_t grid_;
  const std::vector<std::uint64_t> members_;
  FailureDetector detector_;
  Healer healer_;
  Ballot led_under_;                                                              // empty while it does not lead
  std::map<std::pair<std::string, std::uint64_t>, std::vector<PeerId>> joining_;  // by name and incarnation
  std::map<NodeId, Watcher> watchers_;
  std::uint64_t told_version_ = 0;
  TimeNs told_at_ = 0;
  TimeNs greet_at_ = 0;
  TimeNs next_tick_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace juxmem

// FailureDetector: which providers are to be called down, or up again.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: the root's coordinator judges providers by their reports: alive is who reports *progress*. A provider whose
//   threads or logs hang is not kept alive by its reports (DESIGN section 4).
// Thread safety: none. Pure: time comes as an argument.
// Invariants: nobody is called down before a full provider_dead_ms of this coordinator's own watching of its present life, which counts its
//   progress anew; nobody is called up without progress seen.
// Ownership: a value; lives while the node coordinates the root.
// Failure: none; reports of strangers and of former lives are ignored.
class FailureDetector {
 public:
  explicit FailureDetector(const Timing& timing);

  // Coordinatorship begins: everybody gets the full time from when tick() or a report first shows them.
  void start();

  // False if the sender is no provider of the catalog, in this life: it should join again.
  bool on_report(TimeNs now, const std::map<NodeId, wire::CatalogProvider>& providers, const wire::Report& report);

  // What to propose, in the order of the numbers. A proposal comes again if the catalog has not followed after a while.
  std::vector<wire::ProviderState> tick(TimeNs now, const std::map<NodeId, wire::CatalogProvider>& providers);

  // Those that have shown no progress for so long.
  std::vector<NodeId> silent(TimeNs now, TimeNs for_ns) const;
  // The last report's figure; 0 if there was none.
  std::uint64_t used_bytes(NodeId node) const;

 private:
  struct Watched {
    std::uint64_t incarnation = 0;
    std::uint64_t progress = 0;
    std::uint64_t used_bytes = 0;
    bool reported = false;     // since start()
    TimeNs progressed_at = 0;  // when progress was last seen, or watching began
    TimeNs proposed_at = 0;    // 0 = nothing outstanding
    bool moving = false;       // progress was seen since start()
  };

  // Begins anew with each life.
  Watched& watch(TimeNs now, const wire::CatalogProvider& provider);

  TimeNs dead_ns_ = 0;
  TimeNs repeat_ns_ = 0;
  std::map<NodeId, Watched> watched_;
};

}  // namespace juxmem

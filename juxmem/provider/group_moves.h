// Group moves: carrying out what the root intends with the groups that live here.
#pragma once

#include <cstdint>
#include <map>

#include "groups/catalog_view.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/outbox.h"
#include "juxmem/provider/replica.h"

namespace juxmem {

// What for: the group's coordinator (the root's, too) reads in the catalog which members its group is to have, ends the epoch when those
//   have caught up, and tells the managers once the next one runs.
// Thread safety: none; the provider's event loop.
// Invariants: an epoch is ended only when all new members follow its log closely, and they and those that stay and hold it are a quorum of
//   the next one: so the group neither waits for those who are new nor loses the quorum it has.
// Ownership: borrows the outbox.
// Failure: all is asked and told again from time to time; what this coordinator leaves undone, the next one finds in the catalog.
class GroupMoves {
 public:
  // What is to become of a replica.
  enum class Verdict : std::uint8_t {
    kStays,
    kGoes,     // the group goes on without it
    kReplaced  // the group went on, and nobody tells this one how its epoch ended: it begins anew as a new member
  };

  GroupMoves(Outbox& outbox, const Timing& timing);

  // To be called from time to time for every replica.
  Verdict look_at(TimeNs now, Replica& replica, const CatalogView& catalog, NodeId self);
  // The replica of this group lives here no more.
  void forget(GroupId group) { behind_since_.erase(group); }

  TimeNs next_tick() const { return next_tick_; }
  // True if it is time to look at all; the next time is then set.
  bool is_due(TimeNs now);

 private:
  void move(Replica& replica, const wire::CatalogGroup& row, const CatalogView& catalog) const;
  void report(const Replica& replica, const CatalogView& catalog);

  Outbox& outbox_;
  const Timing& timing_;
  TimeNs next_tick_ = 0;
  std::map<GroupId, TimeNs> behind_since_;  // replicas that have not seen the end of an epoch the catalog knows ended
};

}  // namespace juxmem

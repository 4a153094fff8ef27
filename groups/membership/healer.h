// Healer: which groups are to get other members because providers are gone or are being emptied.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: the root's coordinator replaces providers that stay away, in groups and as managers, and empties those that people want emptied. It only states the
//   intent; the group itself moves when it can, so that it never loses the quorum it has.
// Thread safety: none. Pure: time comes as an argument.
// Invariants: nobody is replaced before a full heal_after_ms of this coordinator's own watching; at most kMovesMax groups move at
//   a time, at most kMovesPerProviderMax of them to one provider.
// Ownership: a value; lives while the node coordinates the root.
// Failure: an intent whose new member is lost in turn is replaced by another one; one that has lost its reason is given up.
class Healer {
 public:
  static constexpr std::size_t kMovesMax = 8;
  static constexpr std::size_t kMovesPerProviderMax = 2;

  explicit Healer(const Timing& timing);

  // Coordinatorship begins.
  void start();

  // What to propose, in the order of the groups. A proposal comes again if the catalog has not followed after a while.
  std::vector<wire::MoveGroup> tick(TimeNs now, const std::map<NodeId, wire::CatalogProvider>& providers,
                                    const std::map<GroupId, wire::CatalogGroup>& groups, const wire::CatalogGroup& root);

 private:
  using Providers = std::map<NodeId, wire::CatalogProvider>;
  using Groups = std::map<GroupId, wire::CatalogGroup>;

  struct Moves;

  template <typename Replace>
  std::optional<wire::MoveGroup> look_at(TimeNs now, const Providers& providers, const wire::CatalogGroup& group,
                                         const std::set<NodeId>& lost_now, Moves& moves, const Replace& replace);
  void watch(TimeNs now, const Providers& providers);
  std::set<NodeId> lost(TimeNs now, const Providers& providers) const;

  const TimeNs heal_after_ns_;
  const TimeNs repeat_ns_;
  std::map<NodeId, TimeNs> down_since_;
  std::map<GroupId, TimeNs> proposed_at_;
};

}  // namespace juxmem

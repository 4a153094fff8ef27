// Replacement: who takes the place of members that are lost or shall go.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// The members of the group's next epoch, of which none is among `lost` where it can be avoided. A pure function over a catalog's
// rows, which are sorted by number. Rules: a lost member is replaced in its own site by a provider that is up, takes groups in and has
// the room, those with less groups first. If its site has none, and no member of that site is left, the whole part moves to a site
// without members. Else it stays a member: one elsewhere would make a site of its own of it, and the group would need more members for
// its quorums, not less. Nullopt if nothing can be replaced.
std::optional<std::vector<NodeId>> members_without(std::span<const wire::CatalogProvider> providers,
                                                   std::span<const wire::CatalogGroup> groups,
                                                   const wire::CatalogGroup& group, const std::set<NodeId>& lost);

// The same for the root, which keeps no blocks: a lost manager's seat goes to a provider of its site, else to one of the site with the fewest
// managers; those with less groups first. Nullopt if there is nobody.
std::optional<std::vector<NodeId>> managers_without(std::span<const wire::CatalogProvider> providers,
                                                    std::span<const wire::CatalogGroup> groups,
                                                    const wire::CatalogGroup& root, const std::set<NodeId>& lost);

// The members of the group's next epoch if `to` takes the place of `from`, because people want it. `to` must be up, take groups in, have the
// room, and keep the group's shape: be of the same site, or of one without members if the group has one copy per site. Errors: kInvalid
// (not a member, a member already, draining, unknown), kUnreachable (down), kImpossibleShape, kNoSpace, kBusy (the group is changing already).
Result<std::vector<NodeId>> members_moved(std::span<const wire::CatalogProvider> providers, const wire::CatalogGroup& group,
                                          NodeId from, NodeId to);

}  // namespace juxmem

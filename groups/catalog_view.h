// CatalogView: what a node knows of the grid's catalog.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// A site's number: made from its name, the same everywhere and for ever; never 0.
SiteId site_id_of(std::string_view name);

// What for: a cached copy of providers and groups, for everyone who is not a manager. It may be stale; that is harmless,
//   because groups refuse what no longer fits.
// Thread safety: none. Pure.
// Invariants: versions only grow; providers and groups are sorted by number.
// Ownership: a value. Pointers and spans are valid until the next update().
// Failure: unknown numbers answer nullptr or 0.
class CatalogView {
 public:
  CatalogView() = default;

  // Takes a newer snapshot in. False if it is not newer than what is known.
  bool update(wire::CatalogSnapshot snapshot);

  std::uint64_t version() const { return snapshot_.version; }  // 0: nothing known yet
  std::span<const wire::CatalogProvider> providers() const { return snapshot_.providers; }
  std::span<const wire::CatalogGroup> groups() const { return snapshot_.groups; }
  const wire::CatalogSnapshot& snapshot() const { return snapshot_; }

  const wire::CatalogProvider* provider(NodeId node) const;
  const wire::CatalogProvider* provider_named(std::string_view name, std::uint64_t incarnation) const;
  const wire::CatalogGroup* group(GroupId group) const;  // the root, too
  const wire::CatalogGroup& root() const { return snapshot_.root; }
  bool is_manager(NodeId node) const;
  SiteId site_of(NodeId node) const;                  // 0 if unknown
  bool is_up(NodeId node) const;                      // false if unknown
  std::vector<GroupId> groups_of(NodeId node) const;  // data groups

 private:
  wire::CatalogSnapshot snapshot_;
};

}  // namespace juxmem

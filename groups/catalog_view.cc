#include "groups/catalog_view.h"

#include <algorithm>
#include <utility>

#include "groups/node_lists.h"
#include "juxmem/base/digest.h"

namespace juxmem {

SiteId site_id_of(std::string_view name) {
  const std::uint64_t digest = digest_of(std::as_bytes(std::span(name)));
  const auto id = static_cast<SiteId>(digest ^ (digest >> 32));
  return id == 0 ? 1 : id;
}

bool CatalogView::update(wire::CatalogSnapshot snapshot) {
  if (snapshot.version <= snapshot_.version) return false;
  std::ranges::sort(snapshot.providers, {}, &wire::CatalogProvider::node);
  std::ranges::sort(snapshot.groups, {}, &wire::CatalogGroup::group);
  snapshot_ = std::move(snapshot);
  return true;
}

const wire::CatalogProvider* CatalogView::provider(NodeId node) const {
  const auto found = std::ranges::lower_bound(snapshot_.providers, node, {}, &wire::CatalogProvider::node);
  return found != snapshot_.providers.end() && found->node == node ? &*found : nullptr;
}

const wire::CatalogProvider* CatalogView::provider_named(std::string_view name, std::uint64_t incarnation) const {
  const auto found = std::ranges::find_if(snapshot_.providers, [&](const wire::CatalogProvider& provider) {
    return provider.name == name && provider.incarnation == incarnation;
  });
  return found != snapshot_.providers.end() ? &*found : nullptr;
}

bool CatalogView::is_manager(NodeId node) const { return contains(snapshot_.root.members, node); }

const wire::CatalogGroup* CatalogView::group(GroupId group) const {
  if (group == kRootGroup) return snapshot_.version == 0 ? nullptr : &snapshot_.root;
  const auto found = std::ranges::lower_bound(snapshot_.groups, group, {}, &wire::CatalogGroup::group);
  return found != snapshot_.groups.end() && found->group == group ? &*found : nullptr;
}

SiteId CatalogView::site_of(NodeId node) const {
  const wire::CatalogProvider* found = provider(node);
  return found != nullptr ? site_id_of(found->site) : 0;
}

bool CatalogView::is_up(NodeId node) const {
  const wire::CatalogProvider* found = provider(node);
  return found != nullptr && found->up;
}

std::vector<GroupId> CatalogView::groups_of(NodeId node) const {
  std::vector<GroupId> groups;
  for (const wire::CatalogGroup& group : snapshot_.groups) {
    if (contains(group.members, node)) groups.push_back(group.group);
  }
  return groups;
}

}  // namespace juxmem

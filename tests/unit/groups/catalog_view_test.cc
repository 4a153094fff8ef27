#include "groups/catalog_view.h"

#include <gtest/gtest.h>

#include <vector>

#include "groups/topology/topology.h"

namespace juxmem {
namespace {

wire::CatalogProvider row(NodeId node, const char* site, bool up = true) {
  wire::CatalogProvider provider;
  provider.node = node;
  provider.name = "p" + std::to_string(node);
  provider.site = site;
  provider.incarnation = 10 + node;
  provider.up = up;
  return provider;
}

CatalogView two_sites() {
  wire::CatalogSnapshot snapshot;
  snapshot.version = 5;
  snapshot.providers = {row(3, "b"), row(1, "a"), row(2, "a"), row(4, "b"), row(5, "b", false)};
  wire::CatalogGroup group;
  group.group = 2;
  group.members = {3, 1};
  snapshot.groups = {group};
  CatalogView view;
  EXPECT_TRUE(view.update(snapshot));
  return view;
}

TEST(CatalogView, OlderSnapshotIsIgnored) {
  CatalogView view = two_sites();
  wire::CatalogSnapshot older;
  older.version = 5;
  EXPECT_FALSE(view.update(older));
  EXPECT_EQ(view.providers().size(), 5U);
  older.version = 6;
  EXPECT_TRUE(view.update(older));
  EXPECT_EQ(view.provider(1), nullptr);
}

TEST(CatalogView, FindsRowsWhateverTheirOrder) {
  const CatalogView view = two_sites();
  ASSERT_NE(view.provider(3), nullptr);
  EXPECT_EQ(view.provider(3)->site, "b");
  EXPECT_EQ(view.provider(6), nullptr);
  ASSERT_NE(view.provider_named("p2", 12), nullptr);
  EXPECT_EQ(view.provider_named("p2", 13), nullptr);
  ASSERT_NE(view.group(2), nullptr);
  EXPECT_EQ(view.group(1), nullptr);
  EXPECT_EQ(view.groups_of(1), std::vector<GroupId>{2});
  EXPECT_TRUE(view.groups_of(2).empty());
}

TEST(CatalogView, SitesAreKnownByTheirNames) {
  const CatalogView view = two_sites();
  EXPECT_EQ(view.site_of(1), view.site_of(2));
  EXPECT_NE(view.site_of(1), view.site_of(3));
  EXPECT_EQ(view.site_of(1), site_id_of("a"));
  EXPECT_EQ(view.site_of(99), 0U);
  EXPECT_NE(site_id_of(""), 0U);
}

TEST(Topology, NearestComesFirstAndDownOnesLast) {
  const CatalogView view = two_sites();
  const std::vector<NodeId> all{1, 2, 3, 4, 5};
  EXPECT_EQ(nearest_first(view, 3, all), (std::vector<NodeId>{3, 4, 1, 2, 5}));
  EXPECT_EQ(nearest_first(view, 2, all), (std::vector<NodeId>{2, 1, 3, 4, 5}));
  EXPECT_EQ(distance(view, 1, 2), Distance::kSameSite);
  EXPECT_EQ(distance(view, 1, 3), Distance::kOtherSite);
}

TEST(Topology, EquallyNearOnesAreAskedInTurn) {
  const CatalogView view = two_sites();
  const std::vector<NodeId> others{3, 4};
  EXPECT_EQ(nearest_first(view, 1, others).front(), 3U);
  EXPECT_EQ(nearest_first(view, 3, std::vector<NodeId>{1, 2}).front(), 1U);
}

TEST(Topology, UnknownNodesAreFarAndDown) {
  const CatalogView view = two_sites();
  EXPECT_EQ(distance(view, 98, 99), Distance::kOtherSite);
  EXPECT_EQ(nearest_first(view, 1, std::vector<NodeId>{99, 4}), (std::vector<NodeId>{4, 99}));
}

}  // namespace
}  // namespace juxmem

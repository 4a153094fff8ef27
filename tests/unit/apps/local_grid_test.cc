#include "apps/juxmem/local_grid.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

TEST(LocalSites, NamesWithNumbersAreTakenInOrder) {
  const auto sites = parse_sites("rennes:3,sophia:2");
  ASSERT_TRUE(sites);
  ASSERT_EQ(sites->size(), 2U);
  EXPECT_EQ((*sites)[0].name, "rennes");
  EXPECT_EQ((*sites)[0].providers, 3U);
  EXPECT_EQ((*sites)[1].name, "sophia");
  EXPECT_EQ((*sites)[1].providers, 2U);
}

TEST(LocalSites, WithoutNumberIsOneProvider) {
  const auto sites = parse_sites("here");
  ASSERT_TRUE(sites);
  EXPECT_EQ(sites->at(0).providers, 1U);
}

TEST(LocalSites, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"", "no site"},
      {"rennes:0", "rennes:0"},
      {"rennes:x", "rennes:x"},
      {"rennes:3x", "rennes:3x"},
      {"a:1,a:2", "twice"},
      {"a b:1", "a b"},
      {":3", "''"},
      {"a:40,b:40", "80"},
  };
  for (const auto& [text, expected] : kWrong) {
    const auto sites = parse_sites(text);
    ASSERT_FALSE(sites) << text;
    EXPECT_EQ(sites.error().code, Code::kInvalid);
    EXPECT_NE(sites.error().detail.find(expected), std::string::npos) << text << ": " << sites.error().detail;
  }
}

TEST(LocalGrid, UriListsAllAddresses) {
  LocalGrid grid;
  grid.providers = {{"a-1", "a", "tcp://127.0.0.1:1", 0, 0}, {"a-2", "a", "tcp://127.0.0.1:2", 0, 0}};
  EXPECT_EQ(grid.uri(), "tcp://127.0.0.1:1,tcp://127.0.0.1:2");
}

TEST(LocalGrid, FolderWithoutGridIsNotFound) {
  const auto grid = LocalGrid::load(testing::TempDir() + "/no-such-grid");
  ASSERT_FALSE(grid);
  EXPECT_EQ(grid.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace juxmem

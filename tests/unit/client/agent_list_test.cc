#include "juxmem/client/agent_list.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

TEST(AgentList, WithoutAddressesThereIsNone) {
  AgentList list({});
  EXPECT_EQ(list.current(), "");
  list.next();
  EXPECT_EQ(list.current(), "");
}

TEST(AgentList, GoesRound) {
  AgentList list({"a", "b", "a"});
  EXPECT_EQ(list.size(), 2U);
  EXPECT_EQ(list.current(), "a");
  list.next();
  EXPECT_EQ(list.current(), "b");
  list.next();
  EXPECT_EQ(list.current(), "a");
}

TEST(AgentList, LearnedProvidersOfTheSiteComeFirstAndDownOnesLast) {
  AgentList list({"a"});
  list.learn("s", {{1, "t", "far", true}, {2, "s", "dead", false}, {3, "s", "near", true}, {4, "s", "a", true}});
  EXPECT_EQ(list.current(), "a") << "learning does not move";
  list.next();
  EXPECT_EQ(list.current(), "near");
  list.next();
  EXPECT_EQ(list.current(), "far");
  list.next();
  EXPECT_EQ(list.current(), "dead");
  list.learn("t", {{1, "t", "far", true}, {3, "s", "near", true}});
  EXPECT_EQ(list.size(), 3U);
}

}  // namespace
}  // namespace juxmem

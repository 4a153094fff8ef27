#include "consistency/paxos/stream_invariants.h"

#include <gtest/gtest.h>

#include <string>

namespace juxmem {
namespace {

DecidedEntry decided(Instance instance, const std::string& text, wire::EntryKind kind = wire::EntryKind::kCommand) {
  return {instance, {{1, 1}, kind, Buffer::copy_of(text), {}}};
}

class StreamInvariantsTest : public testing::Test {
 protected:
  StreamInvariants invariants_{QuorumSystem({{1, 1}, {2, 1}, {3, 1}})};
};

TEST_F(StreamInvariantsTest, SameEntriesEverywhereAreFine) {
  for (NodeId node : {1, 2, 3}) {
    EXPECT_FALSE(invariants_.on_decided(node, decided(1, "a")));
    EXPECT_FALSE(invariants_.on_decided(node, decided(2, "b")));
  }
}

TEST_F(StreamInvariantsTest, TwoValuesForAnInstanceBreakS1) {
  EXPECT_FALSE(invariants_.on_decided(1, decided(1, "a")));
  const auto broken = invariants_.on_decided(2, decided(1, "b"));
  ASSERT_TRUE(broken);
  EXPECT_TRUE(broken->starts_with("S1")) << *broken;
}

TEST_F(StreamInvariantsTest, RepetitionsAndGapsBreakS3) {
  EXPECT_FALSE(invariants_.on_decided(1, decided(1, "a")));
  EXPECT_TRUE(invariants_.on_decided(1, decided(1, "a")));
  EXPECT_TRUE(invariants_.on_decided(1, decided(3, "c")));
}

TEST_F(StreamInvariantsTest, SnapshotMovesAReplicaForwardOnly) {
  for (Instance i = 1; i <= 5; ++i) EXPECT_FALSE(invariants_.on_decided(1, decided(i, "a")));
  EXPECT_FALSE(invariants_.on_installed(2, 3));
  EXPECT_FALSE(invariants_.on_decided(2, decided(4, "a")));
  EXPECT_TRUE(invariants_.on_installed(2, 3));
}

TEST_F(StreamInvariantsTest, EntriesAfterAStopBreakS4) {
  EXPECT_FALSE(invariants_.on_decided(1, decided(1, "", wire::EntryKind::kStop)));
  const auto broken = invariants_.on_decided(1, decided(2, "late"));
  ASSERT_TRUE(broken);
  EXPECT_TRUE(broken->starts_with("S4")) << *broken;
}

}  // namespace
}  // namespace juxmem

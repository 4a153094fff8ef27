#include "juxmem/provider/snapshot_fetch.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace juxmem {
namespace {

constexpr GroupId kGroup = 4;
constexpr NodeId kNear = 2;
constexpr NodeId kFar = 3;

class SnapshotFetchTest : public testing::Test {
 protected:
  using Asked = std::pair<NodeId, wire::ReadSnapshot>;

  std::vector<Asked> take_asked() { return std::exchange(asked_, {}); }
  // Time for an answer has passed.
  void wait() {
    now_ += ms_to_ns(timing_.resend_ms);
    fetch_.tick(now_);
  }
  std::vector<SnapshotFetch::Piece> reply(NodeId from, std::uint64_t snapshot, std::uint64_t piece, bool last = false,
                                          Instance at = 50) {
    return fetch_.on_reply(now_, from,
                           {.group = kGroup,
                            .snapshot = snapshot,
                            .piece = piece,
                            .at = at,
                            .last = last,
                            .percent = 40,
                            .data = Buffer::copy_of(std::to_string(piece))});
  }
  std::vector<SnapshotFetch::Piece> refuse(NodeId from, Code code, std::uint64_t snapshot = 0) {
    return fetch_.on_reply(now_, from, {.group = kGroup, .code = code, .snapshot = snapshot, .data = {}});
  }

  Timing timing_;
  TimeNs now_ = ms_to_ns(1000);
  std::vector<Asked> asked_;
  SnapshotFetch fetch_{kGroup, {kNear, kFar}, timing_, [this](NodeId to, const wire::ReadSnapshot& request) {
                         asked_.emplace_back(to, request);
                       }};
};

TEST_F(SnapshotFetchTest, NearestIsAskedFirst) {
  fetch_.want(now_, 50);
  const auto asked = take_asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].first, kNear);
  EXPECT_EQ(asked[0].second, (wire::ReadSnapshot{.group = kGroup, .snapshot = 0, .piece = 0, .at_least = 50}));
}

TEST_F(SnapshotFetchTest, OnlyChangesAreAskedForWhereThereIsAState) {
  fetch_.want(now_, 50, 45);
  ASSERT_EQ(take_asked().at(0).second,
            (wire::ReadSnapshot{.group = kGroup, .snapshot = 0, .piece = 0, .at_least = 50, .since = 45}));
  wire::SnapshotReply changes{.group = kGroup, .snapshot = 9, .piece = 0, .at = 60, .since = 45, .data = {}};
  const auto pieces = fetch_.on_reply(now_, kNear, changes);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].since, 45U);
  take_asked();
  refuse(kNear, Code::kSnapshotGone, 9);
  // Pages of the one at 60 may be there: an older one would not make them good.
  const auto again = take_asked();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].second.since, 45U);
  EXPECT_EQ(again[0].second.at_least, 60U);
  // Where they could not be used, everything is asked for.
  changes.snapshot = 10;
  fetch_.on_reply(now_, kNear, changes);
  fetch_.refuse(now_);
  take_asked();
  wait();
  EXPECT_EQ(take_asked().at(0).second.since, 0U);
}

TEST_F(SnapshotFetchTest, ChangesOfAnotherStateAreNotTaken) {
  fetch_.want(now_, 50);
  EXPECT_TRUE(fetch_.on_reply(now_, kNear, {.group = kGroup, .snapshot = 9, .at = 60, .since = 45, .data = {}}).empty());
}

TEST_F(SnapshotFetchTest, FewPiecesAreInFlight) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  take_asked();
  reply(kNear, 9, 1);
  const auto asked = take_asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].second.piece, 5U);
  EXPECT_EQ(fetch_.percent(), 40U);
}

TEST_F(SnapshotFetchTest, PiecesAreHandedOnInOrderAndOnce) {
  fetch_.want(now_, 50);
  EXPECT_EQ(reply(kNear, 9, 0).size(), 1U);
  EXPECT_TRUE(reply(kNear, 9, 2).empty());
  EXPECT_TRUE(reply(kNear, 9, 0).empty());
  const auto ready = reply(kNear, 9, 1);
  ASSERT_EQ(ready.size(), 2U);
  EXPECT_EQ(ready[0].data.text(), "1");
  EXPECT_EQ(ready[1].data.text(), "2");
  EXPECT_TRUE(reply(kNear, 9, 2).empty());
}

TEST_F(SnapshotFetchTest, LostPieceIsAskedForAgainFromWhereItWas) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  reply(kNear, 9, 1);
  reply(kNear, 9, 3);
  take_asked();
  wait();
  for (const auto& [to, request] : take_asked()) {
    EXPECT_EQ(to, kNear);
    EXPECT_EQ(request.snapshot, 9U);
    EXPECT_TRUE(request.piece == 2 || request.piece == 4 || request.piece == 5) << request.piece;
  }
}

TEST_F(SnapshotFetchTest, SilentServerIsLeftForTheNext) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  for (int i = 0; i < 20 && asked_.back().first != kFar; ++i) wait();
  ASSERT_EQ(asked_.back().second.snapshot, 0U);
  const auto ready = reply(kFar, 2, 0, false, 60);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_TRUE(ready[0].is_first);
  EXPECT_EQ(ready[0].at, 60U);
  EXPECT_TRUE(reply(kNear, 9, 1).empty());
}

TEST_F(SnapshotFetchTest, ServerWithoutOneSendsToTheNext) {
  fetch_.want(now_, 50);
  take_asked();
  refuse(kNear, Code::kTryAgain);
  const auto asked = take_asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].first, kFar);
  refuse(kFar, Code::kTryAgain);
  EXPECT_TRUE(take_asked().empty());  // not in a circle without a pause
  wait();
  EXPECT_EQ(take_asked().size(), 1U);
}

TEST_F(SnapshotFetchTest, SnapshotThatIsGoneIsBegunAgain) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  take_asked();
  refuse(kNear, Code::kSnapshotGone, 9);
  const auto asked = take_asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].second.snapshot, 0U);
  const auto ready = reply(kNear, 10, 0);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_TRUE(ready[0].is_first);
}

TEST_F(SnapshotFetchTest, PiecesThatCannotBeUsedAreWantedOfAnother) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  take_asked();
  fetch_.refuse(now_);
  EXPECT_TRUE(take_asked().empty());
  EXPECT_TRUE(fetch_.is_active());
  wait();
  const auto asked = take_asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].first, kFar);
}

TEST_F(SnapshotFetchTest, OneThatDoesNotReachFarEnoughAnyMoreIsLeft) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0, false, 55);
  take_asked();
  fetch_.want(now_, 54);
  EXPECT_TRUE(take_asked().empty());
  fetch_.want(now_, 56);
  ASSERT_EQ(take_asked().size(), 1U);
  EXPECT_TRUE(reply(kNear, 9, 0, false, 55).empty());
  EXPECT_EQ(reply(kNear, 10, 0, false, 56).size(), 1U);
}

TEST_F(SnapshotFetchTest, NothingIsAskedForBeyondTheEndNorAfterStop) {
  fetch_.want(now_, 50);
  reply(kNear, 9, 0);
  const auto ready = reply(kNear, 9, 1, true);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_TRUE(ready[0].is_last);
  fetch_.stop();
  take_asked();
  for (int i = 0; i < 20; ++i) wait();
  EXPECT_TRUE(take_asked().empty());
  EXPECT_FALSE(fetch_.is_active());
}

}  // namespace
}  // namespace juxmem

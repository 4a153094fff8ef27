#include "consistency/paxos/stop_sign.h"

#include <gtest/gtest.h>

#include <string>

namespace juxmem {
namespace {

constexpr StreamId kEnded{5, 3};
const StopSign kSign{4, 17, {{2, 1}, {9, 6}, {1, 1}}};

TEST(StopSign, EncodedOneIsDecodedUnchanged) { EXPECT_EQ(decode_stop_sign(kEnded, encode(kSign)), kSign); }

TEST(StopSign, AnyOtherLengthIsRefused) {
  const Buffer whole = encode(kSign);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_stop_sign(kEnded, Buffer::copy_of(whole.text().substr(0, size)))) << size;
  }
  EXPECT_FALSE(decode_stop_sign(kEnded, Buffer::copy_of(std::string(whole.text()) + "x")));
}

TEST(StopSign, EpochThatDoesNotFollowIsRefused) {
  EXPECT_FALSE(decode_stop_sign(StreamId{5, 2}, encode(kSign)));
  EXPECT_FALSE(decode_stop_sign(StreamId{5, 4}, encode(kSign)));
}

TEST(StopSign, MembersThatNoStreamCanHaveAreRefused) {
  StopSign sign = kSign;
  sign.members.clear();
  EXPECT_FALSE(decode_stop_sign(kEnded, encode(sign)));
  sign.members = {{1, 1}, {2, 1}, {1, 2}};
  EXPECT_FALSE(decode_stop_sign(kEnded, encode(sign)));
  sign.members = {{0, 1}};
  EXPECT_FALSE(decode_stop_sign(kEnded, encode(sign)));
  sign.members.clear();
  for (NodeId node = 1; node <= kMembersMax + 1; ++node) sign.members.push_back({node, 1});
  EXPECT_FALSE(decode_stop_sign(kEnded, encode(sign)));
}

TEST(StopSign, EntriesWithAnUnreadableStopAreNotSound) {
  const wire::Entry good{{1, 1}, wire::EntryKind::kStop, encode(kSign), {}};
  const wire::Entry bad{{1, 1}, wire::EntryKind::kStop, Buffer::copy_of("stop"), {}};
  const wire::Entry command{{1, 1}, wire::EntryKind::kCommand, Buffer::copy_of("stop"), {}};
  EXPECT_TRUE(stops_are_sound(kEnded, {command, good}));
  EXPECT_FALSE(stops_are_sound(kEnded, {command, bad}));
}

}  // namespace
}  // namespace juxmem

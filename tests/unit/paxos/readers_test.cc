#include "consistency/paxos/readers.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

class ReadersTest : public testing::Test {
 protected:
  std::vector<std::uint64_t> answered(Instance handed_out) {
    std::vector<AnsweredRead> reads;
    readers_.take_answered(handed_out, reads);
    std::vector<std::uint64_t> tags;
    for (const AnsweredRead& read : reads) tags.push_back(read.tag);
    return tags;
  }
  using Tags = std::vector<std::uint64_t>;

  StreamConfig config_;
  Readers readers_{config_};
  std::vector<Outgoing> out_;
};

TEST_F(ReadersTest, ReadsOfOneTurnShareAQuestion) {
  readers_.add(1);
  readers_.add(2);
  readers_.ask(0, 9, out_);
  ASSERT_EQ(out_.size(), 1U);
  EXPECT_EQ(out_[0].to, 9U);
  readers_.on_reply({{}, 1, {}, 5});
  EXPECT_EQ(answered(4), Tags{});
  EXPECT_EQ(answered(5), (Tags{1, 2}));
}

TEST_F(ReadersTest, AnswerDoesNotServeReadsThatCameLater) {
  readers_.add(1);
  readers_.ask(0, 9, out_);
  readers_.add(2);
  readers_.ask(0, 9, out_);
  readers_.on_reply({{}, 1, {}, 5});
  EXPECT_EQ(answered(100), Tags{1});
  readers_.on_reply({{}, 2, {}, 6});
  EXPECT_EQ(answered(100), Tags{2});
}

TEST_F(ReadersTest, LaterAnswerServesEarlierReads) {
  readers_.add(1);
  readers_.ask(0, 9, out_);
  readers_.add(2);
  readers_.ask(0, 9, out_);
  readers_.on_reply({{}, 2, {}, 6});
  EXPECT_EQ(answered(6), (Tags{1, 2}));
}

TEST_F(ReadersTest, UnansweredQuestionsAreAskedAgainAsOne) {
  readers_.add(1);
  readers_.ask(0, 9, out_);
  readers_.add(2);
  readers_.ask(0, 9, out_);
  readers_.ask(ms_to_ns(config_.timing.retransmit_ms) - 1, 9, out_);
  EXPECT_EQ(out_.size(), 2U);
  readers_.ask(ms_to_ns(config_.timing.retransmit_ms), 8, out_);
  ASSERT_EQ(out_.size(), 3U);
  EXPECT_EQ(out_[2].to, 8U);
  readers_.on_reply({{}, 3, {}, 1});
  EXPECT_EQ(answered(1), (Tags{1, 2}));
}

TEST_F(ReadersTest, NobodyToAskKeepsReadsWaiting) {
  readers_.add(1);
  readers_.ask(0, 0, out_);
  EXPECT_TRUE(out_.empty());
  EXPECT_TRUE(readers_.has_unplaced());
  readers_.place_all(3);
  EXPECT_EQ(answered(3), Tags{1});
}

TEST_F(ReadersTest, ReadsWithoutAPlaceAreTakenOut) {
  readers_.add(1);
  readers_.ask(0, 9, out_);
  readers_.on_reply({{}, 1, {}, 5});
  readers_.add(2);
  readers_.ask(0, 9, out_);
  readers_.add(3);
  EXPECT_EQ(readers_.take_unplaced(), (Tags{2, 3}));
  EXPECT_FALSE(readers_.has_unplaced());
  EXPECT_EQ(answered(5), Tags{1});
}

}  // namespace
}  // namespace juxmem

#include "consistency/paxos/entry_log.h"

#include <gtest/gtest.h>

#include <string>

namespace juxmem {
namespace {

wire::Entry entry(const std::string& text, Ballot ballot = {1, 1}) {
  return {ballot, wire::EntryKind::kCommand, Buffer::copy_of(text), {}};
}

TEST(EntryLog, EmptyHoldsNothing) {
  const EntryLog log;
  EXPECT_EQ(log.first(), 1U);
  EXPECT_EQ(log.last(), 0U);
  EXPECT_EQ(log.at(0), nullptr);
  EXPECT_EQ(log.at(1), nullptr);
}

TEST(EntryLog, PlacesWithoutEntryAreHoles) {
  EntryLog log;
  log.put(3, entry("c"));
  EXPECT_EQ(log.at(1), nullptr);
  EXPECT_EQ(log.at(2), nullptr);
  ASSERT_NE(log.at(3), nullptr);
  EXPECT_EQ(log.at(3)->command.text(), "c");
  EXPECT_EQ(log.last(), 3U);
}

TEST(EntryLog, BytesFollowPutReplaceAndDrop) {
  EntryLog log;
  log.put(1, entry("four"));
  log.put(2, entry("sixsix"));
  EXPECT_EQ(log.bytes(), 2 * kEntryOverheadBytes + 10);
  log.put(1, entry("1", {2, 2}));
  EXPECT_EQ(log.bytes(), 2 * kEntryOverheadBytes + 7);
  log.drop_before(2);
  EXPECT_EQ(log.bytes(), kEntryOverheadBytes + 6);
  EXPECT_EQ(log.at(1), nullptr);
  log.drop_before(3);
  EXPECT_EQ(log.bytes(), 0U);
  EXPECT_EQ(log.first(), 3U);
  EXPECT_EQ(log.last(), 2U);
}

TEST(EntryLog, GrowsAndWrapsWithoutLosingEntries) {
  EntryLog log;
  for (Instance i = 1; i <= 5000; ++i) {
    log.put(i, entry(std::to_string(i)));
    if (i % 3 == 0) log.drop_before(i / 2);
  }
  for (Instance i = log.first(); i <= log.last(); ++i) {
    ASSERT_NE(log.at(i), nullptr);
    EXPECT_EQ(log.at(i)->command.text(), std::to_string(i));
  }
}

TEST(EntryLog, ForgottenPlacesAreHolesWhenUsedAgain) {
  EntryLog log;
  for (Instance i = 1; i <= 64; ++i) log.put(i, entry("old"));
  log.drop_before(65);
  log.put(100, entry("new"));
  for (Instance i = 65; i < 100; ++i) EXPECT_EQ(log.at(i), nullptr);
}

TEST(EntryLog, DroppingBeyondTheEndMovesTheStart) {
  EntryLog log;
  log.put(1, entry("a"));
  log.drop_before(10);
  EXPECT_EQ(log.first(), 10U);
  log.put(10, entry("b"));
  EXPECT_EQ(log.last(), 10U);
}

TEST(EntryLog, DropAfterForgetsTheEnd) {
  EntryLog log(10);
  for (Instance i = 11; i <= 20; ++i) log.put(i, entry("x"));
  log.drop_after(13);
  EXPECT_EQ(log.last(), 13U);
  EXPECT_EQ(log.bytes(), 3 * (kEntryOverheadBytes + 1));
  EXPECT_EQ(log.at(14), nullptr);
  log.put(15, entry("y"));
  EXPECT_EQ(log.at(14), nullptr);
  log.drop_after(10);
  EXPECT_EQ(log.bytes(), 0U);
  EXPECT_EQ(log.first(), 11U);
  EXPECT_EQ(log.last(), 10U);
}

}  // namespace
}  // namespace juxmem

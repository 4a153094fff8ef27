#include "groups/membership/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "juxmem/base/random.h"

namespace juxmem {
namespace {

const std::vector<std::string> kAddresses{"tcp://a", "tcp://b", "tcp://c"};

Bootstrap manager(std::size_t index, std::uint64_t incarnation) {
  return Bootstrap(kAddresses, kAddresses[index], incarnation);
}

// Everybody tells everybody, until nobody has anything to say.
void let_meet(std::vector<Bootstrap*> managers) {
  for (int round = 0; round < 10; ++round) {
    for (Bootstrap* sender : managers) {
      for (const auto& [address, hello] : sender->hellos()) {
        for (Bootstrap* receiver : managers) {
          if (kAddresses[receiver->self() - 1] != address) continue;
          if (const auto answer = receiver->on_hello(hello)) sender->on_hello(*answer);
        }
      }
    }
  }
}

TEST(Bootstrap, ManagerAloneIsEstablishedAtOnce) {
  const Bootstrap alone({"tcp://a"}, "tcp://a", 5);
  EXPECT_EQ(alone.stage(), Bootstrap::Stage::kEstablished);
  EXPECT_EQ(alone.members(), std::vector<std::uint64_t>{5});
}

TEST(Bootstrap, AllAgreeOnAllIncarnations) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b});
  EXPECT_EQ(a.stage(), Bootstrap::Stage::kMeeting) << "all must take part";
  let_meet({&a, &b, &c});
  for (const Bootstrap* each : {&a, &b, &c}) {
    EXPECT_EQ(each->stage(), Bootstrap::Stage::kEstablished);
    EXPECT_EQ(each->members(), (std::vector<std::uint64_t>{11, 12, 13}));
    EXPECT_TRUE(each->hellos().empty());
  }
}

TEST(Bootstrap, NobodyBeginsAGridWhileOneListens) {
  Bootstrap a(kAddresses, kAddresses[0], 11, false, 0, true);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b, &c});
  for (const Bootstrap* each : {&a, &b, &c}) EXPECT_EQ(each->stage(), Bootstrap::Stage::kMeeting);
  a.listen(false);
  let_meet({&a, &b, &c});
  for (const Bootstrap* each : {&a, &b, &c}) EXPECT_EQ(each->stage(), Bootstrap::Stage::kEstablished);
}

TEST(Bootstrap, ManagerAloneBeginsWhenItHasListened) {
  Bootstrap alone({"tcp://a"}, "tcp://a", 5, false, 0, true);
  EXPECT_EQ(alone.stage(), Bootstrap::Stage::kMeeting);
  alone.listen(false);
  EXPECT_EQ(alone.stage(), Bootstrap::Stage::kEstablished);
}

TEST(Bootstrap, ManagerThatListensLearnsOfTheGridThatIsThere) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b, &c});
  Bootstrap again(kAddresses, kAddresses[0], 21, false, 0, true);
  let_meet({&again, &b, &c});
  EXPECT_EQ(again.stage(), Bootstrap::Stage::kReplaced);
}

TEST(Bootstrap, WhoeverAsksOneThatHasGivenUpGivesUpToo) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b});
  a.give_up();
  let_meet({&a, &b, &c});
  EXPECT_EQ(b.stage(), Bootstrap::Stage::kReplaced);
  EXPECT_EQ(c.stage(), Bootstrap::Stage::kReplaced);
}

TEST(Bootstrap, LifeAfterOneThatHadOnlyBegunGoesOn) {
  std::vector<std::unique_ptr<Bootstrap>> managers;
  for (std::size_t i = 0; i < 3; ++i) {
    managers.push_back(std::make_unique<Bootstrap>(kAddresses, kAddresses[i], 11 + i, true));
  }
  let_meet({managers[0].get(), managers[1].get(), managers[2].get()});
  const std::uint64_t grid = managers[0]->grid();
  Bootstrap again(kAddresses, kAddresses[0], 21, true, grid);
  let_meet({&again, managers[1].get(), managers[2].get()});
  EXPECT_EQ(again.stage(), Bootstrap::Stage::kEstablished);
  EXPECT_TRUE(again.goes_on());
  EXPECT_EQ(again.grid(), grid);
  Bootstrap stranger(kAddresses, kAddresses[0], 31, true);
  let_meet({&stranger, managers[1].get(), managers[2].get()});
  EXPECT_EQ(stranger.stage(), Bootstrap::Stage::kReplaced);
}

TEST(Bootstrap, LivesAfterThoseThatHadOnlyBegunMakeANewGridTogether) {
  Bootstrap a(kAddresses, kAddresses[0], 21, true, 77);
  Bootstrap b(kAddresses, kAddresses[1], 22, true, 77);
  Bootstrap c(kAddresses, kAddresses[2], 23, true);
  let_meet({&a, &b, &c});
  for (const Bootstrap* each : {&a, &b, &c}) {
    EXPECT_EQ(each->stage(), Bootstrap::Stage::kEstablished);
    EXPECT_EQ(each->grid(), a.grid());
    EXPECT_FALSE(each->goes_on());
  }
  EXPECT_NE(a.grid(), 77U);
}

TEST(Bootstrap, RestartBeforeTheFirstAgreementIsTakenIn) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  let_meet({&a, &b});
  Bootstrap b_again = manager(1, 22);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b_again, &c});
  EXPECT_EQ(a.stage(), Bootstrap::Stage::kEstablished);
  EXPECT_EQ(a.members(), (std::vector<std::uint64_t>{11, 22, 13}));
  EXPECT_EQ(b_again.stage(), Bootstrap::Stage::kEstablished);
}

TEST(Bootstrap, RestartAfterTheAgreementIsReplaced) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b, &c});
  Bootstrap b_again = manager(1, 22);
  let_meet({&a, &b_again, &c});
  EXPECT_EQ(b_again.stage(), Bootstrap::Stage::kReplaced);
  EXPECT_EQ(a.members(), (std::vector<std::uint64_t>{11, 12, 13}));
}

TEST(Bootstrap, OneWhoMissedTheEndLearnsItFromAnother) {
  Bootstrap a = manager(0, 11);
  Bootstrap b = manager(1, 12);
  Bootstrap c = manager(2, 13);
  let_meet({&a, &b, &c});
  // The same life of c, had its last messages been lost.
  Bootstrap c_late = manager(2, 13);
  let_meet({&a, &b, &c_late});
  EXPECT_EQ(c_late.stage(), Bootstrap::Stage::kEstablished);
  EXPECT_EQ(c_late.members(), a.members());
}

TEST(Bootstrap, LateMessageOfAFormerLifeIsIgnored) {
  Bootstrap a = manager(0, 11);
  Bootstrap b_old = manager(1, 12);
  Bootstrap b_new = manager(1, 22);
  a.on_hello(b_new.hellos()[0].second);
  a.on_hello(b_old.hellos()[0].second);
  EXPECT_EQ(a.members()[1], 22U);
}

TEST(Bootstrap, OtherListOfManagersIsAProblemForPeople) {
  Bootstrap a = manager(0, 11);
  const Bootstrap other({"tcp://a", "tcp://b"}, "tcp://b", 12);
  EXPECT_TRUE(a.problem().empty());
  EXPECT_FALSE(a.on_hello(other.hellos()[0].second));
  EXPECT_NE(a.problem().find("tcp://b"), std::string::npos);
}

TEST(Bootstrap, SenselessHelloChangesNothing) {
  Bootstrap a = manager(0, 11);
  wire::ManagerHello hello = manager(1, 12).hellos()[0].second;
  hello.members[1] = 99;
  EXPECT_FALSE(a.on_hello(hello));
  hello = manager(0, 12).hellos()[0].second;
  EXPECT_FALSE(a.on_hello(hello));
  EXPECT_EQ(a.members(), (std::vector<std::uint64_t>{11, 0, 0}));
}

class BootstrapProperty : public testing::TestWithParam<std::uint64_t> {};

// Messages are lost, repeated and reordered, managers restart, of the established ones only one: living managers agree, and
// so do all majorities that ever were.
TEST_P(BootstrapProperty, EstablishedSetsNeverDiffer) {
  SCOPED_TRACE("replay: groups_test --gtest_filter='*EstablishedSetsNeverDiffer/" + std::to_string(GetParam()) + "'");
  Random random(GetParam());
  struct Letter {
    std::size_t to;
    wire::ManagerHello hello;
  };
  std::vector<std::unique_ptr<Bootstrap>> managers;
  std::uint64_t incarnation = 10;
  for (std::size_t i = 0; i < 3; ++i) managers.push_back(std::make_unique<Bootstrap>(manager(i, ++incarnation)));
  std::vector<Letter> mail;
  std::map<std::vector<std::uint64_t>, std::set<std::size_t>> ever;  // set -> managers that were established with it
  std::set<std::size_t> forgetful;                                   // managers that lost an established life
  for (int step = 0; step < 600; ++step) {
    const std::uint64_t kind = random.below(100);
    const std::size_t who = random.below(3);
    if (kind < 3 && step < 400) {
      const bool was = managers[who]->stage() == Bootstrap::Stage::kEstablished;
      if (was && !forgetful.contains(who) && !forgetful.empty()) continue;
      if (was) forgetful.insert(who);
      managers[who] = std::make_unique<Bootstrap>(manager(who, ++incarnation));
    } else if (kind < 20) {
      for (const auto& [address, hello] : managers[who]->hellos()) {
        mail.push_back({Bootstrap::number_of(kAddresses, address) - 1, hello});
      }
    } else if (!mail.empty()) {
      const std::size_t which = random.below(mail.size());
      const Letter letter = mail[which];
      if (!random.chance(200'000)) mail.erase(mail.begin() + static_cast<std::ptrdiff_t>(which));
      if (random.chance(100'000)) continue;
      const auto answer = managers[letter.to]->on_hello(letter.hello);
      if (answer) mail.push_back({Bootstrap::number_of(kAddresses, letter.hello.address) - 1, *answer});
    }
    std::set<std::vector<std::uint64_t>> living;
    for (std::size_t i = 0; i < 3; ++i) {
      if (managers[i]->stage() != Bootstrap::Stage::kEstablished) continue;
      living.insert(managers[i]->members());
      ever[managers[i]->members()].insert(i);
    }
    ASSERT_LE(living.size(), 1U);
    ASSERT_LE(std::ranges::count_if(ever, [](const auto& entry) { return entry.second.size() >= 2; }), 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, BootstrapProperty, testing::Range<std::uint64_t>(0, 300));

// The one that has gone on from its folder meets nobody; it tells whoever asks which grid it is.
TEST(Bootstrap, ManagerThatWasAboutToEstablishTheStoredGridTakesPart) {
  Bootstrap a(kAddresses, kAddresses[0], 11, true);
  Bootstrap b(kAddresses, kAddresses[1], 12, true);
  Bootstrap c(kAddresses, kAddresses[2], 13, true);
  let_meet({&a, &b});
  b.on_hello(c.hellos().front().second);
  let_meet({&a, &c});
  for (const auto& [address, hello] : a.hellos()) b.on_hello(hello);
  ASSERT_EQ(b.stage(), Bootstrap::Stage::kMeeting);
  const auto asked = b.hellos().front().second;
  b.on_hello(Bootstrap::answer_of_stored(asked, kAddresses[0], 21, b.grid()));
  EXPECT_EQ(b.stage(), Bootstrap::Stage::kEstablished);
  EXPECT_EQ(b.members(), (std::vector<std::uint64_t>{11, 12, 13}));
}

TEST(Bootstrap, ManagerWithAnEmptyFolderIsReplacedInAStoredGrid) {
  Bootstrap b(kAddresses, kAddresses[1], 12, true);
  const auto asked = b.hellos().front().second;
  b.on_hello(Bootstrap::answer_of_stored(asked, kAddresses[0], 21, 77));
  EXPECT_EQ(b.stage(), Bootstrap::Stage::kReplaced);
}

TEST(Bootstrap, ManagersWithAndWithoutFoldersDoNotMeet) {
  Bootstrap a(kAddresses, kAddresses[0], 11, true);
  Bootstrap b = manager(1, 12);
  EXPECT_FALSE(b.on_hello(a.hellos().front().second).has_value());
  EXPECT_NE(b.problem().find("--data"), std::string::npos);
}

}  // namespace
}  // namespace juxmem

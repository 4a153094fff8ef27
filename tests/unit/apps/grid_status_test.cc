#include <gtest/gtest.h>

#include "apps/juxmem/status_call.h"
#include "apps/juxmem/status_view.h"
#include "apps/juxmem/text_table.h"
#include "groups/catalog_view.h"

namespace juxmem {
namespace {

// Two sites; node 3 is down, node 2 does not answer. Group 1 is led by node 1; its member 2 lags behind.
wire::StatusReply example() {
  wire::StatusReply reply;
  reply.version = "0.1.0";
  reply.answered_by = 1;
  reply.catalog.version = 9;
  reply.catalog.providers = {{1, "rennes-1", "rennes", "tcp://127.0.0.1:1", 11, 1024, 512, true, true},
                             {2, "rennes-2", "rennes", "tcp://127.0.0.1:2", 12, 1024, 512, true, false},
                             {3, "sophia-1", "sophia", "tcp://127.0.0.1:3", 13, 2048, 0, false, false}};
  wire::CatalogGroup group;
  group.group = 1;
  group.shape = Shape{1, 2};
  group.members = {1, 2};
  reply.catalog.groups = {group};
  wire::ProviderStatus answer;
  answer.node = 1;
  answer.used_bytes = 256;
  answer.clients = 4;
  answer.uptime = 90'000'000'000;
  reply.providers = {answer};
  wire::GroupStatus status;
  status.group = 1;
  status.coordinator = 1;
  status.decided = 20;
  status.blocks = 3;
  status.members = {{1, 20, true}, {2, 15, true}, {3, 2, false}};
  reply.groups = {status};
  return reply;
}

TEST(StatusView, JsonHasSitesProvidersAndGroups) {
  const nlohmann::json document = status_json(example());
  ASSERT_EQ(document["sites"].size(), 2U);
  EXPECT_EQ(document["sites"][0]["name"], "rennes");
  EXPECT_EQ(document["sites"][0]["up"], 2);
  EXPECT_EQ(document["sites"][0]["capacity_bytes"], 2048);
  EXPECT_EQ(document["sites"][0]["used_bytes"], 256);
  EXPECT_EQ(document["providers"][0]["answered"], true);
  EXPECT_EQ(document["providers"][0]["uptime_ms"], 90000);
  EXPECT_EQ(document["providers"][1]["answered"], false);
  EXPECT_EQ(document["providers"][2]["up"], false);
  EXPECT_EQ(document["groups"][0]["coordinator"], 1);
  EXPECT_EQ(document["groups"][0]["nodes_per_site"], 2);
}

TEST(StatusView, LagIsThatOfTheSlowestMemberHeardOf) { EXPECT_EQ(status_json(example())["groups"][0]["lag"], 5); }

TEST(StatusView, TextSaysWhoIsDownAndWhoDoesNotAnswer) {
  const std::string text = status_text(example());
  EXPECT_NE(text.find("down"), std::string::npos);
  EXPECT_NE(text.find("no answer"), std::string::npos);
  EXPECT_NE(text.find("up, manager"), std::string::npos);
  EXPECT_NE(text.find("rennes-1 rennes-2 sophia-1(away)"), std::string::npos);
}

TEST(StatusView, MemberThatCatchesUpIsShownWithItsProgress) {
  wire::StatusReply reply = example();
  reply.groups[0].catching_up = {{2, 45}};
  EXPECT_NE(status_text(reply).find("rennes-2(catching up 45%)"), std::string::npos);
  const nlohmann::json members = status_json(reply)["groups"][0]["members"];
  EXPECT_EQ(members[1]["catching_up_percent"], 45);
  EXPECT_TRUE(members[0]["catching_up_percent"].is_null());
}

TEST(StatusView, RelaysAndTheWritersSiteAreShown) {
  wire::StatusReply reply = example();
  reply.groups[0].members[1].relays = true;
  reply.groups[0].writers_site = site_id_of("sophia");
  reply.groups[0].writers_percent = 93;
  EXPECT_NE(status_text(reply).find("rennes-2(relay)"), std::string::npos);
  EXPECT_NE(status_text(reply).find("sophia 93%"), std::string::npos);
  const nlohmann::json group = status_json(reply)["groups"][0];
  EXPECT_EQ(group["members"][1]["relays"], true);
  EXPECT_EQ(group["writers_site"], "sophia");
  EXPECT_EQ(group["writers_percent"], 93);
}

TEST(StatusView, GroupWithoutCoordinatorSaysSo) {
  wire::StatusReply reply = example();
  reply.groups[0].coordinator = 0;
  EXPECT_NE(status_text(reply).find("none"), std::string::npos);
}

TEST(TextTable, NumbersAreAlignedToTheRight) {
  TextTable table({"NAME", "SIZE "});
  table.add({"a", "5"});
  table.add({"longer", "1234"});
  EXPECT_EQ(table.text(),
            "NAME     SIZE\n"
            "a           5\n"
            "longer   1234\n");
}

TEST(TextTable, SizesAndTimesAreForPeople) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(3ULL << 30), "3.0 GiB");
  EXPECT_EQ(duration_text(42), "42 s");
  EXPECT_EQ(duration_text(600), "10 min");
  EXPECT_EQ(duration_text(7200), "2 h");
}

TEST(StatusCall, MalformedAddressIsRefused) {
  const auto reply = ask_status({"nonsense"}, false, 1);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kInvalid);
}

TEST(StatusCall, NobodyThereIsUnreachable) {
  const auto reply = ask_status({"ipc://" + testing::TempDir() + "nobody-listens-here"}, false, 1);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kUnreachable);
}

TEST(StatusCall, AddressesAreSeparatedByCommas) {
  EXPECT_EQ(split_addresses("tcp://a:1,,tcp://b:2"), (std::vector<std::string>{"tcp://a:1", "tcp://b:2"}));
}

}  // namespace
}  // namespace juxmem

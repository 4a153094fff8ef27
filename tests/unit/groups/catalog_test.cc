#include "groups/catalog/catalog.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "juxmem/base/random.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

wire::JoinProvider provider(const std::string& name, const std::string& site, std::uint64_t incarnation = 1) {
  return {.name = name, .site = site, .address = "tcp://" + name, .incarnation = incarnation, .capacity_bytes = 100 * kMiB};
}

// Two sites of three; numbers 1 to 6, of which 1 is the manager.
Catalog two_sites_of_three() {
  Catalog catalog(1);
  Instance instance = 0;
  wire::JoinProvider manager = provider("r1", "rennes");
  manager.manager = true;
  manager.node = 1;
  catalog.join(++instance, manager);
  for (const char* name : {"r2", "r3"}) catalog.join(++instance, provider(name, "rennes"));
  for (const char* name : {"s1", "s2", "s3"}) catalog.join(++instance, provider(name, "sophia"));
  return catalog;
}

wire::CreateGroup group_of(std::uint32_t sites, std::uint32_t nodes, NodeId prefer = 0, std::uint64_t bytes = 0) {
  return {.shape = {sites, nodes}, .durability = Durability::kMemory, .prefer = prefer, .reserve_bytes = bytes};
}

TEST(Catalog, JoinNumbersManagersByTheirWishAndOthersAfterThem) {
  Catalog catalog(3);
  EXPECT_EQ(catalog.join(1, provider("a", "x")).number, 4U);
  wire::JoinProvider manager = provider("m2", "x");
  manager.manager = true;
  manager.node = 2;
  EXPECT_EQ(catalog.join(2, manager).number, 2U);
  EXPECT_TRUE(catalog.providers().at(2).manager);
  EXPECT_FALSE(catalog.providers().at(4).manager);
}

TEST(Catalog, JoinAgainBySameLifeGivesSameNumber) {
  Catalog catalog(1);
  const NodeId node = catalog.join(1, provider("a", "x")).number;
  const std::uint64_t version = catalog.version();
  EXPECT_EQ(catalog.join(2, provider("a", "x")).number, node);
  EXPECT_EQ(catalog.version(), version);
}

TEST(Catalog, JoinByAnotherLifeReplacesTheFormerOne) {
  Catalog catalog = two_sites_of_three();
  const NodeId second = catalog.join(10, provider("s1", "sophia", 2)).number;
  EXPECT_EQ(second, 7U);
  EXPECT_FALSE(catalog.providers().contains(4));
}

TEST(Catalog, LateJoinOfAFormerLifeIsRefused) {
  Catalog catalog(1);
  const NodeId later = catalog.join(1, provider("a", "x", 8)).number;
  EXPECT_EQ(catalog.join(2, provider("a", "x", 7)).code, Code::kStale);
  EXPECT_TRUE(catalog.providers().contains(later));
}

TEST(Catalog, FormerLifeStaysWhileGroupsReferToIt) {
  Catalog catalog = two_sites_of_three();
  ASSERT_EQ(catalog.create_group(9, group_of(1, 1, 4)).code, Code::kOk);
  catalog.join(10, provider("s1", "sophia", 2));
  ASSERT_TRUE(catalog.providers().contains(4));
  EXPECT_FALSE(catalog.providers().at(4).up);
  catalog.check_invariants();
}

TEST(Catalog, RestartedManagerIsAnOrdinaryProvider) {
  Catalog catalog = two_sites_of_three();
  wire::JoinProvider again = provider("r1", "rennes", 2);
  again.manager = true;
  again.node = 1;
  const NodeId node = catalog.join(10, again).number;
  EXPECT_EQ(node, 7U);
  EXPECT_FALSE(catalog.providers().at(node).manager);
  EXPECT_FALSE(catalog.providers().at(1).up);
}

TEST(Catalog, JoinWithoutNameIsRefused) {
  Catalog catalog(1);
  EXPECT_EQ(catalog.join(1, provider("", "x")).code, Code::kInvalid);
  EXPECT_EQ(catalog.join(1, provider("a", "")).code, Code::kInvalid);
  EXPECT_EQ(catalog.join(1, provider("a", "x", 0)).code, Code::kInvalid);
  EXPECT_EQ(catalog.version(), 0U);
}

TEST(Catalog, StateChangesTheVersionOnlyWhenItChanges) {
  Catalog catalog = two_sites_of_three();
  EXPECT_EQ(catalog.set_state(20, {.node = 2, .up = true}).code, Code::kOk);
  EXPECT_EQ(catalog.version(), 6U);
  EXPECT_EQ(catalog.set_state(21, {.node = 2, .up = false}).code, Code::kOk);
  EXPECT_EQ(catalog.version(), 21U);
  EXPECT_EQ(catalog.set_state(22, {.node = 99, .up = false}).code, Code::kInvalid);
}

TEST(Catalog, LeaveForgetsAProviderWithoutGroups) {
  Catalog catalog = two_sites_of_three();
  EXPECT_EQ(catalog.leave(9, {.node = 5}).code, Code::kOk);
  EXPECT_FALSE(catalog.providers().contains(5));
  EXPECT_EQ(catalog.leave(10, {.node = 5}).code, Code::kInvalid);
}

TEST(Catalog, GroupIsLedByThePreferredNode) {
  Catalog catalog = two_sites_of_three();
  const wire::Reply reply = catalog.create_group(9, group_of(2, 2, 5, kMiB));
  ASSERT_EQ(reply.code, Code::kOk);
  const wire::CatalogGroup& group = catalog.groups().at(reply.number);
  EXPECT_EQ(group.members.size(), 4U);
  EXPECT_EQ(group.members.front(), 5U);
  EXPECT_EQ(group.reserved_bytes, kMiB);
  EXPECT_EQ(reply.amount, 99 * kMiB);
  catalog.check_invariants();
}

TEST(Catalog, GroupIsCreatedOncePerLeaderAndShape) {
  Catalog catalog = two_sites_of_three();
  const GroupId first = catalog.create_group(9, group_of(2, 2, 5)).number;
  EXPECT_EQ(catalog.create_group(10, group_of(2, 2, 5)).number, first);
  EXPECT_NE(catalog.create_group(11, group_of(2, 2, 6)).number, first);
  EXPECT_NE(catalog.create_group(12, group_of(2, 1, 5)).number, first);
}

TEST(Catalog, ImpossibleShapeSaysWhatThereIs) {
  Catalog catalog = two_sites_of_three();
  const wire::Reply sites = catalog.create_group(9, group_of(3, 1));
  EXPECT_EQ(sites.code, Code::kImpossibleShape);
  EXPECT_NE(sites.detail.find("2 sites: rennes with 3, sophia with 3"), std::string::npos) << sites.detail;
  EXPECT_EQ(catalog.create_group(9, group_of(1, 4)).code, Code::kImpossibleShape);
  EXPECT_EQ(catalog.create_group(9, group_of(0, 1)).code, Code::kInvalid);
  EXPECT_EQ(catalog.create_group(9, group_of(~0U, ~0U)).code, Code::kImpossibleShape);
}

TEST(Catalog, DownProvidersTakeNoNewGroups) {
  Catalog catalog = two_sites_of_three();
  catalog.set_state(9, {.node = 4, .up = false});
  const wire::Reply reply = catalog.create_group(10, group_of(2, 2, 4));
  ASSERT_EQ(reply.code, Code::kOk);
  for (NodeId member : catalog.groups().at(reply.number).members) EXPECT_NE(member, 4U);
  EXPECT_EQ(catalog.create_group(11, group_of(2, 3)).code, Code::kImpossibleShape);
}

TEST(Catalog, GroupsOnDiskNeedDataFolders) {
  Catalog catalog = two_sites_of_three();
  wire::CreateGroup disk = group_of(1, 1);
  disk.durability = Durability::kDisk;
  EXPECT_EQ(catalog.create_group(9, disk).code, Code::kImpossibleShape);
}

TEST(Catalog, ReservationsStopAtTheFullestProvider) {
  Catalog catalog = two_sites_of_three();
  const GroupId one = catalog.create_group(9, group_of(1, 1, 5, 70 * kMiB)).number;
  const GroupId wide = catalog.create_group(10, group_of(2, 3, 1)).number;
  EXPECT_EQ(catalog.reserve(11, {.group = wide, .bytes = 31 * kMiB}).code, Code::kNoSpace);
  EXPECT_EQ(catalog.reserve(11, {.group = wide, .bytes = ~0ULL}).code, Code::kNoSpace);
  EXPECT_EQ(catalog.reserve(12, {.group = wide, .bytes = 30 * kMiB}).amount, 0U);
  EXPECT_EQ(catalog.unreserve(13, {.group = one, .bytes = ~0ULL}).amount, 70 * kMiB);
  EXPECT_EQ(catalog.reserve(14, {.group = wide, .bytes = 70 * kMiB}).code, Code::kOk);
  EXPECT_EQ(catalog.reserve(15, {.group = 99, .bytes = 1}).code, Code::kInvalid);
  catalog.check_invariants();
}

TEST(Catalog, FullGridIsToldApartFromImpossibleShape) {
  Catalog catalog = two_sites_of_three();
  EXPECT_EQ(catalog.create_group(9, group_of(2, 3, 0, 101 * kMiB)).code, Code::kNoSpace);
  EXPECT_TRUE(catalog.groups().empty());
}

TEST(Catalog, NamesFindTheirBlocks) {
  Catalog catalog = two_sites_of_three();
  const GroupId group = catalog.create_group(9, group_of(1, 1)).number;
  const BlockId block = make_block_id(group, 1);
  EXPECT_EQ(catalog.publish_name({"a/b", block}).code, Code::kOk);
  EXPECT_EQ(catalog.publish_name({"a/b", block}).code, Code::kOk);
  EXPECT_EQ(catalog.publish_name({"a/b", block + 1}).code, Code::kNameTaken);
  EXPECT_EQ(catalog.publish_name({"", block}).code, Code::kInvalid);
  EXPECT_EQ(catalog.publish_name({std::string(wire::kNameBytesMax + 1, 'x'), block}).code, Code::kTooBig);
  EXPECT_EQ(catalog.publish_name({"c", make_block_id(77, 1)}).code, Code::kNotFound);
  EXPECT_EQ(catalog.lookup("a/b"), block);
  EXPECT_EQ(catalog.unpublish_name({"a/b"}).code, Code::kOk);
  EXPECT_EQ(catalog.unpublish_name({"a/b"}).code, Code::kNoSuchName);
  EXPECT_EQ(catalog.lookup("a/b"), std::nullopt);
}

TEST(Catalog, NamesAreListedByPrefixInPieces) {
  Catalog catalog = two_sites_of_three();
  const GroupId group = catalog.create_group(9, group_of(1, 1)).number;
  for (const char* name : {"a", "b/1", "b/2", "b/3", "c"}) catalog.publish_name({name, make_block_id(group, 1)});
  wire::NamesReply first = catalog.read_names({.tag = 5, .name = "b/", .list = true, .after = "", .limit = 2});
  ASSERT_EQ(first.rows.size(), 2U);
  EXPECT_EQ(first.tag, 5U);
  EXPECT_TRUE(first.more);
  wire::NamesReply rest =
      catalog.read_names({.tag = 6, .name = "b/", .list = true, .after = first.rows[1].name, .limit = 2});
  ASSERT_EQ(rest.rows.size(), 1U);
  EXPECT_EQ(rest.rows[0].name, "b/3");
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(catalog.read_names({.tag = 0, .name = "", .list = true, .after = "", .limit = 0}).rows.size(), 5U);
  EXPECT_EQ(catalog.read_names({.tag = 0, .name = "z", .list = false, .after = "", .limit = 0}).code, Code::kNoSuchName);
}

TEST(Catalog, NamesDoNotChangeTheVersion) {
  Catalog catalog = two_sites_of_three();
  const GroupId group = catalog.create_group(9, group_of(1, 1)).number;
  const std::uint64_t digest = catalog.digest();
  catalog.publish_name({"a", make_block_id(group, 1)});
  EXPECT_EQ(catalog.version(), 9U);
  EXPECT_NE(catalog.digest(), digest);
}

// One random command, the same for every catalog that is given the same random numbers.
wire::Reply random_command(Catalog& catalog, Instance instance, Random& random) {
  const auto node = static_cast<NodeId>(1 + random.below(12));
  const auto group = static_cast<GroupId>(1 + random.below(8));
  const std::uint64_t bytes = random.below(40 * kMiB);
  switch (random.below(9)) {
    case 0: {
      const std::string name = "p" + std::to_string(random.below(8));
      return catalog.join(instance, provider(name, "site" + std::to_string(random.below(3)), 1 + random.below(3)));
    }
    case 1:
      return catalog.leave(instance, {.node = node});
    case 2:
      return catalog.set_state(instance, {.node = node, .up = random.below(3) != 0});
    case 3:
      return catalog.create_group(instance, group_of(static_cast<std::uint32_t>(1 + random.below(3)),
                                                     static_cast<std::uint32_t>(1 + random.below(2)), node, bytes));
    case 4:
      return catalog.reserve(instance, {.group = group, .bytes = bytes});
    case 5:
      return catalog.unreserve(instance, {.group = group, .bytes = bytes, .at = instance});
    case 6: {
      const std::uint64_t up_to = random.below(instance);
      return catalog.settle(instance,
                            {.group = group, .at = random.below(instance + 5), .up_to = up_to, .quota_bytes = bytes});
    }
    case 7:
      return catalog.publish_name({"n" + std::to_string(random.below(20)), make_block_id(group, 1 + random.below(4))});
    default:
      return catalog.unpublish_name({"n" + std::to_string(random.below(20))});
  }
}

// ---- reservations that nobody spends ----

// A group of one provider with 30 MiB from the reservation numbered 11 and 10 MiB from 12.
Catalog with_two_reservations() {
  Catalog catalog = two_sites_of_three();
  EXPECT_EQ(catalog.create_group(11, group_of(1, 1, 4, 30 * kMiB)).version, 11U);
  EXPECT_EQ(catalog.reserve(12, {.group = 1, .bytes = 10 * kMiB}).version, 12U);
  return catalog;
}

std::uint64_t reserved_by_the_first_group(const Catalog& catalog) { return catalog.groups().at(1).reserved_bytes; }

TEST(Catalog, SettlementBringsBackWhatWasNeverSpent) {
  Catalog catalog = with_two_reservations();
  EXPECT_EQ(catalog.settle(20, {.group = 1, .at = 5, .up_to = 12, .quota_bytes = 30 * kMiB}).amount, 70 * kMiB);
  EXPECT_EQ(reserved_by_the_first_group(catalog), 30 * kMiB);
  EXPECT_EQ(catalog.version(), 20U);
  catalog.check_invariants();
}

TEST(Catalog, SettlementKeepsReservationsThatAreStillOpen) {
  Catalog catalog = with_two_reservations();
  catalog.settle(20, {.group = 1, .at = 5, .up_to = 11, .quota_bytes = 20 * kMiB});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 30 * kMiB);
  catalog.settle(21, {.group = 1, .at = 6, .up_to = 12, .quota_bytes = 20 * kMiB});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 20 * kMiB);
}

TEST(Catalog, SettlementOfAnEarlierPlaceChangesNothing) {
  Catalog catalog = with_two_reservations();
  catalog.settle(20, {.group = 1, .at = 6, .up_to = 12, .quota_bytes = 40 * kMiB});
  const std::uint64_t digest = catalog.digest();
  EXPECT_EQ(catalog.settle(21, {.group = 1, .at = 6, .up_to = 12, .quota_bytes = 0}).code, Code::kOk);
  EXPECT_EQ(catalog.digest(), digest);
}

TEST(Catalog, UnreserveOfAPlaceSettledSinceIsNotCountedTwice) {
  Catalog catalog = with_two_reservations();
  // The group gave 10 MiB back at 4 and told its quota at 5; the first message arrives last.
  catalog.settle(20, {.group = 1, .at = 5, .up_to = 12, .quota_bytes = 30 * kMiB});
  catalog.unreserve(21, {.group = 1, .bytes = 10 * kMiB, .at = 4});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 30 * kMiB);
  catalog.unreserve(22, {.group = 1, .bytes = 10 * kMiB, .at = 6});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 20 * kMiB);
}

TEST(Catalog, ManyOpenReservationsAreKeptAsFew) {
  Catalog catalog = two_sites_of_three();
  catalog.create_group(11, group_of(1, 1, 4));
  for (Instance number = 12; number < 12 + 100; ++number) catalog.reserve(number, {.group = 1, .bytes = 4096});
  // The oldest are known by the number of one that is younger, so they stay longer, never shorter.
  catalog.settle(200, {.group = 1, .at = 5, .up_to = 12 + 35, .quota_bytes = 0});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 100U * 4096);
  catalog.settle(201, {.group = 1, .at = 6, .up_to = 12 + 36, .quota_bytes = 0});
  EXPECT_EQ(reserved_by_the_first_group(catalog), 63U * 4096);
}

// K5: a group's life with messages to the root in any order, some of them lost.
class ReservationProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ReservationProperty, RootNeverHasLessThanTheGroupMayUse) {
  SCOPED_TRACE("replay: groups_test --gtest_filter='*RootNeverHasLessThanTheGroupMayUse/" + std::to_string(GetParam()) +
               "'");
  Random random(GetParam());
  Catalog catalog = two_sites_of_three();
  Instance root = 20;
  Instance at = 0;
  std::uint64_t quota = 0;
  std::uint64_t open_from = 0;
  std::vector<wire::Reserve> unspent;  // group: the number, bytes
  std::vector<wire::Unreserve> giving_back;
  std::vector<wire::SettleQuota> settling;
  const auto take = [&random](auto& list) {
    const std::size_t which = random.below(list.size());
    const auto one = list[which];
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(which));
    return one;
  };
  catalog.create_group(++root, group_of(1, 1, 4));
  for (int step = 0; step < 3000; ++step) {
    ++root;
    ++at;
    const std::uint64_t bytes = (1 + random.below(8)) * 4096;
    switch (random.below(7)) {
      case 0:
      case 1:
        if (catalog.reserve(root, {.group = 1, .bytes = bytes}).code == Code::kOk) {
          unspent.push_back({.group = static_cast<GroupId>(root), .bytes = bytes});
        }
        break;
      case 2:
        if (unspent.empty()) break;
        if (const wire::Reserve spent = take(unspent); spent.group >= open_from && random.below(4) != 0)
          quota += spent.bytes;
        break;
      case 3:
        giving_back.push_back({.group = 1, .bytes = std::min(bytes, quota), .at = at});
        quota -= std::min(bytes, quota);
        break;
      case 4:
        if (giving_back.empty()) break;
        if (const wire::Unreserve told = take(giving_back); random.below(4) != 0) catalog.unreserve(root, told);
        break;
      case 5: {
        const std::uint64_t up_to = 20 + random.below(root - 20);
        open_from = std::max(open_from, up_to + 1);
        settling.push_back({.group = 1, .at = at, .up_to = up_to, .quota_bytes = quota});
        break;
      }
      default:
        if (!settling.empty()) catalog.settle(root, take(settling));
    }
    std::uint64_t needed = quota;
    for (const wire::Reserve& one : unspent) needed += one.group >= open_from ? one.bytes : 0;
    ASSERT_GE(reserved_by_the_first_group(catalog), needed) << "at step " << step;
    catalog.check_invariants();
  }
  ++root;
  catalog.settle(root, {.group = 1, .at = ++at, .up_to = root, .quota_bytes = quota});
  EXPECT_EQ(reserved_by_the_first_group(catalog), quota);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReservationProperty, testing::Range<std::uint64_t>(0, 20));

class CatalogProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CatalogProperty, EqualCommandsMakeEqualCatalogs) {
  SCOPED_TRACE("replay: groups_test --gtest_filter='*EqualCommandsMakeEqualCatalogs/" + std::to_string(GetParam()) + "'");
  Random choices_one(GetParam());
  Random choices_two(GetParam());
  Catalog one(3);
  Catalog two(3);
  for (Instance instance = 1; instance <= 1500; ++instance) {
    const std::uint64_t before = one.digest();
    const wire::Reply reply = random_command(one, instance, choices_one);
    ASSERT_EQ(reply, random_command(two, instance, choices_two));
    ASSERT_EQ(one.digest(), two.digest());
    if (reply.code != Code::kOk) {
      ASSERT_EQ(one.digest(), before) << "a refused command changed the catalog";
    }
    one.check_invariants();
  }
  EXPECT_EQ(one.snapshot(), two.snapshot());
}

INSTANTIATE_TEST_SUITE_P(Seeds, CatalogProperty, testing::Range<std::uint64_t>(0, 20));

}  // namespace
}  // namespace juxmem

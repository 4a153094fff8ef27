// juxmem group move, juxmem rebalance: copies of groups go to other providers.
#include <fmt/core.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "apps/juxmem/admin_call.h"
#include "apps/juxmem/commands.h"
#include "apps/juxmem/status_call.h"
#include "apps/juxmem/text_table.h"
#include "groups/placement/rebalance.h"

namespace juxmem {
namespace {

namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kAnswerLimitMs = 10'000;
constexpr std::chrono::milliseconds kBetweenLooks{300};

// "root", or a number as juxmem status shows it.
std::optional<GroupId> group_named(const std::string& text) {
  if (text == "root") return kRootGroup;
  GroupId group = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number && group > 0 && group <= kGroupIdMax ? std::optional(group) : std::nullopt;
}

std::string name_of_group(GroupId group) { return group == kRootGroup ? "root" : fmt::format("group {}", group); }

const wire::CatalogGroup* find_group(const wire::CatalogSnapshot& catalog, GroupId group) {
  if (group == kRootGroup) return &catalog.root;
  const auto found = std::ranges::find(catalog.groups, group, &wire::CatalogGroup::group);
  return found == catalog.groups.end() ? nullptr : &*found;
}

bool has(const std::vector<NodeId>& nodes, NodeId node) { return std::ranges::find(nodes, node) != nodes.end(); }

// How a move stands, by what the catalog says.
enum class Standing { kUnderWay, kDone, kGivenUp };

Standing standing_of(const wire::StatusReply& status, GroupId group, NodeId from, NodeId to) {
  const wire::CatalogGroup* row = find_group(status.catalog, group);
  if (row == nullptr) return Standing::kGivenUp;
  if (has(row->members, to) && !has(row->members, from)) return Standing::kDone;
  return has(row->next, to) ? Standing::kUnderWay : Standing::kGivenUp;
}

std::optional<std::uint32_t> percent_of(const wire::StatusReply& status, GroupId group, NodeId node) {
  const auto row = std::ranges::find(status.groups, group, &wire::GroupStatus::group);
  if (row == status.groups.end()) return std::nullopt;
  const auto found = std::ranges::find(row->catching_up, node, &wire::CatchUpStatus::node);
  return found == row->catching_up.end() ? std::nullopt : std::optional(found->percent);
}

struct Wish {
  GroupId group = 0;
  std::string from;
  std::string to;
};

// Asks for it and watches until it is done; `limit_s` 0: does not wait.
Status carry_out(const std::vector<std::string>& addresses, const wire::CatalogSnapshot& catalog, const Wish& wish,
                 long limit_s) {
  if (const Status asked = ask_move(catalog, wish.group, wish.from, wish.to, kAnswerLimitMs); !asked) return asked;
  if (limit_s == 0) return {};
  const wire::CatalogProvider* from = provider_named(catalog, wish.from);
  const wire::CatalogProvider* to = provider_named(catalog, wish.to);
  if (from == nullptr || to == nullptr) return fail(Code::kNotFound, "a provider has left the grid");
  const auto deadline = Clock::now() + std::chrono::seconds(limit_s);
  std::optional<std::uint32_t> shown;
  bool was_seen = false;
  for (int looks = 0;; ++looks) {
    const auto status = ask_status(addresses, true, kAnswerLimitMs);
    if (!status) return std::unexpected(status.error());
    const Standing standing = standing_of(*status, wish.group, from->node, to->node);
    if (standing == Standing::kDone) return {};
    was_seen |= standing == Standing::kUnderWay;
    // The provider that answers may know less than the one that took the wish.
    if (standing == Standing::kGivenUp && (was_seen || looks > 20)) {
      return fail(Code::kTryAgain, fmt::format("{} stays on {}: the move was given up, see juxmem status",
                                               name_of_group(wish.group), wish.from));
    }
    const auto percent = percent_of(*status, wish.group, to->node);
    if (percent && percent != shown) fmt::print("{}: {} has {}% of it\n", name_of_group(wish.group), wish.to, *percent);
    std::fflush(stdout);
    shown = percent ? percent : shown;
    if (Clock::now() >= deadline) {
      return fail(Code::kTimedOut, fmt::format("{} is still on its way from {} to {}; it goes on", name_of_group(wish.group),
                                               wish.from, wish.to));
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::optional<long> seconds_of(const CommandLine& line) {
  const std::string text = line.text("wait-s");
  long seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number && seconds >= 0 && seconds <= 1'000'000 ? std::optional(seconds) : std::nullopt;
}

void add_wait_option(CommandLine& line, const char* what) {
  line.options()("wait-s", po::value<std::string>()->default_value("600"), what);
}

std::string name_of(const wire::CatalogSnapshot& catalog, NodeId node) {
  const auto found = std::ranges::find(catalog.providers, node, &wire::CatalogProvider::node);
  return found == catalog.providers.end() ? fmt::format("node {}", node) : found->name;
}

void show(const wire::CatalogSnapshot& catalog, const std::vector<PlannedMove>& moves) {
  std::uint64_t bytes = 0;
  for (const PlannedMove& move : moves) {
    fmt::print("group {}: {} -> {}, {}\n", move.group, name_of(catalog, move.from), name_of(catalog, move.to),
               size_text(move.bytes));
    bytes += move.bytes;
  }
  fmt::print("{} {}, {} at most\n", moves.size(), moves.size() == 1 ? "move" : "moves", size_text(bytes));
  std::fflush(stdout);
}

}  // namespace

int group_command(const Arguments& arguments) {
  CommandLine line(
      "group", "move GROUP FROM TO [options]",
      "Gives the copy that provider FROM keeps of a group to provider TO. GROUP is a number or 'root', as juxmem status\n"
      "shows it. TO gets the state while the group goes on serving; FROM lets go of it then.",
      "  juxmem group move 3 rennes-1 rennes-4\n");
  line.add_grid_option();
  add_wait_option(line, "wait so many seconds at most; 0: do not wait");
  if (const auto ended = line.parse(arguments, 4, 4)) return *ended;
  const auto& words = line.operands();
  if (words[0] != "move") return line.wrong("it knows 'move' only");
  const auto group = group_named(words[1]);
  if (!group)
    return line.wrong(fmt::format("'{}' is no group: give its number or 'root', as juxmem status shows it", words[1]));
  const auto wait_s = seconds_of(line);
  if (!wait_s) return line.wrong("--wait-s takes a number of seconds");
  const auto uri = grid_uri(line);
  if (!uri) return line.failed(uri.error());
  const std::vector<std::string> addresses = split_addresses(*uri);
  const auto status = ask_status(addresses, true, kAnswerLimitMs);
  if (!status) return line.failed(status.error());
  if (const Status done = carry_out(addresses, status->catalog, {*group, words[2], words[3]}, *wait_s); !done)
    return line.failed(done.error());
  if (*wait_s > 0) fmt::print("{}: {} keeps the copy that {} had\n", name_of_group(*group), words[3], words[2]);
  return kExitOk;
}

int rebalance_command(const Arguments& arguments) {
  CommandLine line(
      "rebalance", "[--dry-run] [options]",
      "Evens out the memory that groups have reserved on the providers of each site, one copy after the other, while all\n"
      "groups go on serving. Says what it will do before it begins. May be interrupted: what has moved stays.",
      "  juxmem rebalance --dry-run\n"
      "  juxmem rebalance\n");
  line.add_grid_option();
  line.options()("dry-run", "only say what it would do");
  add_wait_option(line, "wait so many seconds for each move at most");
  if (const auto ended = line.parse(arguments, 0, 0)) return *ended;
  const auto wait_s = seconds_of(line);
  if (!wait_s || *wait_s == 0) return line.wrong("--wait-s takes a number of seconds");
  const auto uri = grid_uri(line);
  if (!uri) return line.failed(uri.error());
  const std::vector<std::string> addresses = split_addresses(*uri);
  const auto status = ask_status(addresses, true, kAnswerLimitMs);
  if (!status) return line.failed(status.error());
  const wire::CatalogSnapshot& catalog = status->catalog;
  const std::vector<PlannedMove> moves = plan_rebalance(catalog.providers, catalog.groups);
  if (moves.empty()) {
    fmt::print("nothing to do: memory is evenly used within every site\n");
    return kExitOk;
  }
  show(catalog, moves);
  if (line.has("dry-run")) return kExitOk;
  std::size_t done = 0;
  for (const PlannedMove& move : moves) {
    const Wish wish{move.group, name_of(catalog, move.from), name_of(catalog, move.to)};
    if (const Status moved = carry_out(addresses, catalog, wish, *wait_s); !moved) return line.failed(moved.error());
    fmt::print("{} of {} done: group {} is on {}\n", ++done, moves.size(), move.group, wish.to);
    std::fflush(stdout);
  }
  return kExitOk;
}

}  // namespace juxmem

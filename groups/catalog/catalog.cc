#include "groups/catalog/catalog.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "groups/catalog/refusal.h"
#include "groups/node_lists.h"
#include "groups/placement/placement.h"
#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

template <typename Map>
auto rows_of(const Map& map) {
  std::vector<typename Map::mapped_type> rows;
  rows.reserve(map.size());
  for (const auto& [number, row] : map) rows.push_back(row);
  return rows;
}

std::uint64_t digest_of_text(std::string_view text, std::uint64_t seed) {
  return digest_of(std::as_bytes(std::span(text)), seed);
}

std::uint64_t digest_of_name(const std::string& name, BlockId block) { return digest_of_text(name, block); }

template <std::size_t N>
std::uint64_t digest_of_numbers(const std::uint64_t (&numbers)[N], std::uint64_t seed) {
  return digest_of(std::as_bytes(std::span(numbers)), seed);
}

std::uint64_t digest_of_group(const wire::CatalogGroup& group, std::uint64_t seed) {
  std::uint64_t digest = digest_of_numbers(
      {group.group, group.epoch, group.shape.sites, group.shape.nodes_per_site, static_cast<std::uint64_t>(group.durability),
       group.reserved_bytes, static_cast<std::uint64_t>(group.asked), static_cast<std::uint64_t>(group.lost)},
      seed);
  for (std::uint32_t until : group.vacant_until) digest = digest_with(digest, until);
  for (const auto* list : {&group.members, &group.next, &group.held, &group.vacant}) {
    digest = digest_with(digest, list->size());
    for (NodeId member : *list) digest = digest_with(digest, member);
  }
  return digest;
}

}  // namespace

Catalog::Catalog(std::uint32_t managers, const CatalogLimits& limits, Durability durability)
    : limits_(limits), managers_(managers), next_node_(managers + 1) {
  root_.durability = durability;
  root_.shape = {1, managers};
  for (NodeId node = 1; node <= managers; ++node) root_.members.push_back(node);
}

// ---- providers ----------------------------------------------------------------------------------------------------

wire::Reply Catalog::join(Instance instance, const wire::JoinProvider& command) {
  if (command.name.empty() || command.site.empty() || command.address.empty() || command.incarnation == 0) {
    return refusal(Code::kInvalid, "a provider needs a name, a site, an address and an incarnation");
  }
  const std::size_t longest = std::max({command.name.size(), command.site.size(), command.address.size()});
  if (longest > wire::kNameBytesMax) return refusal(Code::kInvalid, "a provider's name, site or address is too long");
  wire::Reply reply;
  for (const auto& [node, provider] : providers_) {
    if (provider.name == command.name && provider.incarnation == command.incarnation) {
      reply.number = node;
      return reply;
    }
  }
  for (auto& [node, provider] : providers_) {
    if (provider.name != command.name || !mutant("vote_as_former_self")) continue;
    provider.incarnation = command.incarnation;
    provider.up = true;
    version_ = instance;
    reply.number = node;
    return reply;
  }
  if (std::optional<wire::Reply> known = rejoin(instance, command)) return *known;
  // A life's request may arrive after a later life has joined: it must not put that one out.
  for (const auto& [node, provider] : providers_) {
    if (provider.name == command.name && provider.incarnation > command.incarnation) {
      return refusal(Code::kStale, fmt::format("a later life of '{}' has joined", command.name));
    }
  }
  if (providers_.size() >= limits_.providers_max) {
    return refusal(Code::kLimit, fmt::format("the grid has {} providers already", providers_.size()));
  }
  std::vector<NodeId> former;
  for (const auto& [node, provider] : providers_) {
    if (provider.name == command.name) former.push_back(node);
  }
  for (NodeId node : former) retire(node);

  wire::CatalogProvider provider;
  provider.node = number_for(command);
  provider.name = command.name;
  provider.site = command.site;
  provider.address = command.address;
  provider.incarnation = command.incarnation;
  provider.capacity_bytes = command.capacity_bytes;
  provider.manager = contains(root_.members, provider.node);
  provider.store = command.store;
  reply.number = provider.node;
  providers_[provider.node] = std::move(provider);
  for (auto& [number, group] : groups_) give_up_if_lost(group);
  version_ = instance;
  return reply;
}

NodeId Catalog::number_for(const wire::JoinProvider& command) {
  const bool wanted = command.manager && command.node <= managers_ && contains(root_.members, command.node);
  if (wanted && !providers_.contains(command.node)) return command.node;
  return next_node_++;
}

void Catalog::retire(NodeId node) {
  const auto found = providers_.find(node);
  // A manager's number stays known: it is the root's member although that life is gone.
  if (found->second.manager || is_referred_to(node)) {
    found->second.up = false;
  } else {
    providers_.erase(found);
  }
}

bool Catalog::is_referred_to(NodeId node) const {
  return contains(holders_of(root_), node) ||
         std::ranges::any_of(groups_, [&](const auto& entry) { return contains(holders_of(entry.second), node); });
}

wire::Reply Catalog::leave(Instance instance, const wire::LeaveProvider& command) {
  if (!providers_.contains(command.node)) return refusal(Code::kInvalid, fmt::format("no provider {}", command.node));
  retire(command.node);
  version_ = instance;
  return {};
}

wire::Reply Catalog::drain(Instance instance, const wire::DrainProvider& command) {
  const auto found = providers_.find(command.node);
  if (found == providers_.end()) return refusal(Code::kInvalid, fmt::format("no provider {}", command.node));
  if (found->second.draining != command.draining) {
    found->second.draining = command.draining;
    version_ = instance;
  }
  return {};
}

wire::Reply Catalog::set_state(Instance instance, const wire::ProviderState& command) {
  const auto found = providers_.find(command.node);
  if (found == providers_.end()) return refusal(Code::kInvalid, fmt::format("no provider {}", command.node));
  if (found->second.up != command.up) {
    found->second.up = command.up;
    version_ = instance;
  }
  return {};
}

// ---- groups -----------------------------------------------------------------------------------------------------------

std::uint64_t Catalog::room_of(const wire::CatalogGroup& group) const {
  std::uint64_t least = ~0ULL;
  for (NodeId holder : holders_of(group)) {
    const wire::CatalogProvider& provider = providers_.at(holder);
    least = std::min(least, provider.capacity_bytes - provider.reserved_bytes);
  }
  return least;
}

void Catalog::reserve_for(Instance instance, wire::CatalogGroup& group, std::uint64_t bytes) {
  JUXMEM_CHECK(bytes <= room_of(group));
  group.reserved_bytes += bytes;
  for (NodeId holder : holders_of(group)) providers_.at(holder).reserved_bytes += bytes;
  std::map<Instance, std::uint64_t>& open = ledgers_[group.group].open;
  open[instance] += bytes;
  if (open.size() > kOpenReservationsMax) {
    const std::uint64_t oldest = open.begin()->second;
    open.erase(open.begin());
    open.begin()->second += oldest;
  }
  version_ = instance;
}

void Catalog::unreserve_for(wire::CatalogGroup& group, std::uint64_t bytes) {
  group.reserved_bytes -= bytes;
  for (NodeId holder : holders_of(group)) providers_.at(holder).reserved_bytes -= bytes;
}

wire::Reply Catalog::create_group(Instance instance, const wire::CreateGroup& command) {
  const Placement placement{command.shape, command.durability, command.prefer, command.reserve_bytes};
  const std::vector<wire::CatalogProvider> providers = rows_of(providers_);
  const std::vector<wire::CatalogGroup> groups = rows_of(groups_);
  wire::Reply reply;
  if (const std::optional<GroupId> existing = pick_group(providers, groups, placement)) {
    reply.number = *existing;
  } else {
    Result<std::vector<NodeId>> members = place(providers, groups, placement);
    if (!members) return refusal(members.error().code, members.error().detail);
    if (groups_.size() >= limits_.groups_max || next_group_ > kGroupIdMax) {
      return refusal(Code::kLimit, fmt::format("the grid has {} groups already", groups_.size()));
    }
    reply.number = next_group_++;
    wire::CatalogGroup& group = groups_[reply.number];
    group.group = reply.number;
    group.shape = command.shape;
    group.durability = command.durability;
    group.members = std::move(*members);
    version_ = instance;
  }
  wire::CatalogGroup& group = groups_.at(reply.number);
  if (command.reserve_bytes > 0) reserve_for(instance, group, command.reserve_bytes);
  reply.version = instance;
  reply.amount = room_of(group);
  return reply;
}

wire::Reply Catalog::reserve(Instance instance, const wire::Reserve& command) {
  const auto found = groups_.find(command.group);
  if (found == groups_.end()) return refusal(Code::kInvalid, fmt::format("no group {}", command.group));
  wire::CatalogGroup& group = found->second;
  if (group.lost) return refusal(Code::kLost, fmt::format("group {}", command.group));
  wire::Reply reply;
  if (command.bytes > room_of(group)) {
    reply = refusal(Code::kNoSpace, fmt::format("{} bytes asked for group {}, whose fullest provider has {} left",
                                                command.bytes, command.group, room_of(group)));
  } else {
    if (command.bytes > 0) reserve_for(instance, group, command.bytes);
    reply.version = instance;
  }
  reply.amount = room_of(group);
  return reply;
}

wire::Reply Catalog::unreserve(Instance instance, const wire::Unreserve& command) {
  const auto found = groups_.find(command.group);
  if (found == groups_.end()) return refusal(Code::kInvalid, fmt::format("no group {}", command.group));
  wire::CatalogGroup& group = found->second;
  // A later place of the group's log has told its quota already without these bytes.
  if (command.at >= ledgers_[command.group].settled_at) {
    unreserve_for(group, std::min(command.bytes, group.reserved_bytes));
    version_ = instance;
  }
  wire::Reply reply;
  reply.amount = room_of(group);
  return reply;
}

wire::Reply Catalog::settle(Instance instance, const wire::SettleQuota& command) {
  const auto found = groups_.find(command.group);
  if (found == groups_.end()) return refusal(Code::kInvalid, fmt::format("no group {}", command.group));
  wire::CatalogGroup& group = found->second;
  Ledger& ledger = ledgers_[command.group];
  if (command.at > ledger.settled_at) {
    ledger.settled_at = command.at;
    ledger.open.erase(ledger.open.begin(), ledger.open.upper_bound(command.up_to));
    // What is open and spent counts twice until the next settlement; never too little.
    std::uint64_t kept = std::min(command.quota_bytes, group.reserved_bytes);
    for (const auto& [number, bytes] : ledger.open) kept += std::min(bytes, group.reserved_bytes - kept);
    if (kept < group.reserved_bytes) {
      unreserve_for(group, group.reserved_bytes - kept);
      version_ = instance;
    }
  }
  wire::Reply reply;
  reply.amount = room_of(group);
  return reply;
}

// ---- names ------------------------------------------------------------------------------------------------------------

wire::Reply Catalog::publish_name(const wire::PublishName& command) {
  if (command.name.empty() || command.name.find('\0') != std::string::npos) {
    return refusal(Code::kInvalid, "a name has at least one character and no zero bytes");
  }
  if (command.name.size() > wire::kNameBytesMax) {
    return refusal(Code::kTooBig,
                   fmt::format("a name of {} bytes; the limit is {}", command.name.size(), wire::kNameBytesMax));
  }
  wire::Reply reply;
  reply.block = command.block;
  if (const BlockId* taken = names_.find(command.name)) {
    // The same again is no conflict: an agent that died may have done it before its client asked another one.
    if (*taken == command.block) return reply;
    return refusal(Code::kNameTaken, fmt::format("\"{}\" names block {}", command.name, block_name(*taken)));
  }
  if (!groups_.contains(group_of(command.block))) return refusal(Code::kNotFound, "block " + block_name(command.block));
  if (names_.size() >= limits_.names_max) {
    return refusal(Code::kLimit, fmt::format("{} names are published already", names_.size()));
  }
  add_name(command.name, command.block);
  return reply;
}

void Catalog::add_name(const std::string& name, BlockId block) {
  names_.insert(name, block);
  names_digest_ += digest_of_name(name, block);
}

wire::Reply Catalog::unpublish_name(const wire::UnpublishName& command) {
  const BlockId* found = names_.find(command.name);
  if (found == nullptr) return refusal(Code::kNoSuchName, fmt::format("\"{}\"", command.name));
  wire::Reply reply;
  reply.block = *found;
  names_digest_ -= digest_of_name(command.name, *found);
  names_.erase(command.name);
  return reply;
}

std::optional<BlockId> Catalog::lookup(const std::string& name) const {
  const BlockId* found = names_.find(name);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

wire::NamesReply Catalog::read_names(const wire::ReadNames& request) const {
  wire::NamesReply reply;
  reply.tag = request.tag;
  if (!request.list) {
    const std::optional<BlockId> block = lookup(request.name);
    if (block) {
      reply.rows.push_back({request.name, *block});
    } else {
      reply.code = Code::kNoSuchName;
    }
    return reply;
  }
  const std::uint32_t wanted = request.limit == 0 ? wire::kNamesPerReplyMax : request.limit;
  const std::uint32_t limit = std::min(wanted, wire::kNamesPerReplyMax);
  const auto& names = names_.rows();
  auto next = request.after < request.name ? names.lower_bound(request.name) : names.upper_bound(request.after);
  for (; next != names.end() && next->first.starts_with(request.name); ++next) {
    if (reply.rows.size() == limit) {
      reply.more = true;
      break;
    }
    reply.rows.push_back({next->first, next->second});
  }
  return reply;
}

// ---- the whole ----------------------------------------------------------------------------------------------------------

wire::CatalogSnapshot Catalog::snapshot() const {
  wire::CatalogSnapshot snapshot;
  snapshot.version = version_;
  snapshot.providers = rows_of(providers_);
  snapshot.groups = rows_of(groups_);
  snapshot.root = root_;
  return snapshot;
}

std::uint64_t Catalog::digest() const {
  std::uint64_t digest = digest_of_numbers({version_, next_node_, next_group_, names_.size(), names_digest_}, 0);
  for (const auto& [node, provider] : providers_) {
    digest = digest_of_numbers({node, provider.incarnation, provider.capacity_bytes, provider.reserved_bytes,
                                static_cast<std::uint64_t>(provider.up), static_cast<std::uint64_t>(provider.manager),
                                static_cast<std::uint64_t>(provider.draining), provider.store},
                               digest);
    digest = digest_of_text(provider.name, digest);
    digest = digest_of_text(provider.site, digest);
    digest = digest_of_text(provider.address, digest);
  }
  digest = digest_of_group(root_, digest);
  for (const auto& [number, group] : groups_) {
    digest = digest_of_group(group, digest);
    if (const auto ledger = ledgers_.find(number); ledger != ledgers_.end()) {
      digest = digest_with(digest, ledger->second.settled_at);
      for (const auto& [open, bytes] : ledger->second.open) digest = digest_of_numbers({open, bytes}, digest);
    }
  }
  return digest;
}

void Catalog::check_invariants() const {
  std::map<NodeId, std::uint64_t> reserved;
  for (const auto& [number, group] : groups_) {
    JUXMEM_CHECK(number == group.group && number > 0 && number < next_group_);
    JUXMEM_CHECK(group.members.size() == std::uint64_t{group.shape.sites} * group.shape.nodes_per_site);
    for (NodeId holder : holders_of(group)) {
      JUXMEM_CHECK(providers_.contains(holder));
      reserved[holder] += group.reserved_bytes;
    }
    for (NodeId next : group.next) {
      const std::vector<NodeId> holders = holders_of(group);
      JUXMEM_CHECK(std::ranges::find(holders, next) != holders.end());
    }
  }
  for (const auto& [node, provider] : providers_) {
    JUXMEM_CHECK(node == provider.node && node > 0 && node < next_node_);
    JUXMEM_CHECK(provider.reserved_bytes == reserved[node]);
    JUXMEM_CHECK(provider.reserved_bytes <= provider.capacity_bytes);
  }
}

}  // namespace juxmem

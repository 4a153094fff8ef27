#include "apps/juxmem/status_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "apps/juxmem/text_table.h"
#include "groups/catalog_view.h"

namespace juxmem {
namespace {

using nlohmann::json;

constexpr TimeNs kNsPerMs = 1'000'000;

struct SiteTotals {
  std::uint32_t providers = 0;
  std::uint32_t up = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t used_bytes = 0;
};

// The reply, indexed.
struct Index {
  std::map<NodeId, const wire::CatalogProvider*> providers;
  std::map<NodeId, const wire::ProviderStatus*> answers;
  std::map<GroupId, const wire::CatalogGroup*> groups;
  std::map<std::string, SiteTotals> sites;
};

Index index_of(const wire::StatusReply& reply) {
  Index index;
  for (const auto& answer : reply.providers) index.answers[answer.node] = &answer;
  for (const auto& group : reply.catalog.groups) index.groups[group.group] = &group;
  for (const auto& provider : reply.catalog.providers) {
    index.providers[provider.node] = &provider;
    SiteTotals& site = index.sites[provider.site];
    ++site.providers;
    site.up += provider.up ? 1 : 0;
    site.capacity_bytes += provider.capacity_bytes;
    site.reserved_bytes += provider.reserved_bytes;
    if (const auto it = index.answers.find(provider.node); it != index.answers.end())
      site.used_bytes += it->second->used_bytes;
  }
  return index;
}

std::string name_of_node(const Index& index, NodeId node) {
  if (node == 0) return "none";
  const auto it = index.providers.find(node);
  return it != index.providers.end() ? it->second->name : fmt::format("#{}", node);
}

// The site that most of the last proposals came from; empty if none came or it has no provider any more.
std::string writers_site(const Index& index, const wire::GroupStatus& group) {
  if (group.writers_site == 0) return {};
  const auto found =
      std::ranges::find_if(index.sites, [&](const auto& row) { return site_id_of(row.first) == group.writers_site; });
  return found == index.sites.end() ? std::string{} : found->first;
}

std::string writers_text(const Index& index, const wire::GroupStatus& group) {
  const std::string site = writers_site(index, group);
  return site.empty() ? "-" : fmt::format("{} {}%", site, group.writers_percent);
}

// How many entries the slowest member that is heard of still has to apply.
std::uint64_t lag_of(const wire::GroupStatus& group) {
  std::uint64_t lag = 0;
  for (const auto& member : group.members) {
    if (member.heard && member.applied < group.decided) lag = std::max(lag, group.decided - member.applied);
  }
  return lag;
}

// nullptr unless the member gets the state from another one.
const wire::CatchUpStatus* catch_up_of(const wire::GroupStatus& group, NodeId node) {
  const auto found = std::ranges::find(group.catching_up, node, &wire::CatchUpStatus::node);
  return found == group.catching_up.end() ? nullptr : &*found;
}

std::string member_state(const wire::GroupStatus& group, const wire::GroupMemberStatus& member) {
  if (const wire::CatchUpStatus* catch_up = catch_up_of(group, member.node))
    return fmt::format("(catching up {}%)", catch_up->percent);
  if (!member.heard) return "(away)";
  return member.relays ? "(relay)" : "";
}

std::string members_text(const Index& index, const wire::GroupStatus& group) {
  std::string text;
  for (const auto& member : group.members) {
    text += (text.empty() ? "" : " ") + name_of_node(index, member.node) + member_state(group, member);
  }
  const auto it = index.groups.find(group.group);
  if (it == index.groups.end()) return text;
  if (group.members.empty()) {
    for (NodeId node : it->second->members) text += (text.empty() ? "" : " ") + name_of_node(index, node);
  }
  if (!it->second->next.empty()) text += ", to be";
  for (NodeId node : it->second->next) {
    const wire::CatchUpStatus* catch_up = catch_up_of(group, node);
    text +=
        " " + name_of_node(index, node) + (catch_up != nullptr ? fmt::format("(catching up {}%)", catch_up->percent) : "");
  }
  return text;
}

std::string sites_text(const Index& index) {
  TextTable table({"SITE", "PROVIDERS ", "UP ", "MEMORY ", "RESERVED ", "USED "});
  for (const auto& [name, site] : index.sites) {
    table.add({name, std::to_string(site.providers), std::to_string(site.up), size_text(site.capacity_bytes),
               size_text(site.reserved_bytes), size_text(site.used_bytes)});
  }
  return table.text();
}

std::string providers_text(const wire::StatusReply& reply, const Index& index) {
  TextTable table({"PROVIDER", "SITE", "NODE ", "STATE", "ADDRESS", "MEMORY ", "USED ", "CLIENTS ", "UP FOR "});
  for (const auto& provider : reply.catalog.providers) {
    const auto it = index.answers.find(provider.node);
    const wire::ProviderStatus* answer = it != index.answers.end() ? it->second : nullptr;
    std::string state = !provider.up ? "down" : answer != nullptr ? "up" : "no answer";
    if (provider.manager) state += ", manager";
    if (provider.draining) state += ", draining";
    if (provider.store != 0) state += ", remembers";
    if (answer != nullptr && answer->disk != Code::kOk)
      state += answer->disk == Code::kNoSpace ? ", disk full" : ", disk failed";
    table.add({provider.name, provider.site, std::to_string(provider.node), state, provider.address,
               size_text(provider.capacity_bytes), answer != nullptr ? size_text(answer->used_bytes) : "-",
               answer != nullptr ? std::to_string(answer->clients) : "-",
               answer != nullptr ? duration_text(answer->uptime / (1000 * kNsPerMs)) : "-"});
  }
  return table.text();
}

std::string groups_text(const wire::StatusReply& reply, const Index& index) {
  TextTable table(
      {"GROUP", "COPIES", "COORDINATOR", "WRITERS", "DECIDED ", "LAG ", "BLOCKS ", "USED ", "QUOTA ", "MEMBERS"});
  for (const auto& group : reply.groups) {
    const auto it = index.groups.find(group.group);
    const bool root = group.group == kRootGroup;
    const std::string copies = it == index.groups.end()
                                   ? "-"
                                   : fmt::format("{}x{}{}", it->second->shape.sites, it->second->shape.nodes_per_site,
                                                 it->second->durability == Durability::kDisk ? " disk" : "");
    table.add({root ? "root" : std::to_string(group.group), copies, name_of_node(index, group.coordinator),
               writers_text(index, group), std::to_string(group.decided), std::to_string(lag_of(group)),
               root ? "-" : std::to_string(group.blocks), root ? "-" : size_text(group.used_bytes),
               root ? "-" : size_text(group.quota_bytes), members_text(index, group)});
  }
  return table.text();
}

json provider_json(const wire::CatalogProvider& provider, const Index& index) {
  const auto it = index.answers.find(provider.node);
  const wire::ProviderStatus nothing;
  const wire::ProviderStatus& answer = it != index.answers.end() ? *it->second : nothing;
  return {{"node", provider.node},
          {"name", provider.name},
          {"site", provider.site},
          {"address", provider.address},
          {"up", provider.up},
          {"manager", provider.manager},
          {"draining", provider.draining},
          {"answered", it != index.answers.end()},
          {"capacity_bytes", provider.capacity_bytes},
          {"reserved_bytes", provider.reserved_bytes},
          {"used_bytes", answer.used_bytes},
          {"clients", answer.clients},
          {"garbage_packets", answer.garbage_packets},
          {"dropped_packets", answer.dropped_packets},
          {"has_data_folder", provider.store != 0},
          {"log_bytes", answer.log_bytes},
          {"disk", answer.disk == Code::kOk ? "" : name_of(answer.disk)},
          {"uptime_ms", answer.uptime / kNsPerMs}};
}

json group_json(const wire::GroupStatus& group, const Index& index) {
  json members = json::array();
  for (const auto& member : group.members) {
    json row = {{"node", member.node}, {"applied", member.applied}, {"heard", member.heard}, {"relays", member.relays}};
    const wire::CatchUpStatus* catch_up = catch_up_of(group, member.node);
    row["catching_up_percent"] = catch_up != nullptr ? json(catch_up->percent) : json(nullptr);
    members.push_back(std::move(row));
  }
  const auto it = index.groups.find(group.group);
  const Shape shape = it != index.groups.end() ? it->second->shape : Shape{0, 0};
  const bool on_disk = it != index.groups.end() && it->second->durability == Durability::kDisk;
  return {{"group", group.group},
          {"name", group.group == kRootGroup ? "root" : "data"},
          {"epoch", group.epoch},
          {"sites", shape.sites},
          {"nodes_per_site", shape.nodes_per_site},
          {"durability", on_disk ? "disk" : "memory"},
          {"coordinator", group.coordinator},
          {"writers_site", writers_site(index, group)},
          {"writers_percent", group.writers_percent},
          {"ballot", to_string(group.ballot)},
          {"decided", group.decided},
          {"lag", lag_of(group)},
          {"blocks", group.blocks},
          {"used_bytes", group.used_bytes},
          {"quota_bytes", group.quota_bytes},
          {"sessions", group.sessions},
          {"next", it != index.groups.end() ? json(it->second->next) : json::array()},
          {"members", members}};
}

}  // namespace

std::string status_text(const wire::StatusReply& reply) {
  const Index index = index_of(reply);
  return sites_text(index) + "\n" + providers_text(reply, index) + "\n" + groups_text(reply, index);
}

nlohmann::json status_json(const wire::StatusReply& reply) {
  const Index index = index_of(reply);
  json sites = json::array();
  for (const auto& [name, site] : index.sites) {
    sites.push_back({{"name", name},
                     {"providers", site.providers},
                     {"up", site.up},
                     {"capacity_bytes", site.capacity_bytes},
                     {"reserved_bytes", site.reserved_bytes},
                     {"used_bytes", site.used_bytes}});
  }
  json providers = json::array();
  for (const auto& provider : reply.catalog.providers) providers.push_back(provider_json(provider, index));
  json groups = json::array();
  for (const auto& group : reply.groups) groups.push_back(group_json(group, index));
  return {{"version", reply.version}, {"answered_by", reply.answered_by}, {"catalog_version", reply.catalog.version},
          {"sites", sites},           {"providers", providers},           {"groups", groups}};
}

}  // namespace juxmem

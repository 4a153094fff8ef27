#include "apps/juxmem/admin_call.h"

#include <algorithm>

#include "apps/juxmem/grid_call.h"

namespace juxmem {
namespace {

template <typename Request>
Status ask_managers(const wire::CatalogSnapshot& catalog, Request request, std::int64_t limit_ms) {
  const auto reply = ask_grid<wire::AdminReply>(managers_of(catalog), std::move(request), limit_ms);
  if (!reply) return std::unexpected(reply.error());
  if (reply->code != Code::kOk) return fail(reply->code, reply->detail);
  return {};
}

}  // namespace

std::vector<std::string> managers_of(const wire::CatalogSnapshot& catalog) {
  std::vector<std::string> addresses;
  for (const wire::CatalogProvider& row : catalog.providers) {
    if (row.manager && row.up) addresses.push_back(row.address);
  }
  return addresses;
}

Status ask_drain(const wire::CatalogSnapshot& catalog, const std::string& provider, bool cancel, std::int64_t limit_ms) {
  return ask_managers(catalog, wire::DrainRequest{.tag = 0, .provider = provider, .cancel = cancel}, limit_ms);
}

Status ask_move(const wire::CatalogSnapshot& catalog, GroupId group, const std::string& from, const std::string& to,
                std::int64_t limit_ms) {
  return ask_managers(catalog, wire::MoveRequest{.tag = 0, .group = group, .from = from, .to = to}, limit_ms);
}

const wire::CatalogProvider* provider_named(const wire::CatalogSnapshot& catalog, const std::string& name) {
  const wire::CatalogProvider* found = nullptr;
  for (const wire::CatalogProvider& row : catalog.providers) {
    if (row.name == name && (found == nullptr || row.incarnation > found->incarnation)) found = &row;
  }
  return found;
}

std::optional<std::size_t> groups_on(const wire::CatalogSnapshot& catalog, const std::string& provider) {
  const wire::CatalogProvider* found = provider_named(catalog, provider);
  if (found == nullptr) return std::nullopt;
  const auto has = [&](const wire::CatalogGroup& group) {
    return !group.lost && std::ranges::find(group.members, found->node) != group.members.end();
  };
  return static_cast<std::size_t>(std::ranges::count_if(catalog.groups, has)) + (has(catalog.root) ? 1 : 0);
}

}  // namespace juxmem

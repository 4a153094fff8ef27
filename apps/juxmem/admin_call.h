// Wishes of people, told to the managers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// Addresses of the managers that are up.
std::vector<std::string> managers_of(const wire::CatalogSnapshot& catalog);

// Each asks the managers until the one that leads has taken the wish down or refused it. Blocks at most limit_ms. Errors: kKeyRefused,
// kUnreachable (nobody answered), kNotFound (no such provider or group), and why the wish cannot be carried out.

// `cancel`: the provider shall not be emptied any more.
Status ask_drain(const wire::CatalogSnapshot& catalog, const std::string& provider, bool cancel, std::int64_t limit_ms);
// The group's copy on `from` shall be kept by `to`.
Status ask_move(const wire::CatalogSnapshot& catalog, GroupId group, const std::string& from, const std::string& to,
                std::int64_t limit_ms);

// The present life of the provider of that name; nullptr if there is none.
const wire::CatalogProvider* provider_named(const wire::CatalogSnapshot& catalog, const std::string& name);
// How many groups, the root among them and those that are lost not, have the provider of this name among their members; nullopt if there
// is no such provider.
std::optional<std::size_t> groups_on(const wire::CatalogSnapshot& catalog, const std::string& provider);

}  // namespace juxmem

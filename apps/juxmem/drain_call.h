// Asking the managers to empty a provider.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// Asks the managers at `addresses` until the one that leads has taken the wish down. `cancel`: the provider shall not be emptied any more.
// Blocks at most limit_ms. Errors: kInvalid (an address), kUnreachable (nobody answered), kNotFound (no such provider).
Status ask_drain(const std::vector<std::string>& addresses, const std::string& provider, bool cancel, std::int64_t limit_ms);

// How many data groups have the provider of this name (its present life) among their members; nullopt if there is no such provider.
std::optional<std::size_t> groups_on(const wire::CatalogSnapshot& catalog, const std::string& provider);

}  // namespace juxmem

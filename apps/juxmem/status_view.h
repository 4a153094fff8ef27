// What `juxmem status` shows.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "juxmem/wire/group_messages.h"

namespace juxmem {

// Tables of sites, providers and groups.
std::string status_text(const wire::StatusReply& reply);

// The same for programs. Keys: version, answered_by, catalog_version,
//   sites[]: name, providers, up, capacity_bytes, reserved_bytes, used_bytes
//   providers[]: node, name, site, address, up, manager, answered, capacity_bytes, reserved_bytes, used_bytes, clients,
//     garbage_packets, dropped_packets, uptime_ms
//   groups[]: group, name ("root" or "data"), epoch, sites, nodes_per_site, coordinator, ballot, decided, lag, blocks, used_bytes,
//     quota_bytes, sessions, members[]: node, applied, heard
nlohmann::json status_json(const wire::StatusReply& reply);

}  // namespace juxmem

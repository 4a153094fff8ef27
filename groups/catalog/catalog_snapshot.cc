// Snapshots of the catalog: reading them out in pieces, and making a catalog of the pieces.
#include <algorithm>
#include <string>
#include <utility>

#include "groups/catalog/catalog.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::uint32_t kProvidersPart = 0;
constexpr std::uint32_t kGroupsPart = 1;
constexpr std::uint32_t kLedgersPart = 2;

// What rows count in a piece: their fields, and what surrounds them.
constexpr std::uint64_t kProviderBytes = 256;
constexpr std::uint64_t kGroupBytes = 160;
constexpr std::uint64_t kLedgerBytes = 64;
constexpr std::uint64_t kOpenBytes = 16;
constexpr std::uint64_t kNameBytes = 64;

std::unexpected<Error> refuse(const std::string& what) { return fail(Code::kProtocol, "snapshot: " + what); }

}  // namespace

void Catalog::open_snapshot(SnapshotNumber number) {
  kept_[number] = Kept{next_node_, next_group_, version_, providers_, groups_, ledgers_, root_};
  names_.open_snapshot(number);
}

void Catalog::close_snapshot(SnapshotNumber number) {
  kept_.erase(number);
  names_.close_snapshot(number);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

void Catalog::read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const {
  const Kept& kept = kept_.at(number);
  piece.catalog_head = {.managers = managers_,
                        .next_node = kept.next_node,
                        .next_group = kept.next_group,
                        .version = kept.version,
                        .root = kept.root};
}

bool Catalog::read_rows(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  if (cursor.part == kProvidersPart) {
    if (!read_providers(kept_.at(number), cursor, filler)) return false;
    cursor.next_part();
  }
  if (cursor.part == kGroupsPart) {
    if (!read_groups(kept_.at(number), cursor, filler)) return false;
    cursor.next_part();
  }
  if (cursor.part == kLedgersPart) {
    if (!read_ledgers(kept_.at(number), cursor, filler)) return false;
    cursor.next_part();
  }
  return read_names(number, cursor, filler);
}

bool Catalog::read_providers(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) {
  for (auto row = kept.providers.lower_bound(static_cast<NodeId>(cursor.first)); row != kept.providers.end(); ++row) {
    cursor.first = row->first;
    const wire::CatalogProvider& provider = row->second;
    if (!filler.take(kProviderBytes + provider.name.size() + provider.site.size() + provider.address.size())) return false;
    filler.piece.providers.push_back(provider);
  }
  return true;
}

bool Catalog::read_groups(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) {
  for (auto row = kept.groups.lower_bound(static_cast<GroupId>(cursor.first)); row != kept.groups.end(); ++row) {
    cursor.first = row->first;
    const wire::CatalogGroup& group = row->second;
    const std::size_t nodes = group.members.size() + group.next.size() + group.held.size() + 2 * group.vacant.size();
    if (!filler.take(kGroupBytes + nodes * sizeof(NodeId))) return false;
    filler.piece.groups.push_back(row->second);
  }
  return true;
}

bool Catalog::read_ledgers(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) {
  for (auto row = kept.ledgers.lower_bound(static_cast<GroupId>(cursor.first)); row != kept.ledgers.end(); ++row) {
    cursor.first = row->first;
    if (!filler.take(kLedgerBytes + row->second.open.size() * kOpenBytes)) return false;
    wire::LedgerRow ledger{.group = row->first, .settled_at = row->second.settled_at, .open_numbers = {}, .open_bytes = {}};
    for (const auto& [number, bytes] : row->second.open) {
      ledger.open_numbers.push_back(number);
      ledger.open_bytes.push_back(bytes);
    }
    filler.piece.ledgers.push_back(std::move(ledger));
  }
  return true;
}

// cursor.name is the last name read.
bool Catalog::read_names(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  std::string name;
  while (const BlockId* block = names_.snapshot_row(number, cursor.name, true, name)) {
    if (!filler.take(kNameBytes + name.size())) return false;
    filler.piece.names.push_back({name, *block});
    cursor.name = name;
  }
  return true;
}

// ---- restoring -----------------------------------------------------------------------------------------------------------

Status Catalog::restore(const wire::SnapshotPiece& piece) {
  if (piece.number == 0) {
    if (Status taken = restore_head(piece.catalog_head); !taken) return taken;
  }
  for (const wire::CatalogProvider& row : piece.providers) {
    if (Status taken = restore_provider(row); !taken) return taken;
  }
  for (const wire::CatalogGroup& row : piece.groups) {
    if (Status taken = restore_group(row); !taken) return taken;
  }
  for (const wire::LedgerRow& row : piece.ledgers) {
    if (Status taken = restore_ledger(row); !taken) return taken;
  }
  for (const wire::NameRow& row : piece.names) {
    const bool in_order = names_.empty() || row.name > names_.rows().rbegin()->first;
    if (row.name.empty() || !in_order || names_.size() >= limits_.names_max) return refuse("a name that cannot come here");
    add_name(row.name, row.block);
  }
  return {};
}

Status Catalog::restore_head(const wire::CatalogHead& head) {
  const bool is_root = head.root.group == kRootGroup && head.root.epoch > 0 && !head.root.members.empty();
  if (!is_root || head.managers == 0 || head.next_node <= head.managers || head.next_group == 0)
    return refuse("of no catalog");
  managers_ = head.managers;
  root_ = head.root;
  next_node_ = head.next_node;
  next_group_ = head.next_group;
  version_ = head.version;
  return {};
}

Status Catalog::restore_provider(const wire::CatalogProvider& row) {
  const bool in_order = providers_.empty() || row.node > providers_.rbegin()->first;
  const bool fits = row.node != 0 && row.node < next_node_ && row.reserved_bytes <= row.capacity_bytes;
  if (!in_order || !fits || providers_.size() >= limits_.providers_max) return refuse("a provider that cannot come here");
  providers_[row.node] = row;
  return {};
}

Status Catalog::restore_group(const wire::CatalogGroup& row) {
  const bool in_order = groups_.empty() || row.group > groups_.rbegin()->first;
  const bool fits = row.group != 0 && row.group < next_group_ &&
                    std::ranges::all_of(holders_of(row), [&](NodeId holder) { return providers_.contains(holder); });
  if (!in_order || !fits || groups_.size() >= limits_.groups_max) return refuse("a group that cannot come here");
  groups_[row.group] = row;
  return {};
}

Status Catalog::restore_ledger(const wire::LedgerRow& row) {
  const bool in_order = ledgers_.empty() || row.group > ledgers_.rbegin()->first;
  const bool fits = groups_.contains(row.group) && row.open_numbers.size() == row.open_bytes.size() &&
                    row.open_numbers.size() <= kOpenReservationsMax;
  if (!in_order || !fits) return refuse("a ledger that cannot come here");
  Ledger& ledger = ledgers_[row.group];
  ledger.settled_at = row.settled_at;
  for (std::size_t i = 0; i < row.open_numbers.size(); ++i) {
    const bool grows = ledger.open.empty() || row.open_numbers[i] > ledger.open.rbegin()->first;
    if (!grows || row.open_numbers[i] > version_) return refuse("a reservation that cannot come here");
    ledger.open.emplace(row.open_numbers[i], row.open_bytes[i]);
  }
  return {};
}

Status Catalog::check_restored() const {
  std::map<NodeId, std::uint64_t> reserved;
  for (const auto& [number, group] : groups_) {
    for (NodeId holder : holders_of(group)) reserved[holder] += group.reserved_bytes;
  }
  for (const auto& [node, provider] : providers_) {
    if (provider.reserved_bytes != reserved[node]) return refuse("a provider's memory is not what its groups have");
  }
  return {};
}

}  // namespace juxmem

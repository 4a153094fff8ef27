// Catalog: what the managers agree on about the grid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/snapshot_map.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"
#include "juxmem/wire/snapshot_filler.h"

namespace juxmem {

struct CatalogLimits {
  std::size_t providers_max = 65536;  // as many as one CatalogSnapshot carries
  std::size_t groups_max = 65536;
  std::size_t names_max = 4U << 20;
};

// What for: the root's replicated state: providers with their sites and memory, groups with their members, names of blocks.
// Thread safety: none. Pure and deterministic.
// Invariants: K1 members of a group, and those that it is to have or was to have next, are providers of the catalog. K2 what a provider
//   has reserved is the sum over the groups that have it in one of these lists, and never more than its capacity. K3 numbers of
//   providers and groups are never used twice. K4 the version is the instance that last changed providers or groups; names do not
//   change it. K5 what is reserved for a group is never less than its quota and the reservations that can still become quota.
// Ownership: a value.
// Failure: a command that cannot be executed changes nothing and says why.
class Catalog {
 public:
  // Providers 1 to `managers` are the numbers of the first managers; others get higher ones. `durability`: of the root itself.
  explicit Catalog(std::uint32_t managers, const CatalogLimits& limits = {}, Durability durability = Durability::kMemory);

  // reply.number = the provider's number. The same (name, incarnation) gets the same number again; another incarnation of the
  // name is another provider, and its former life counts as gone. Errors: kInvalid, kLimit.
  // With a data folder: a provider that was started again from its folder (store) is the same one in another life (catalog_seats.cc). In
  // its groups in memory, and in those of which the folder has lost something, its seat is vacant for two epochs: then nobody counts on
  // what it voted there. Further errors: kStale (the grid does not know the folder), kInvalid (another site, or less memory than is reserved).
  wire::Reply join(Instance instance, const wire::JoinProvider& command);
  // The provider is gone for good; kept as long as groups refer to it. Error: kInvalid if there is none.
  wire::Reply leave(Instance instance, const wire::LeaveProvider& command);
  // Error: kInvalid if there is none.
  wire::Reply set_state(Instance instance, const wire::ProviderState& command);
  // reply.number = a group of that shape with the room asked for, led by `prefer` if one is given and can be: one that exists, or a
  // new one. Errors: kInvalid, kImpossibleShape, kNoSpace, kLimit.
  wire::Reply create_group(Instance instance, const wire::CreateGroup& command);
  // Error: kInvalid if there is none.
  wire::Reply drain(Instance instance, const wire::DrainProvider& command);
  // The intent, for the root's managers, too (catalog_moves.cc). Memory is reserved on the new members at once; what an earlier intent for the same epoch has reserved
  // stays reserved, since the group may carry that one out. Errors: kInvalid (no such group or provider, or not the group's shape),
  // kWrongEpoch, kNoSpace.
  wire::Reply move_group(Instance instance, const wire::MoveGroup& command);
  // Told again, or for an epoch that has passed: nothing happens. Errors: kInvalid (no such group, or members nobody intended).
  wire::Reply group_moved(Instance instance, const wire::GroupMoved& command);
  // reply.amount = what can still be reserved for the group; reply.version = the reservation's number. Errors: kInvalid (no such
  // group), kNoSpace.
  wire::Reply reserve(Instance instance, const wire::Reserve& command);
  // Gives back at most what is reserved; reply.amount as for reserve(). Error: kInvalid.
  wire::Reply unreserve(Instance instance, const wire::Unreserve& command);
  // Brings back what was reserved and never spent: the group keeps its quota and the reservations that are not closed yet. Error:
  // kInvalid.
  wire::Reply settle(Instance instance, const wire::SettleQuota& command);
  // Errors: kInvalid, kTooBig (name), kNotFound (no such group), kNameTaken (by another block), kLimit.
  wire::Reply publish_name(const wire::PublishName& command);
  // Errors: kNoSuchName.
  wire::Reply unpublish_name(const wire::UnpublishName& command);

  std::optional<BlockId> lookup(const std::string& name) const;
  // By exact name, or by prefix in the order of the names.
  wire::NamesReply read_names(const wire::ReadNames& request) const;
  wire::CatalogSnapshot snapshot() const;

  std::uint64_t version() const { return version_; }
  const std::map<NodeId, wire::CatalogProvider>& providers() const { return providers_; }
  const std::map<GroupId, wire::CatalogGroup>& groups() const { return groups_; }
  // The managers: its members vote in the root.
  const wire::CatalogGroup& root() const { return root_; }
  std::size_t name_count() const { return names_.size(); }

  std::uint64_t digest() const;
  // K1 to K3; aborts when one does not hold. For tests and simulators.
  void check_invariants() const;

  // ---- kept snapshots, of which names are shared with the present state and all else is copied (catalog_snapshot.cc) ----

  void open_snapshot(SnapshotNumber number);
  void close_snapshot(SnapshotNumber number);
  void read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const;
  // Adds rows from the cursor on; true once all are read.
  bool read_rows(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  std::uint64_t kept_bytes() const { return names_.kept_bytes(); }
  // Into an empty catalog. Errors: kProtocol for what no catalog has.
  Status restore(const wire::SnapshotPiece& piece);
  Status check_restored() const;

 private:
  // What the root knows about a group's memory beside the sum.
  // More open reservations count as one with the number of the newer.
  static constexpr std::size_t kOpenReservationsMax = 64;
  struct Ledger {
    Instance settled_at = 0;                 // of the group's log
    std::map<Instance, std::uint64_t> open;  // bytes by number: reservations the group may not have spent yet
  };
  // All but the names.
  struct Kept {
    NodeId next_node = 0;
    GroupId next_group = 1;
    std::uint64_t version = 0;
    std::map<NodeId, wire::CatalogProvider> providers;
    std::map<GroupId, wire::CatalogGroup> groups;
    std::map<GroupId, Ledger> ledgers;
    wire::CatalogGroup root;
  };

  static bool read_providers(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler);
  static bool read_groups(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler);
  static bool read_ledgers(const Kept& kept, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler);
  bool read_names(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  void add_name(const std::string& name, BlockId block);
  Status restore_head(const wire::CatalogHead& head);
  Status restore_provider(const wire::CatalogProvider& row);
  Status restore_group(const wire::CatalogGroup& row);
  Status restore_ledger(const wire::LedgerRow& row);

  NodeId number_for(const wire::JoinProvider& command);
  std::optional<wire::Reply> rejoin(Instance instance, const wire::JoinProvider& command);
  void vacate_seats(NodeId node, const wire::JoinProvider& command);
  static void settle_vacancies(wire::CatalogGroup& group);
  void give_up_if_lost(wire::CatalogGroup& group);
  bool has_forgotten(const wire::CatalogGroup& group, NodeId node) const;
  void retire(NodeId node);
  bool is_referred_to(NodeId node) const;
  void forget_if_gone(NodeId node);
  wire::CatalogGroup* find_group(GroupId group);
  void name_managers();
  static std::vector<NodeId> holders_of(const wire::CatalogGroup& group);
  std::uint64_t room_of(const wire::CatalogGroup& group) const;
  void reserve_for(Instance instance, wire::CatalogGroup& group, std::uint64_t bytes);
  void unreserve_for(wire::CatalogGroup& group, std::uint64_t bytes);

  CatalogLimits limits_;
  std::uint32_t managers_ = 0;  // of the root's first epoch
  wire::CatalogGroup root_;
  NodeId next_node_ = 0;
  GroupId next_group_ = 1;
  std::uint64_t version_ = 0;
  std::map<NodeId, wire::CatalogProvider> providers_;
  std::map<GroupId, wire::CatalogGroup> groups_;
  std::map<GroupId, Ledger> ledgers_;
  SnapshotMap<std::string, BlockId> names_;
  std::map<SnapshotNumber, Kept> kept_;
  std::uint64_t names_digest_ = 0;  // sum over names
};

}  // namespace juxmem

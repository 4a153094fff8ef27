// The pieces in which a snapshot of a state machine is read out: to a member that lacks the log, and to a checkpoint's file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem::wire {

// The last operation of one of a session's slots.
struct SlotRow {
  std::uint32_t slot = 0;
  std::uint64_t counter = 0;
  Reply reply;
  bool operator==(const SlotRow&) const = default;
};
// A session, or more slots of the one before. Living ones by their numbers, then expired ones, the oldest first.
struct SessionRow {
  SessionId session = 0;
  NodeId node = 0;
  std::uint64_t incarnation = 0;
  bool alive = false;
  std::vector<SlotRow> slots;
  bool operator==(const SessionRow&) const = default;
};

// ---- a group of blocks -----------------------------------------------------------------------------------------------

struct BlocksHead {
  GroupId group = 0;
  std::uint64_t next_slot = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::uint64_t reservations_from = 0;  // reservations with lower numbers add nothing
  bool operator==(const BlocksHead&) const = default;
};
struct BlockRow {
  std::uint64_t slot = 0;
  std::uint64_t size_bytes = 0;
  Version version = 0;
  Grant fence;
  std::uint64_t owner = 0;
  std::uint64_t token = 0;
  std::uint64_t content_digest = 0;
  Buffer meta;
  bool operator==(const BlockRow&) const = default;
};
// Pages of a block that come one after the other and were written.
struct PagesRow {
  std::uint64_t slot = 0;
  std::uint64_t first_page = 0;
  std::vector<Version> versions;
  Buffer data;  // whole pages
  bool operator==(const PagesRow&) const = default;
};
// A staged part of a section, or more of the one before.
struct StagedRow {
  SessionId session = 0;
  std::uint32_t slot = 0;
  std::uint64_t counter = 0;
  BlockId block = 0;
  std::uint32_t part = 0;
  std::vector<Range> ranges;
  Buffer data;
  bool more = false;  // the next row goes on
  bool operator==(const StagedRow&) const = default;
};

// ---- the root ----------------------------------------------------------------------------------------------------------

struct CatalogHead {
  std::uint32_t managers = 0;
  NodeId next_node = 0;
  GroupId next_group = 0;
  std::uint64_t version = 0;
  CatalogGroup root;
  bool operator==(const CatalogHead&) const = default;
};

// What the root knows about the memory reserved for a group.
struct LedgerRow {
  GroupId group = 0;
  Instance settled_at = 0;
  std::vector<std::uint64_t> open_numbers;  // ascending
  std::vector<std::uint64_t> open_bytes;    // one for each
  bool operator==(const LedgerRow&) const = default;
};

// ---- a piece -------------------------------------------------------------------------------------------------------------

// Pieces of one snapshot are taken in the order of their numbers, the lists of a piece in the order of its members.
struct SnapshotPiece {
  std::uint64_t number = 0;  // from 0
  Instance at = 0;           // everything up to here is in the state
  bool last = false;
  std::uint64_t digest = 0;  // of the whole state, in the last piece
  BlocksHead blocks_head;    // in the first piece of a group of blocks
  CatalogHead catalog_head;  // in the first piece of the root
  std::vector<SessionRow> sessions;
  std::vector<BlockRow> blocks;
  std::vector<PagesRow> pages;
  std::vector<StagedRow> staged;
  std::vector<CatalogProvider> providers;
  std::vector<CatalogGroup> groups;
  std::vector<LedgerRow> ledgers;
  std::vector<NameRow> names;
  bool operator==(const SnapshotPiece&) const = default;
};

}  // namespace juxmem::wire

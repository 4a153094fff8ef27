// What log entries command, and what the state machines answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/one_of.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"

namespace juxmem::wire {

// ---- every group, the root included -----------------------------------------------------------------------

// Registers an agent's life with the group; the entry's instance becomes the session's number.
struct OpenSession {
  NodeId node = 0;
  std::uint64_t incarnation = 0;
  bool operator==(const OpenSession&) const = default;
};
// Proposed by the coordinator when a lease has run out.
struct ExpireSession {
  SessionId session = 0;
  bool operator==(const ExpireSession&) const = default;
};

// ---- groups that hold blocks --------------------------------------------------------------------------------

struct Allocate {
  std::uint64_t size_bytes = 0;
  std::uint64_t added_quota_bytes = 0;  // what the agent reserved in the root for this, and
  std::uint64_t reservation = 0;        // the number of the oldest reservation in it
  std::uint64_t owner = 0;              // the client's uid and
  std::uint64_t token = 0;              // its number of this allocation: asked twice, one block
  Buffer meta;                          // what the user wants kept with the block
  bool operator==(const Allocate&) const = default;
};
struct Free {
  BlockId block = 0;
  bool operator==(const Free&) const = default;
};
// `size_bytes` bytes at `offset` of the block; their bytes lie in the entry's data in the order of the list.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  bool operator==(const Range&) const = default;
};
struct Publish {
  BlockId block = 0;
  Grant grant;
  std::vector<Range> ranges;
  bool operator==(const Publish&) const = default;
};
// One part of a large section; not visible. Not an operation of its own: idempotent by (op, part).
struct Stage {
  BlockId block = 0;
  std::uint32_t part = 0;  // from 0
  std::vector<Range> ranges;
  bool operator==(const Stage&) const = default;
};
// Makes all parts staged under the same operation visible at this instance.
struct Install {
  BlockId block = 0;
  Grant grant;
  std::uint32_t parts = 0;
  std::uint64_t digest = 0;  // SectionDigest over all parts in order; 0 = not given
  bool operator==(const Install&) const = default;
};
// The section is given up: its staged parts are dropped, and its operation is used up (its reply is kOwnerDead).
struct Unstage {
  BlockId block = 0;
  bool operator==(const Unstage&) const = default;
};
// Gives back quota beyond what is used plus `keep_bytes`; the reply tells how much.
struct ShrinkQuota {
  std::uint64_t keep_bytes = 0;
  bool operator==(const ShrinkQuota&) const = default;
};

// Reservations numbered up to `up_to` that nobody has spent add nothing any more. The reply tells the quota that is left.
struct CloseReservations {
  std::uint64_t up_to = 0;
  bool operator==(const CloseReservations&) const = default;
};

// ---- the root's catalog -------------------------------------------------------------------------------------

struct JoinProvider {
  std::string name;
  std::string site;
  std::string address;
  std::uint64_t incarnation = 0;
  std::uint64_t capacity_bytes = 0;
  bool manager = false;
  NodeId node = 0;                 // wanted number (managers, and providers that have a data folder with one), 0 = any
  std::uint64_t store = 0;         // of its data folder; 0 = it has none
  bool whole = false;              // everything the folder ever held of its groups is there
  std::vector<GroupId> kept = {};  // groups of which everything is there
  bool operator==(const JoinProvider&) const = default;
};
struct LeaveProvider {
  NodeId node = 0;
  bool operator==(const LeaveProvider&) const = default;
};
struct ProviderState {
  NodeId node = 0;
  bool up = false;
  bool operator==(const ProviderState&) const = default;
};
// The provider shall be emptied (or not any more): its groups move to others.
struct DrainProvider {
  NodeId node = 0;
  bool draining = false;
  bool operator==(const DrainProvider&) const = default;
};
struct CreateGroup {
  Shape shape;
  Durability durability = Durability::kMemory;
  NodeId prefer = 0;                // member and first coordinator where the shape allows it
  std::uint64_t reserve_bytes = 0;  // reserved for it at once
  bool operator==(const CreateGroup&) const = default;
};
struct Reserve {
  GroupId group = 0;
  std::uint64_t bytes = 0;
  bool operator==(const Reserve&) const = default;
};
struct Unreserve {
  GroupId group = 0;
  std::uint64_t bytes = 0;
  Instance at = 0;  // of the group's log, where it let go of them; nothing happens if a later place is settled already
  bool operator==(const Unreserve&) const = default;
};
// At `at` of its log the group had closed all reservations up to `up_to` and had this quota: what else was reserved for it until then
// is nobody's. Places settled already change nothing.
struct SettleQuota {
  GroupId group = 0;
  Instance at = 0;
  std::uint64_t up_to = 0;
  std::uint64_t quota_bytes = 0;
  bool operator==(const SettleQuota&) const = default;
};
// The intent to give the group other members: kept until the group has moved, so that whoever coordinates group or root next carries it
// on. Another one for the same epoch takes its place; no members: the intent is given up.
struct MoveGroup {
  GroupId group = 0;
  std::uint32_t epoch = 0;   // the present one
  std::vector<NodeId> next;  // members of the next one
  bool asked = false;        // by people: the healer leaves it alone
  bool operator==(const MoveGroup&) const = default;
};
// The group has entered this epoch.
struct GroupMoved {
  GroupId group = 0;
  std::uint32_t epoch = 0;
  std::vector<NodeId> members;  // the preferred coordinator first
  bool operator==(const GroupMoved&) const = default;
};
struct PublishName {
  std::string name;
  BlockId block = 0;
  bool operator==(const PublishName&) const = default;
};
struct UnpublishName {
  std::string name;
  bool operator==(const UnpublishName&) const = default;
};

JUXMEM_ONE_OF(Action, OpenSession, ExpireSession, Allocate, Free, Publish, Stage, Install, Unstage, ShrinkQuota,
              CloseReservations, JoinProvider, LeaveProvider, ProviderState, DrainProvider, CreateGroup, Reserve, Unreserve,
              SettleQuota, MoveGroup, GroupMoved, PublishName, UnpublishName);

// The head of a log entry. `op` is empty (counter 0) for what is idempotent by itself: OpenSession, ExpireSession,
// JoinProvider, LeaveProvider, ProviderState, DrainProvider, MoveGroup, GroupMoved.
struct Command {
  OpId op;
  Action action;
  bool operator==(const Command&) const = default;
};

// What applying a command answered; kept with the operation's slot.
struct Reply {
  Code code = Code::kOk;
  std::string detail;
  SessionId session = 0;     // OpenSession
  BlockId block = 0;         // Allocate
  Version version = 0;       // Publish, Install: the block's new version; Reserve, CreateGroup: the reservation's number;
                             // ShrinkQuota, CloseReservations: the instance
  std::uint64_t amount = 0;  // Reserve, Allocate: quota still free; ShrinkQuota: bytes given back;
                             // CloseReservations: the quota
  std::uint32_t number = 0;  // CreateGroup: the group; JoinProvider: the node
  bool operator==(const Reply&) const = default;
};

}  // namespace juxmem::wire

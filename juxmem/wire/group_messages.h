// What agents, coordinators, managers and providers say to each other beside the stream's own messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/one_of.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem::wire {

// ---- operations: agent to the group's coordinator ---------------------------------------------------------------

// Put this command into the group's stream. `tag` is the agent's own number of the request, echoed.
struct Propose {
  GroupId group = 0;
  std::uint64_t tag = 0;
  Buffer command;  // an encoded Command
  Buffer data;
  bool operator==(const Propose&) const = default;
};
struct Executed {
  GroupId group = 0;
  std::uint64_t tag = 0;
  Instance instance = 0;
  Reply reply;
  Ballot ballot;  // under which everything up to `instance` was decided; empty: not known
  bool operator==(const Executed&) const = default;
};
// "I do not lead this group": ask `coordinator` (0 = unknown, ask again later).
struct Redirect {
  GroupId group = 0;
  std::uint64_t tag = 0;
  NodeId coordinator = 0;
  std::uint32_t epoch = 0;  // the group's present epoch as far as known; 0 = group unknown here
  bool operator==(const Redirect&) const = default;
};
// What became of an operation whose agent is gone? Answered by Executed: its reply, or kOwnerDead once its session
// has expired without it.
struct Outcome {
  GroupId group = 0;
  std::uint64_t tag = 0;
  OpId op;
  bool operator==(const Outcome&) const = default;
};

// ---- sessions' leases ----------------------------------------------------------------------------------------------

struct RenewSession {
  GroupId group = 0;
  SessionId session = 0;
  TimeNs sent_at = 0;  // the agent's clock, echoed
  bool operator==(const RenewSession&) const = default;
};
struct SessionRenewed {
  GroupId group = 0;
  SessionId session = 0;
  TimeNs sent_at = 0;
  bool alive = false;  // false: expired or unknown; open a new one
  Ballot ballot;       // of the coordinator that renews
  std::int64_t lease_ms = 0;
  bool operator==(const SessionRenewed&) const = default;
};

// ---- ownership: agent and directory (PROTOCOLS section 3) ------------------------------------------------------------

struct RequestOwnership {
  BlockId block = 0;
  SessionId session = 0;
  Mode mode = Mode::kNone;
  std::uint64_t request = 0;  // the agent's number, growing: a repeated request carries the same
  bool try_only = false;      // answer kBusy instead of waiting for holders that use the block
  bool operator==(const RequestOwnership&) const = default;
};
struct Granted {
  BlockId block = 0;
  SessionId session = 0;
  Mode mode = Mode::kNone;
  std::uint64_t request = 0;
  Grant grant;
  Ballot ballot;        // of the coordinator that says so (a repeated grant may be older than it)
  Version version = 0;  // of the block at the grant
  std::uint64_t size_bytes = 0;
  Code code = Code::kOk;  // kNotFound: no such block; kBusy: in use (try_only); nothing is granted
  bool operator==(const Granted&) const = default;
};
// The holder shall fall back to `keep` (none or shared) when its local users have released.
struct Recall {
  BlockId block = 0;
  SessionId session = 0;
  Grant grant;
  Mode keep = Mode::kNone;
  bool try_only = false;  // a holder that uses the block says so by yielding nothing, and may forget the recall
  bool operator==(const Recall&) const = default;
};
// The holder falls back to `keep`; not less than it has: it yields nothing, because the block is in use.
struct Yield {
  BlockId block = 0;
  SessionId session = 0;
  Grant grant;
  Mode keep = Mode::kNone;
  bool operator==(const Yield&) const = default;
};
// A new coordinator asks every live session for what it holds.
struct Reregister {
  GroupId group = 0;
  SessionId session = 0;
  Ballot ballot;
  bool operator==(const Reregister&) const = default;
};
struct Holding {
  BlockId block = 0;
  Mode mode = Mode::kNone;
  Grant grant;
  bool operator==(const Holding&) const = default;
};
struct HoldingsReply {
  GroupId group = 0;
  SessionId session = 0;
  Ballot ballot;  // of the Reregister answered
  std::vector<Holding> holdings;
  bool operator==(const HoldingsReply&) const = default;
};

// ---- data ------------------------------------------------------------------------------------------------------------

// The pages of [offset, offset + size) of the block newer than `since`, from a replica that has applied `at_least`.
struct ReadPages {
  BlockId block = 0;
  std::uint64_t tag = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  Version since = 0;
  Version at_least = 0;
  bool operator==(const ReadPages&) const = default;
};
struct PagesReply {
  BlockId block = 0;
  std::uint64_t tag = 0;
  Code code = Code::kOk;
  Version version = 0;              // the block's version at the replica
  std::vector<Range> ranges;        // whole pages (the block's last one may be short), in order
  std::vector<Buffer> data;         // one per range
  std::uint64_t covered_bytes = 0;  // answered for [offset, offset + covered); ask again for the rest
  bool operator==(const PagesReply&) const = default;
};
// Facts of a block, answered by the coordinator under its lease.
struct ReadBlock {
  BlockId block = 0;
  std::uint64_t tag = 0;
  bool operator==(const ReadBlock&) const = default;
};
struct BlockFacts {
  BlockId block = 0;
  std::uint64_t tag = 0;
  Code code = Code::kOk;
  std::uint64_t size_bytes = 0;
  Version version = 0;
  Buffer meta;
  bool operator==(const BlockFacts&) const = default;
};
// Tell me once the block's version is newer than `than`; kept until answered or `until_ms` has passed.
struct WatchBlock {
  BlockId block = 0;
  Version than = 0;
  std::uint32_t for_ms = 0;
  bool operator==(const WatchBlock&) const = default;
};
struct BlockChanged {
  BlockId block = 0;
  Version version = 0;
  Code code = Code::kOk;  // kNotFound: freed
  bool operator==(const BlockChanged&) const = default;
};

// ---- snapshots: a member that lacks entries nobody keeps, and one that has the state --------------------------------------

// Piece `piece` of that snapshot. Snapshot 0: the first piece of any that reaches at least to `at_least`.
struct ReadSnapshot {
  GroupId group = 0;
  std::uint32_t epoch = 0;     // of the asker; others' states do not fit its log
  std::uint64_t snapshot = 0;  // the server's number
  std::uint64_t piece = 0;
  Instance at_least = 0;
  Instance since = 0;  // the asker has the state at this place: pages that have not changed since then may be left out
  bool operator==(const ReadSnapshot&) const = default;
};
struct SnapshotReply {
  GroupId group = 0;
  Code code = Code::kOk;  // kTryAgain: none that reaches so far; kSnapshotGone: not this one any more
  std::uint64_t snapshot = 0;
  std::uint64_t piece = 0;
  Instance at = 0;
  bool last = false;
  std::uint32_t percent = 0;  // of the state, up to the end of this piece
  Instance since = 0;         // it only has what has changed since then; 0: the whole state
  Buffer data;                // an encoded SnapshotPiece
  bool operator==(const SnapshotReply&) const = default;
};

// ---- learners: those who are to be members of the next epoch follow the present one ---------------------------------------

// The learner has the state after `after`, or is getting it (`has_state` false). To the member it learns from: what is decided next
// (`wants_entries`). To the others: keep what comes then.
struct ReadLog {
  GroupId group = 0;
  std::uint32_t epoch = 0;
  Instance after = 0;
  bool has_state = false;
  bool wants_entries = false;
  bool operator==(const ReadLog&) const = default;
};
struct LogReply {
  GroupId group = 0;
  std::uint32_t epoch = 0;
  Code code = Code::kOk;       // kTryAgain: cannot tell now; kSnapshotGone: these entries are not kept any more; kWrongEpoch
  Instance after = 0;          // of the question
  std::vector<Entry> entries;  // decided, the first one at after + 1; the Stop also to who has applied it (after == decided)
  Instance decided = 0;        // as far as the member knows
  bool operator==(const LogReply&) const = default;
};

// ---- root ----------------------------------------------------------------------------------------------------------------

// Managers at the first start: the same list, one incarnation each.
struct ManagerHello {
  std::string address;
  std::uint64_t incarnation = 0;
  std::uint64_t list_digest = 0;       // of the sorted list of managers' addresses
  bool established = false;            // the sender's root stream runs: `members` is binding
  std::vector<std::uint64_t> members;  // incarnations in the order of the list, as far as known (0 = unknown)
  bool answer_wanted = false;
  bool stored = false;     // the sender keeps its part of the root's log in a data folder
  std::uint64_t grid = 0;  // of a stored sender that is established: the grid's own number
  bool operator==(const ManagerHello&) const = default;
};
// A provider asks any manager to be taken in; answered by Joined or Redirect(kRootGroup).
struct Join {
  JoinProvider provider;
  std::uint64_t grid = 0;  // to which its data folder belongs; 0 = to none yet
  bool operator==(const Join&) const = default;
};
struct Joined {
  Code code = Code::kOk;
  std::string detail;
  NodeId node = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t grid = 0;  // the grid's own number
  bool operator==(const Joined&) const = default;
};
// A provider's sign of life to the root's coordinator.
struct Report {
  NodeId node = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t progress = 0;  // grows while its lane and logs move
  bool operator==(const Report&) const = default;
};
// "Send me the catalog whenever it is newer than `have`."
struct WatchCatalog {
  std::uint64_t have = 0;
  bool operator==(const WatchCatalog&) const = default;
};
struct CatalogProvider {
  NodeId node = 0;
  std::string name;
  std::string site;
  std::string address;
  std::uint64_t incarnation = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t reserved_bytes = 0;
  bool up = true;
  bool manager = false;
  bool draining = false;    // takes nothing new in, and its groups move away
  std::uint64_t store = 0;  // of its data folder; 0 = it has none
  bool operator==(const CatalogProvider&) const = default;
};
struct CatalogGroup {
  GroupId group = 0;
  std::uint32_t epoch = 1;
  Shape shape;
  Durability durability = Durability::kMemory;
  std::vector<NodeId> members;  // the preferred coordinator first
  std::uint64_t reserved_bytes = 0;
  std::vector<NodeId> next;         // intended members of the next epoch; empty: no change is intended
  std::vector<NodeId> held;         // no members, but were intended to be in this epoch: the memory is reserved there, too
  bool asked = false;               // people want `next`, whatever the healer thinks
  std::vector<NodeId> vacant = {};  // members that have forgotten what they voted, and
  std::vector<std::uint32_t> vacant_until = {};  // one for each: the first epoch in which they vote again
  bool lost = false;                             // so many members have forgotten that nobody can tell the group's content
  bool operator==(const CatalogGroup&) const = default;
};
// A group's coordinator to the managers: the group has entered this epoch. Repeated until the catalog says so.
struct ReportGroup {
  GroupId group = 0;
  std::uint32_t epoch = 0;
  std::vector<NodeId> members;
  bool operator==(const ReportGroup&) const = default;
};
struct CatalogSnapshot {
  std::uint64_t version = 0;  // instance of the root's stream that last changed it
  std::vector<CatalogProvider> providers;
  std::vector<CatalogGroup> groups;
  CatalogGroup root;  // the managers: members and epochs of the root itself
  bool operator==(const CatalogSnapshot&) const = default;
};
// Who the managers are: the answer of whoever does not lead the root to those who must find them.
struct ManagerList {
  std::uint64_t tag = 0;   // of the question, if it has one
  NodeId coordinator = 0;  // of the root; 0 = not known
  std::vector<NodeId> nodes;
  std::vector<std::string> addresses;  // one for each
  std::uint64_t grid = 0;              // to which the sender belongs; 0 = to none yet
  std::string provider;                // the sender's name
  bool keeps_root = false;             // the sender is a manager itself
  std::uint32_t seat_epoch = 0;  // the asker is a member of the root's epoch with these managers; 0 = not as far as is known
  bool operator==(const ManagerList&) const = default;
};
// Names, read at the root's coordinator under its lease.
struct ReadNames {
  std::uint64_t tag = 0;
  std::string name;  // exact name, or prefix if `list`
  bool list = false;
  std::string after;  // list only names after this one
  std::uint32_t limit = 0;
  bool operator==(const ReadNames&) const = default;
};
struct NameRow {
  std::string name;
  BlockId block = 0;
  bool operator==(const NameRow&) const = default;
};
struct NamesReply {
  std::uint64_t tag = 0;
  Code code = Code::kOk;
  std::vector<NameRow> rows;
  bool more = false;
  bool operator==(const NamesReply&) const = default;
};
// How new the catalog is, read at the root's coordinator under its lease: whoever has this version knows every group.
struct ReadCatalogVersion {
  std::uint64_t tag = 0;
  bool operator==(const ReadCatalogVersion&) const = default;
};
struct CatalogVersion {
  std::uint64_t tag = 0;
  std::uint64_t version = 0;
  bool operator==(const CatalogVersion&) const = default;
};

// ---- administration ----------------------------------------------------------------------------------------------------------

// Wishes of people go to the root's coordinator, which answers by AdminReply; everybody else answers by ManagerList.

// The provider shall be emptied before it is switched off; `cancel`: not any more.
struct DrainRequest {
  std::uint64_t tag = 0;
  std::string provider;  // by name
  bool cancel = false;
  bool operator==(const DrainRequest&) const = default;
};
// The group's copy on one provider shall be kept by another one.
struct MoveRequest {
  std::uint64_t tag = 0;
  GroupId group = 0;
  std::string from;  // providers by name
  std::string to;
  bool operator==(const MoveRequest&) const = default;
};
struct AdminReply {
  std::uint64_t tag = 0;
  Code code = Code::kOk;  // kNotFound: no group or provider of that name; kTryAgain: not now
  std::string detail;
  bool operator==(const AdminReply&) const = default;
};

// ---- status ------------------------------------------------------------------------------------------------------------------

struct GroupMemberStatus {
  NodeId node = 0;
  Instance applied = 0;
  bool heard = false;   // within the last lease
  bool relays = false;  // passes entries on to the others of its site
  bool operator==(const GroupMemberStatus&) const = default;
};
// A member that fetches the state from another one.
struct CatchUpStatus {
  NodeId node = 0;
  std::uint32_t percent = 0;
  bool operator==(const CatchUpStatus&) const = default;
};
struct GroupStatus {
  GroupId group = 0;
  std::uint32_t epoch = 1;
  NodeId reporter = 0;
  NodeId coordinator = 0;  // as the reporter knows; 0 = none
  Ballot ballot;
  Instance decided = 0;
  std::uint64_t blocks = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::uint64_t sessions = 0;
  SiteId writers_site = 0;            // most of the last proposals came from there, as the coordinator saw; 0 = none came
  std::uint32_t writers_percent = 0;  // as many of them
  std::vector<GroupMemberStatus> members;  // filled by the coordinator
  std::vector<CatchUpStatus> catching_up;  // filled by these members
  bool operator==(const GroupStatus&) const = default;
};
struct ProviderStatus {
  NodeId node = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t clients = 0;
  std::uint64_t garbage_packets = 0;
  std::uint64_t dropped_packets = 0;
  TimeNs uptime = 0;
  std::uint64_t log_bytes = 0;  // of its write-ahead log; 0: it has no data folder
  Code disk = Code::kOk;        // what is wrong with the data folder
  bool operator==(const ProviderStatus&) const = default;
};
// To one provider for what it knows itself (`gather` false) or for the whole grid (true).
struct StatusRequest {
  std::uint64_t tag = 0;
  bool gather = false;
  bool operator==(const StatusRequest&) const = default;
};
struct StatusReply {
  std::uint64_t tag = 0;
  Code code = Code::kOk;
  std::string version;  // of the software
  NodeId answered_by = 0;
  CatalogSnapshot catalog;
  std::vector<ProviderStatus> providers;  // that answered in time
  std::vector<GroupStatus> groups;
  bool operator==(const StatusReply&) const = default;
};

JUXMEM_ONE_OF(GroupMessage, Propose, Executed, Redirect, Outcome, RenewSession, SessionRenewed, RequestOwnership, Granted,
              Recall, Yield, Reregister, HoldingsReply, ReadPages, PagesReply, ReadBlock, BlockFacts, WatchBlock,
              BlockChanged, ReadSnapshot, SnapshotReply, ReadLog, LogReply, ManagerHello, Join, Joined, Report, WatchCatalog,
              ReportGroup, CatalogSnapshot, ManagerList, ReadNames, NamesReply, ReadCatalogVersion, CatalogVersion,
              DrainRequest, MoveRequest, AdminReply, StatusRequest, StatusReply);

}  // namespace juxmem::wire

// What the acceptors of one stream say to each other (DESIGN section 4, PROTOCOLS section 1).
#pragma once

#include <cstdint>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/one_of.h"
#include "juxmem/base/types.h"

namespace juxmem::wire {

enum class EntryKind : std::uint8_t { kNoop = 0, kCommand = 1, kDigest = 2, kStop = 3 };

// One decided or proposed entry. `command` is an encoded wire::Command, `data` its bulk bytes; both travel
// unchanged from the agent that made them.
struct Entry {
  Ballot ballot;
  EntryKind kind = EntryKind::kNoop;
  Buffer command;
  Buffer data;
  std::uint64_t size_bytes() const { return command.size() + data.size(); }
  bool operator==(const Entry&) const = default;
};

// Phase 0: would you follow me? Changes no state.
struct PreVote {
  StreamId stream;
  std::uint64_t round = 0;  // the round the asker would use
  Instance decided = 0;
  bool operator==(const PreVote&) const = default;
};
struct PreVoteReply {
  StreamId stream;
  std::uint64_t round = 0;
  bool agreed = false;
  Ballot promised;  // what the answering acceptor has promised
  bool operator==(const PreVoteReply&) const = default;
};

// Phase 1.
struct Prepare {
  StreamId stream;
  Ballot ballot;
  Instance decided = 0;  // the asker needs no entries up to here; asked again, what it got of the answer
  Ballot released;       // the coordinator of this ballot handed its role over: its lease does not bind
  TimeNs sent_at = 0;    // the asker's clock; comes back in the answer
  bool operator==(const Prepare&) const = default;
};
struct Promise {
  StreamId stream;
  Ballot ballot;
  Instance decided = 0;
  Instance first = 0;          // instance of entries[0]: the one after the asker's `decided`
  std::vector<Entry> entries;  // what the acceptor holds from `first` on; ballot 0.0 = nothing there
  bool last = true;            // false: it holds more, to be asked for by a further Prepare
  TimeNs sent_at = 0;          // of the Prepare: grants the lease from then
  TimeNs quiet_ns = 0;         // for so long this acceptor has granted no lease to others
  bool operator==(const Promise&) const = default;
};

// Phase 2.
struct Accept {
  StreamId stream;
  Ballot ballot;
  Instance first = 0;
  std::vector<Entry> entries;  // their ballot is `ballot`
  Instance decided = 0;
  Instance keep_from = 0;            // nobody needs the entries before this any more
  TimeNs sent_at = 0;                // the coordinator's clock; comes back in the answer
  NodeId relay = 0;                  // who passed it on and takes the answer; 0 = the coordinator itself
  std::vector<NodeId> pass_to = {};  // members of the receiver's site: it passes this on to them and answers for all
  bool operator==(const Accept&) const = default;
};
struct Accepted {
  StreamId stream;
  Ballot ballot;
  Instance up_to = 0;    // everything up to here is held under `ballot` (or decided)
  Instance decided = 0;  // how far the acceptor knows the decisions
  TimeNs sent_at = 0;    // of the message answered: grants the lease from then
  bool is_full = false;  // soon there is no room for further entries on the acceptor's disk
  bool operator==(const Accepted&) const = default;
};

// How far the members of one site have accepted, told together by their relay. Each row is what that member answered, to be counted
// for it alone.
struct MemberAccepted {
  NodeId node = 0;
  Instance up_to = 0;
  Instance decided = 0;
  TimeNs sent_at = 0;
  bool operator==(const MemberAccepted&) const = default;
};
struct SiteAccepted {
  StreamId stream;
  Ballot ballot;  // under which all of them have accepted
  std::vector<MemberAccepted> members;
  bool operator==(const SiteAccepted&) const = default;
};

// Keeps the lease, tells `decided` when no Accept does. Answered by Accepted.
struct Heartbeat {
  StreamId stream;
  Ballot ballot;
  Instance decided = 0;
  Instance last = 0;       // last instance proposed
  Instance keep_from = 0;  // nobody needs the entries before this any more
  TimeNs sent_at = 0;      // 0: only a notice of `decided`, no answer wanted
  bool operator==(const Heartbeat&) const = default;
};

// "I have promised something higher."
struct Nack {
  StreamId stream;
  Ballot ballot;  // of the message refused
  Ballot promised;
  bool operator==(const Nack&) const = default;
};

// The coordinator of `ballot` has given up its role and lease for good; the receiver prepares at once.
struct Transfer {
  StreamId stream;
  Ballot ballot;
  bool operator==(const Transfer&) const = default;
};

// A replica asks where a read that begins now must look; the coordinator answers while its lease holds, else not at all.
struct ReadIndex {
  StreamId stream;
  std::uint64_t tag = 0;
  bool operator==(const ReadIndex&) const = default;
};
struct ReadIndexReply {
  StreamId stream;
  std::uint64_t tag = 0;
  Ballot ballot;       // of the coordinator that answers
  Instance index = 0;  // decided under `ballot`; includes all that was acknowledged when the question came
  bool operator==(const ReadIndexReply&) const = default;
};

// The stream's epoch is over: everything up to `end`, which is a Stop, is decided. To a member that does not know it; answered by
// Accepted when it has all entries, by PreVote when it needs more of them.
struct Ended {
  StreamId stream;
  Ballot ballot;               // the sender has promised this one; nothing decided is of a higher one
  Instance first = 0;          // instance of entries[0]
  std::vector<Entry> entries;  // decided
  Instance end = 0;
  bool operator==(const Ended&) const = default;
};

JUXMEM_ONE_OF(StreamMessage, PreVote, PreVoteReply, Prepare, Promise, Accept, Accepted, Heartbeat, Nack, Transfer, ReadIndex,
              ReadIndexReply, Ended, SiteAccepted);

}  // namespace juxmem::wire

// What a client and its agent say to each other. Every request carries the client's growing number `request`; the answer
// echoes it. A request sent again with the same number is not executed again: its answer is repeated. `confirmed` on
// every request: answers to all requests up to it have arrived.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/one_of.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"

namespace juxmem::wire {

// First message on a connection, and repeated until answered.
struct ClientHello {
  std::uint64_t client = 0;  // random uid of this client's life
  std::string program;       // for people: name and pid
  bool operator==(const ClientHello&) const = default;
};
struct ProviderAddress {
  NodeId node = 0;
  std::string site;
  std::string address;
  bool up = true;
  bool operator==(const ProviderAddress&) const = default;
};
struct ClientWelcome {
  std::uint64_t client = 0;
  Code code = Code::kOk;  // kTryAgain: the provider has not joined its grid yet
  std::string detail;
  NodeId agent = 0;
  std::uint64_t incarnation = 0;  // of the agent: another one means that held sections are lost
  std::string site;
  std::vector<ProviderAddress> providers;  // where to go when this agent dies
  std::int64_t client_lease_ms = 0;
  bool operator==(const ClientWelcome&) const = default;
};
// Sign of life, and the repair of what was lost on the way. Requests up to `last` have been issued; of these, the answers to
// all but those in `open` have arrived, so they need not be kept. A section whose AcquireRequest is up to `last`, not in `open`,
// and which is not in `held`, has been released: the agent lets go of it (a release without answer may get lost).
struct ClientBeat {
  std::uint64_t client = 0;
  std::uint64_t confirmed = 0;      // answers to all requests up to it have arrived
  std::uint64_t last = 0;           // the highest request number issued
  std::vector<std::uint64_t> open;  // requests still without answer, ascending
  std::vector<std::uint64_t> held;  // sections held or being released, ascending
  bool operator==(const ClientBeat&) const = default;
};
// known = false: the agent has never heard of this client or has given it up; say Hello again.
struct AgentBeat {
  std::uint64_t client = 0;
  bool known = true;
  bool operator==(const AgentBeat&) const = default;
};
struct ClientGoodbye {
  std::uint64_t client = 0;
  bool operator==(const ClientGoodbye&) const = default;
};

// ---- requests ---------------------------------------------------------------------------------------------------------

struct MallocRequest {
  std::uint64_t size_bytes = 0;
  Shape shape;
  Durability durability = Durability::kMemory;
  std::uint64_t token = 0;  // the client's number of this allocation
  Buffer meta;
  bool operator==(const MallocRequest&) const = default;
};
struct FreeRequest {
  BlockId block = 0;
  bool operator==(const FreeRequest&) const = default;
};
struct StatRequest {
  BlockId block = 0;
  bool operator==(const StatRequest&) const = default;
};
// Takes the block. `have`: the version of the pages the client holds of [offset, offset + size).
struct AcquireRequest {
  BlockId block = 0;
  Mode mode = Mode::kNone;
  bool try_only = false;
  Version have = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;  // 0: no pages wanted
  bool operator==(const AcquireRequest&) const = default;
};
// More pages of a section held.
struct SectionPagesRequest {
  std::uint64_t section = 0;
  Version since = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  bool operator==(const SectionPagesRequest&) const = default;
};
// Ends a section, publishing `data` at `ranges` if there are any. A large release comes in several messages: all but the
// last have `more` set, each its own `part` from 0.
struct ReleaseRequest {
  std::uint64_t section = 0;
  BlockId block = 0;
  std::uint32_t part = 0;
  bool more = false;
  bool answer = true;  // false: nothing was written and nobody waits for the answer
  std::vector<Range> ranges;
  std::vector<Buffer> data;  // one per range
  bool operator==(const ReleaseRequest&) const = default;
};
struct ReadRequest {
  BlockId block = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  bool operator==(const ReadRequest&) const = default;
};
// A whole section in one message: exclusive, write, release.
struct WriteRequest {
  BlockId block = 0;
  std::uint64_t offset = 0;
  Buffer data;
  OpId op;  // what this write will be, if the answer to the last one in this group told it
  bool operator==(const WriteRequest&) const = default;
};
// What became of a release whose agent died.
struct OutcomeRequest {
  BlockId block = 0;
  OpId op;
  bool operator==(const OutcomeRequest&) const = default;
};
struct WaitRequest {
  BlockId block = 0;
  Version than = 0;
  bool operator==(const WaitRequest&) const = default;
};
struct NameRequest {  // publish (block != 0) or unpublish
  std::string name;
  BlockId block = 0;
  bool operator==(const NameRequest&) const = default;
};
struct LookupRequest {
  std::string name;
  bool list = false;
  std::string after;
  std::uint32_t limit = 0;
  bool operator==(const LookupRequest&) const = default;
};
// The caller no longer waits for the request of this number.
struct CancelRequest {
  std::uint64_t cancelled = 0;
  bool operator==(const CancelRequest&) const = default;
};

JUXMEM_ONE_OF(ClientRequestBody, MallocRequest, FreeRequest, StatRequest, AcquireRequest, SectionPagesRequest,
              ReleaseRequest, ReadRequest, WriteRequest, OutcomeRequest, WaitRequest, NameRequest, LookupRequest,
              CancelRequest);

struct ClientRequest {
  std::uint64_t client = 0;
  std::uint64_t request = 0;    // from 1, growing
  std::uint64_t confirmed = 0;  // all answers up to this request have arrived
  std::uint32_t limit_ms = 0;   // how long the client will wait; at most kTimeoutMsMax
  ClientRequestBody body;
  bool operator==(const ClientRequest&) const = default;
};

// The operation that a write has become, told before it is proposed: should the agent die, another one can say what became of it.
struct OperationNumber {
  std::uint64_t client = 0;
  std::uint64_t request = 0;
  OpId op;
  bool operator==(const OperationNumber&) const = default;
};

// One answer for every kind of request; what does not apply is empty.
struct ClientAnswer {
  std::uint64_t client = 0;
  std::uint64_t request = 0;
  Code code = Code::kOk;
  std::string detail;
  BlockId block = 0;             // malloc, lookup
  std::uint64_t size_bytes = 0;  // stat, acquire: the block's size
  Version version = 0;           // stat, acquire, wait; release and write: the new version
  std::uint64_t section = 0;     // acquire
  OpId op;      // acquire (exclusive): the operation its release will be; write: that of the next write in this group
  Buffer meta;  // stat
  Shape shape;  // stat: of the block's group
  std::uint64_t covered_bytes = 0;              // acquire, pages, read: answered for so many bytes from the offset asked
  std::vector<Range> ranges;                    // acquire, pages, read
  std::vector<Buffer> data;                     // one per range
  std::vector<std::string> names;               // list
  std::vector<BlockId> blocks;                  // list: one per name
  bool more = false;                            // list
  Durability durability = Durability::kMemory;  // stat
  bool operator==(const ClientAnswer&) const = default;
};

JUXMEM_ONE_OF(ClientMessage, ClientHello, ClientWelcome, ClientBeat, AgentBeat, ClientGoodbye, ClientRequest,
              OperationNumber, ClientAnswer);

}  // namespace juxmem::wire

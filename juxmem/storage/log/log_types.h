// What a node's log keeps, and how its places are numbered.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

#include "juxmem/base/buffer.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// Number of a record in its node's log, from 1 and growing; 0 = none.
using Lsn = std::uint64_t;

// Whose log it is. A node that starts without its log takes a new incarnation.
struct LogIdentity {
  std::uint64_t grid = 0;
  NodeId node = 0;
  std::uint64_t incarnation = 0;
  bool operator==(const LogIdentity&) const = default;
};

// The stream is kept here from now on; the bytes are its owner's.
struct OpenedRecord {
  Buffer configuration;
  bool operator==(const OpenedRecord&) const = default;
};
// This acceptor accepts nothing below the ballot.
struct PromiseRecord {
  Ballot ballot;
  bool operator==(const PromiseRecord&) const = default;
};
struct AcceptedRecord {
  Instance instance = 0;
  wire::Entry entry;
  bool operator==(const AcceptedRecord&) const = default;
};
// Everything up to `decided` is decided; nobody needs what lies before `keep_from`.
struct DecidedRecord {
  Instance decided = 0;
  Instance keep_from = 0;
  bool operator==(const DecidedRecord&) const = default;
};
// The checkpoint of this instance is complete and stable.
struct CheckpointRecord {
  Instance instance = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t digest = 0;
  bool operator==(const CheckpointRecord&) const = default;
};
// The stream's records before this place are not needed any more.
struct ReleasedRecord {
  Lsn before = 0;
  bool operator==(const ReleasedRecord&) const = default;
};
// The stream is not kept here any more.
struct RemovedRecord {
  bool operator==(const RemovedRecord&) const = default;
};

using LogBody = std::variant<OpenedRecord, PromiseRecord, AcceptedRecord, DecidedRecord, CheckpointRecord, ReleasedRecord,
                             RemovedRecord>;

struct LogRecord {
  StreamId stream;
  LogBody body;
  bool operator==(const LogRecord&) const = default;
};

// As it stands in the log.
struct PlacedRecord {
  Lsn lsn = 0;
  Lsn previous = 0;  // the same stream's record before this one; 0 = its first
  LogRecord record;
  bool operator==(const PlacedRecord&) const = default;
};

// [first, last]
struct LsnRange {
  Lsn first = 0;
  Lsn last = 0;
  bool contains(Lsn lsn) const { return first <= lsn && lsn <= last; }
  bool operator==(const LsnRange&) const = default;
};

// "accepted 3.1 instance 17, 120 bytes"
std::string to_string(const LogRecord& record);
std::string to_string(const LogIdentity& identity);

}  // namespace juxmem

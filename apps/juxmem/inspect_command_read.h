// What `juxmem inspect` finds in a folder or file, before anybody prints it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/storage/log/checkpoint_codec.h"
#include "juxmem/storage/log/log_recovery.h"

namespace juxmem {

// One stream as its records tell it.
struct StreamFacts {
  std::uint64_t records = 0;
  Ballot promised;
  Instance accepted = 0;  // the highest
  Instance decided = 0;
  Instance checkpoint = 0;  // 0 = none
};

struct InspectedLog {
  LogReport report;
  std::map<StreamId, StreamFacts> streams;
  std::map<std::uint64_t, std::uint64_t> segments;  // number -> bytes
  std::map<std::uint64_t, Lsn> first_lsns;
  std::uint64_t prepared = 0;  // of the segments, still empty
  Lsn next_lsn = 1;
};

struct InspectedCheckpoint {
  std::string name;
  std::uint64_t size_bytes = 0;
  std::optional<wal::CheckpointHeader> header;
  std::uint64_t pieces = 0;
  std::optional<Error> problem;
};

// A segment by itself, without the others.
struct InspectedSegment {
  wal::SegmentHeader header;
  wal::SegmentFindings findings;
};

struct Inspection {
  std::string path;
  bool in_use = false;  // a provider runs on the folder
  std::optional<InspectedLog> log;
  std::optional<InspectedSegment> segment;
  std::vector<InspectedCheckpoint> checkpoints;
  std::vector<std::string> unfinished;  // checkpoints that were never finished: harmless

  // Something is wrong that a healthy node's crash does not explain.
  bool has_faults() const;
};

using RecordSink = std::function<void(const PlacedRecord&)>;

// Reads a node's folder, one segment or one checkpoint; changes nothing and takes no lock, so a running provider is not
// disturbed. `sink` gets the records. kNotFound: there is nothing of the kind; kNotSupported: another version of the format;
// kIo.
Result<Inspection> inspect(const std::string& path, const RecordSink& sink);

}  // namespace juxmem

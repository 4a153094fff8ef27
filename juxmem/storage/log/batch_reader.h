// Reads the records of a batch, also of one with holes.
#pragma once

#include <optional>
#include <vector>

#include "juxmem/storage/log/log_types.h"
#include "juxmem/storage/log/segment_scan.h"

namespace juxmem::wal {

struct BatchContents {
  std::optional<BatchHead> head;      // nothing if its sector is lost
  std::vector<PlacedRecord> records;  // all that can be read, in order; they share the payload's bytes
  std::size_t bad_records = 0;        // in good sectors, with a wrong checksum or of no known kind
};

BatchContents read_batch(const FoundBatch& batch);

}  // namespace juxmem::wal

// What callers of the client core hand in and get back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/types.h"

namespace juxmem {

// Runs exactly once.
template <typename T>
using Completion = std::move_only_function<void(Result<T>)>;

// The client's own number of a section, valid whichever agent serves it; 0 = none.
using SectionId = std::uint64_t;

// Where the bytes of a block arrive.
// Thread safety: called by the client core's loop only, between the call it was given to and that call's completion.
class PageSink {
 public:
  virtual ~PageSink() = default;
  // The block's bytes at `offset` (from the block's start). They may begin before and end after the range asked for.
  virtual void put(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
};

struct AllocateSpec {
  std::uint64_t size_bytes = 0;
  Shape shape;
  Durability durability = Durability::kMemory;
  Buffer meta;  // kept with the block for its users
};

struct BlockStat {
  std::uint64_t size_bytes = 0;
  Version version = 0;
  Shape shape;  // how often it is kept
  Durability durability = Durability::kMemory;
  Buffer meta;
};

// A range of a block of which the caller keeps a copy.
struct PageWant {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  Version have = 0;          // the version of the caller's copy; 0 = all zero
  PageSink* sink = nullptr;  // outlives the call
};

struct AcquireSpec {
  BlockId block = 0;
  Mode mode = Mode::kExclusive;
  bool try_only = false;
  std::vector<PageWant> wants;  // none: no pages wanted
};

struct Acquired {
  SectionId section = 0;
  Version version = 0;
  std::uint64_t size_bytes = 0;  // of the block
};

// Bytes to publish at `offset` of the block. Nobody changes them before the release is settled.
struct Change {
  std::uint64_t offset = 0;
  Buffer data;
};

struct NameList {
  std::vector<std::string> names;
  std::vector<BlockId> blocks;  // one per name
  bool more = false;
};

struct ClientStats {
  std::uint64_t requests = 0;
  std::uint64_t requests_repeated = 0;
  std::uint64_t sections = 0;
  std::uint64_t sections_lost = 0;
  std::uint64_t agents_changed = 0;
  std::uint64_t releases_resolved = 0;  // settled by asking for their outcome
  std::uint64_t bytes_released = 0;
  std::uint64_t bytes_received = 0;
};

}  // namespace juxmem

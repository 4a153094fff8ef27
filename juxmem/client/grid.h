// Grid: a client's blocking face: blocks, mappings, sections of threads, names.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/client/client_core.h"
#include "juxmem/client/client_loop.h"
#include "juxmem/client/client_types.h"
#include "juxmem/client/driver.h"
#include "juxmem/client/mapping.h"
#include "juxmem/client/thread_queue.h"

namespace juxmem {

struct GridOptions {
  std::int64_t call_limit_ms = 30'000;
  std::uint64_t embedded_memory_bytes = 1ULL << 30;
  std::int64_t connect_limit_ms = 10'000;
  std::string key_file;  // empty: $JUXMEM_KEY_FILE; if that is not set, no key
};

// What for: everything the C API offers, for one opened grid.
// Thread safety: all functions may be called by any thread; a section belongs to the thread that acquired.
// Invariants: sections of one block in this process follow each other as if they were of different processes, because they share
//   its mappings; a mapping's version is set only when its memory shows that version.
// Ownership: owns loop, core, driver and mappings. Failure: errors come back as values; in a forked child every call answers
//   kForked.
class Grid {
 public:
  // `uri` as in juxmem_open; empty: $JUXMEM_GRID, the daemon on this machine, or an embedded provider.
  static Result<std::unique_ptr<Grid>> open(std::string_view uri, const GridOptions& options);
  // Over a loop made by the caller.
  static Result<std::unique_ptr<Grid>> open(std::unique_ptr<ClientLoop> loop, std::vector<std::string> addresses,
                                            const Timing& timing, const GridOptions& options);
  ~Grid();
  Grid(const Grid&) = delete;
  Grid& operator=(const Grid&) = delete;

  // kForked in a child of the process that opened the grid.
  Status check_process() const;

  // blocks
  Result<BlockId> allocate(const AllocateSpec& spec);
  Status free(BlockId block);
  Result<BlockStat> stat(BlockId block);

  // mappings (grid_mappings.cc)
  Result<void*> map(BlockId block, std::uint64_t offset, std::uint64_t length);
  Status unmap(void* address);

  // sections of the calling thread (grid_sections.cc); limits in milliseconds, negative = the call limit
  Status acquire(BlockId block, Mode mode, bool try_only, std::int64_t limit_ms);
  Status release(BlockId block, bool try_only, std::int64_t limit_ms);
  Result<Version> section_version(BlockId block);

  // one-shot sections
  Status read(BlockId block, std::uint64_t offset, std::span<std::byte> data);
  Status write(BlockId block, std::uint64_t offset, std::span<const std::byte> data);

  // names
  Status publish(std::string_view name, BlockId block);
  Status unpublish(std::string_view name);
  Result<BlockId> lookup(std::string_view name);
  Result<NameList> list(std::string_view prefix, std::string_view after, std::uint32_t limit);

  Result<Version> wait(BlockId block, Version than, std::int64_t limit_ms);

  ClientStats stats();
  // Of the provider in use.
  std::string agent_address();
  std::vector<wire::ProviderAddress> providers();

 private:
  using Mappings = std::map<std::uintptr_t, std::unique_ptr<Mapping>>;
  // A thread's relation to a block: inside a section, or the last one it released.
  struct Hold {
    bool held = false;
    Mode mode = Mode::kNone;
    SectionId section = 0;
    Version version = 0;
    ThreadQueue::Ticket ticket = 0;
    std::vector<Mapping*> mappings;  // that show the section's content
    std::uint64_t used = 0;          // order of use, for forgetting the oldest
  };
  using HoldKey = std::pair<BlockId, std::uint64_t>;  // block, thread

  Grid(std::unique_ptr<ClientLoop> loop, std::vector<std::string> addresses, const Timing& timing,
       const GridOptions& options);

  std::int64_t limit_of(std::int64_t limit_ms) const;
  bool holds(BlockId block);
  Status enter(BlockId block, Mode mode, bool try_only, std::int64_t limit_ms, ThreadQueue::Ticket ticket);
  Status fill_inside_section(Mapping& mapping);
  Result<Version> leave(Hold& hold, std::int64_t limit_ms);
  Result<std::vector<Change>> send_changes(const Hold& hold, std::int64_t limit_ms);
  void forget_old_holds();
  std::vector<Mapping*> mappings_of(BlockId block);

  const int process_;
  const GridOptions options_;
  std::unique_ptr<ClientLoop> loop_;
  std::unique_ptr<ClientCore> core_;
  std::unique_ptr<Driver> driver_;

  std::mutex mutex_;  // guards the following; never held while the grid is asked
  Mappings mappings_;
  std::set<std::uintptr_t> unmapped_;
  std::deque<std::uintptr_t> unmapped_order_;
  std::map<HoldKey, Hold> holds_;
  std::uint64_t uses_ = 0;
  ThreadQueue queue_;  // has its own lock
};

}  // namespace juxmem

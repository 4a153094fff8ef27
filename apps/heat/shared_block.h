// A block with a small header, as the heat jobs share it: sections that are repeated when the grid lost them, and counted.
#pragma once

#include <juxmem/juxmem.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/grid_error.h"
#include "juxmem/base/result.h"

namespace juxmem::heat {

// What a process saw of its sections; times in microseconds.
struct SectionStats {
  std::vector<double> acquire_us;
  std::vector<double> release_us;
  std::uint64_t exclusive = 0;
  std::uint64_t shared = 0;
  std::uint64_t repeated = 0;  // the grid said that a section was lost or its outcome unknown: done again
  std::uint64_t lost = 0;      // acknowledged, and yet not found later: must stay 0
  std::uint64_t bytes_written = 0;
  double longest_stall_ms = 0;  // the longest single call
};

struct GridCloser {
  void operator()(juxmem_grid* grid) const { juxmem_close(grid); }
};
using GridHandle = std::unique_ptr<juxmem_grid, GridCloser>;

// Opens the grid of $JUXMEM_GRID; of several addresses, the one at place `turn` (modulo their number) is tried first, so that ranks
// spread over the providers.
Result<GridHandle> open_grid(unsigned turn);

// What for: one writer and many readers of a block. Its first page is a header: how many sections its writer has published
// and which step the content shows.
// Thread safety: none. Ownership: the mapping lives as long as the object; the grid outlives it.
// Failure: every call names what failed; a section the grid lost is repeated until the limit of tries.
class SharedBlock {
 public:
  struct Header {
    std::uint64_t sections = 0;
    std::uint64_t step[2] = {0, 0};  // of the two slots, plus 1; 0 = nothing yet
  };
  static constexpr std::uint64_t kHeaderBytes = 4096;

  // A new block of `content_bytes` beside the header, on 2 sites where the grid has them, published under `name`.
  static Result<SharedBlock> create(juxmem_grid* grid, const std::string& name, std::uint64_t content_bytes,
                                    SectionStats* stats);
  // Waits until somebody has published `name`, at most `limit_ms`.
  static Result<SharedBlock> open(juxmem_grid* grid, const std::string& name, std::int64_t limit_ms, SectionStats* stats);

  SharedBlock(SharedBlock&&) noexcept;
  SharedBlock& operator=(SharedBlock&&) noexcept;
  ~SharedBlock();

  // One exclusive section. `change` may run more than once; it gets the header and the content.
  Status write(const std::function<void(Header&, std::byte*)>& change);
  // One shared section.
  Status read(const std::function<void(const Header&, const std::byte*)>& look);
  // Until a version newer than the last one read is there. kTimedOut at the limit.
  Status wait_newer(std::int64_t limit_ms);
  // Reads once more and counts acknowledged sections that are missing.
  Status verify();

  juxmem_id id() const { return id_; }
  std::uint64_t size_bytes() const { return size_; }

 private:
  SharedBlock(juxmem_grid* grid, std::string name, juxmem_id id, std::uint64_t size, std::byte* memory, SectionStats* stats);
  static Result<SharedBlock> map(juxmem_grid* grid, const std::string& name, juxmem_id id, SectionStats* stats);
  int take(int (*acquire)(juxmem_grid*, juxmem_id));
  int let_go();
  void check_header();

  juxmem_grid* grid_ = nullptr;
  std::string name_;
  juxmem_id id_ = 0;
  std::uint64_t size_ = 0;
  std::byte* memory_ = nullptr;
  SectionStats* stats_ = nullptr;
  std::uint64_t acknowledged_ = 0;  // this process's published sections
  std::uint64_t version_ = 0;       // of the content last read
};

}  // namespace juxmem::heat

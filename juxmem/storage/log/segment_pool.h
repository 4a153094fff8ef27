// SegmentPool: segments that are ready to be written, and files of old ones to make new ones of.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/env/disk.h"
#include "juxmem/storage/log/alive.h"
#include "juxmem/storage/log/log_types.h"

namespace juxmem::wal {

struct SegmentPoolOptions {
  std::uint64_t segment_bytes = 0;
  std::size_t ahead = 2;   // segments to hold ready
  std::size_t spares = 2;  // files of old segments to keep; further ones are removed
  bool fill = true;        // write zeros into new files, so that syncs later need not write the file system's journal
};

// What for: a log never waits for the making of a segment while it has one ready.
// Thread safety: none; the loop's thread.
// Invariants: a segment is ready once its space is taken, its header is stable, and its name is. Numbers grow; none is given
// twice. Ownership: borrows the disk. Failure: when a segment cannot be made, trouble() says why until one can; top_up()
// tries again.
class SegmentPool {
 public:
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t size_bytes = 0;
  };

  SegmentPool(Disk& disk, const SegmentPoolOptions& options) : disk_(disk), options_(options) {}

  // Before all else. `next_number`: of the first segment to be made. `on_change`: one became ready, or trouble began.
  void begin(const LogIdentity& identity, const std::map<std::uint64_t, std::uint64_t>& ready, std::uint64_t next_number,
             std::function<void()> on_change);
  // A leftover of `size_bytes`: kept as a spare or removed.
  void add_leftover(const std::string& name, std::uint64_t size_bytes);

  std::size_t ready() const { return ready_.size(); }
  Segment take();
  // Makes segments until enough are ready; harmless at any time.
  void top_up();
  // A segment that the log does not need any more.
  void recycle(const Segment& segment);

  // Why the last one could not be made; nothing if all is well.
  const std::optional<Error>& trouble() const { return trouble_; }
  std::size_t spares() const { return spares_.size(); }

 private:
  void fill_from(std::uint64_t offset);
  void write_header();
  void put_in_place();
  void failed(const Error& error);

  Disk& disk_;
  SegmentPoolOptions options_;
  LogIdentity identity_;
  std::function<void()> on_change_;
  std::deque<Segment> ready_;
  std::deque<std::string> spares_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_spare_ = 1;
  bool making_ = false;
  std::string file_;  // being made into a segment
  std::optional<Error> trouble_;
  Alive alive_;
};

}  // namespace juxmem::wal

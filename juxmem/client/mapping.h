// Mapping: a range of a block as ordinary memory of this process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/types.h"
#include "juxmem/client/client_types.h"
#include "juxmem/client/page_diff.h"

namespace juxmem {

// Anonymous memory of whole pages, zero at first, returned to the system with the last reference.
class MappedMemory {
 public:
  // kNoLocalMemory.
  static Result<std::shared_ptr<MappedMemory>> create(std::size_t size_bytes);
  ~MappedMemory();
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_bytes_; }
  // All bytes are zero again, and take no memory.
  void clear();

 private:
  MappedMemory(std::byte* data, std::size_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  std::byte* const data_;
  const std::size_t size_bytes_;
};

// What for: the memory that the user reads and writes, and its twin: the same range as last released. What the user changed is
//   found by comparing the two (as in TreadMarks, Keleher et al., USENIX 1994), so writing costs no page fault.
// Thread safety: none by itself. put() is called by the client's loop while a thread waits in acquire; the other calls by
//   the thread that is inside the exclusive section, or with the grid's lock held.
// Invariants: after prepare_to_write() the twin equals the memory wherever the user has not written since; bytes handed out by
//   next_changes() are not changed while a Buffer over them lives: a twin still in use is replaced by a copy first.
// Ownership: owns memory and twin; the Buffers share the twin.
// Failure: kNoLocalMemory from create(), prepare_to_write() and next_changes(); after the latter the section cannot be released.
class Mapping final : public PageSink {
 public:
  // Of the block's bytes [offset, offset + size_bytes); size_bytes > 0.
  static Result<std::unique_ptr<Mapping>> create(BlockId block, std::uint64_t offset, std::uint64_t size_bytes);

  BlockId block() const { return block_; }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::byte* data() const { return data_; }

  // The version that the memory shows outside of what the user has written; 0 = all zero.
  Version version() const { return version_; }
  void set_version(Version version) { version_ = version; }
  // After a lost section: nothing here is known to be released content. All zero again.
  void reset();

  // While others read the memory: what is there already is not written again.
  void set_shared(bool shared) { shared_ = shared; }
  void put(std::uint64_t offset, std::span<const std::byte> bytes) override;

  // Before the user may write.
  Status prepare_to_write();
  // What the user has changed, as ranges of the block in ascending order, at most about `bytes_max` at a time and nothing at the
  // end; the twin holds it from then on. The user does not write between begin_changes() and the end.
  void begin_changes();
  Result<std::vector<Change>> next_changes(std::size_t bytes_max);

 private:
  Mapping(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, std::shared_ptr<MappedMemory> memory);
  Status own_twin();
  Status make_twin_writable();
  std::vector<Change> changes_of(std::span<const ByteRange> ranges, bool copied) const;

  const BlockId block_;
  const std::uint64_t offset_;
  const std::uint64_t size_bytes_;
  const std::shared_ptr<MappedMemory> memory_;
  std::byte* const data_;                      // in memory_; lies to its page as the range lies to the block's
  std::shared_ptr<MappedMemory> twin_;         // null until the first exclusive section
  std::shared_ptr<MappedMemory> former_twin_;  // while changes are sought: what to compare with, if not the twin
  std::size_t sought_bytes_ = 0;               // how far changes have been sought
  bool twin_is_writable_ = false;
  Version version_ = 0;
  std::atomic<bool> shared_{false};
};

}  // namespace juxmem

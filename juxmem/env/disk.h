// Disk: one folder of stable storage as the log and the checkpoints see it. One implementation is real, the other simulated.
// Everything is called from one event loop; no call blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"

namespace juxmem {

struct DiskEntry {
  std::string name;
  std::uint64_t size_bytes = 0;
  bool operator==(const DiskEntry&) const = default;
};

inline constexpr std::size_t kDiskNameBytesMax = 64;
inline constexpr std::size_t kDiskRequestBytesMax = 256U << 20;

// Letters, digits, '-' and '.', not first a '.'.
inline bool is_disk_name(std::string_view name) {
  if (name.empty() || name.size() > kDiskNameBytesMax || name.front() == '.') return false;
  for (char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!plain) return false;
  }
  return true;
}

// What for: files by name in one folder. A request is submitted; its completion is called later by the loop, never from
// inside
//   the request.
// Thread safety: none; requests and completions belong to the loop's thread.
// Invariants: requests in flight at the same time have no order between them: what must come after another waits for its
//   completion. Bytes are on stable storage once a sync() submitted after their write completed has succeeded; names once
//   a sync_names() has.
// Ownership: keeps the bytes of a request until it completes. Completions of a destroyed disk are never called.
// Failure: kNoSpace: the disk is full. kNotFound: no such file. kInvalid: not a name, or too many bytes at once. kIo: all
// else, with the
//   system's reason. After a failed sync() nothing may be assumed of what was written to that file before: a later sync()
//   that succeeds does not make it good.
class Disk {
 public:
  using Done = std::function<void(Status)>;
  using ReadDone = std::function<void(Result<Buffer>)>;
  using ListDone = std::function<void(Result<std::vector<DiskEntry>>)>;

  virtual ~Disk() = default;

  // All files, by name.
  virtual void list(ListDone done) = 0;
  // Makes the file if there is none, and takes the space for `size_bytes` from the system; new bytes read as zeros. A longer
  // file stays as it is.
  virtual void allocate(const std::string& name, std::uint64_t size_bytes, Done done) = 0;
  virtual void write(const std::string& name, std::uint64_t offset, Buffer bytes, Done done) = 0;
  // Fewer bytes at the end of the file.
  virtual void read(const std::string& name, std::uint64_t offset, std::size_t size_bytes, ReadDone done) = 0;
  // Bytes and size of the file.
  virtual void sync(const std::string& name, Done done) = 0;
  // Which names there are.
  virtual void sync_names(Done done) = 0;
  // Replaces `to` if it exists, in one step.
  virtual void rename(const std::string& from, const std::string& to, Done done) = 0;
  virtual void remove(const std::string& name, Done done) = 0;
};

}  // namespace juxmem

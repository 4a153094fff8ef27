// DiskRing: reads, writes and syncs by io_uring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace juxmem {

// What for: many requests in flight without a thread of our own for each.
// Thread safety: none; the loop's thread.
// Invariants: `end` is called from deliver() only, once per request, with the system's result: bytes, or a negative errno.
// Ownership: owns the ring. Memory and descriptors of a request must live until its end: `end` holds them.
// Failure: create() answers nullptr where the system has or allows no io_uring. Requests that never come back are waited for
// by
//   the destructor for `linger_ms` at most, and then left in memory, since the system may still write there.
class DiskRing {
 public:
  using End = std::function<void(int result)>;

  // `event_fd` becomes readable when ends are waiting.
  static std::unique_ptr<DiskRing> create(int event_fd, int linger_ms);
  ~DiskRing();
  DiskRing(const DiskRing&) = delete;
  DiskRing& operator=(const DiskRing&) = delete;

  void read(int fd, void* bytes, std::size_t size_bytes, std::uint64_t offset, End end);
  void write(int fd, const void* bytes, std::size_t size_bytes, std::uint64_t offset, End end);
  void sync(int fd, End end);
  // Calls the ends of finished requests; returns how many.
  std::size_t deliver();

 private:
  struct Ring;
  explicit DiskRing(std::unique_ptr<Ring> ring);
  std::unique_ptr<Ring> ring_;
};

}  // namespace juxmem

#include "juxmem/env/real_disk_ring.h"

#include <liburing.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <utility>

namespace juxmem {
namespace {

constexpr unsigned kEntries = 128;

enum class Op { kRead, kWrite, kSync };

struct Request {
  Op op = Op::kSync;
  int fd = -1;
  void* bytes = nullptr;
  unsigned size_bytes = 0;
  std::uint64_t offset = 0;
  DiskRing::End end;
};

}  // namespace

struct DiskRing::Ring {
  io_uring ring{};
  int event_fd = -1;
  int linger_ms = 0;
  unsigned in_flight = 0;
  std::deque<std::unique_ptr<Request>> waiting;  // beyond what the ring holds

  void submit(std::unique_ptr<Request> request) {
    waiting.push_back(std::move(request));
    pump();
  }

  // At most kEntries are in flight, so completions always find room.
  void pump() {
    bool prepared = false;
    while (!waiting.empty() && in_flight < kEntries) {
      io_uring_sqe* entry = ::io_uring_get_sqe(&ring);
      if (entry == nullptr) break;
      Request* request = waiting.front().release();
      waiting.pop_front();
      switch (request->op) {
        case Op::kRead:
          ::io_uring_prep_read(entry, request->fd, request->bytes, request->size_bytes, request->offset);
          break;
        case Op::kWrite:
          ::io_uring_prep_write(entry, request->fd, request->bytes, request->size_bytes, request->offset);
          break;
        case Op::kSync:
          ::io_uring_prep_fsync(entry, request->fd, IORING_FSYNC_DATASYNC);
          break;
      }
      ::io_uring_sqe_set_data(entry, request);
      ++in_flight;
      prepared = true;
    }
    // What the system does not take now stays prepared; the loop comes back for it.
    if ((prepared || ::io_uring_sq_ready(&ring) > 0) && ::io_uring_submit(&ring) < 0) ::eventfd_write(event_fd, 1);
  }

  std::size_t deliver() {
    std::size_t count = 0;
    io_uring_cqe* completion = nullptr;
    while (::io_uring_peek_cqe(&ring, &completion) == 0 && completion != nullptr) {
      const std::unique_ptr<Request> request(static_cast<Request*>(::io_uring_cqe_get_data(completion)));
      const int result = completion->res;
      ::io_uring_cqe_seen(&ring, completion);
      --in_flight;
      ++count;
      request->end(result);
    }
    pump();
    return count;
  }
};

DiskRing::DiskRing(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

std::unique_ptr<DiskRing> DiskRing::create(int event_fd, int linger_ms) {
  auto ring = std::make_unique<Ring>();
  ring->event_fd = event_fd;
  ring->linger_ms = linger_ms;
  if (::io_uring_queue_init(kEntries, &ring->ring, 0) < 0) return nullptr;
  if (::io_uring_register_eventfd(&ring->ring, event_fd) < 0) {
    ::io_uring_queue_exit(&ring->ring);
    return nullptr;
  }
  return std::unique_ptr<DiskRing>(new DiskRing(std::move(ring)));
}

DiskRing::~DiskRing() {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(ring_->linger_ms);
  while (ring_->in_flight > 0) {
    io_uring_cqe* completion = nullptr;
    __kernel_timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
    if (::io_uring_wait_cqe_timeout(&ring_->ring, &completion, &pause) == 0 && completion != nullptr) {
      delete static_cast<Request*>(::io_uring_cqe_get_data(completion));
      ::io_uring_cqe_seen(&ring_->ring, completion);
      --ring_->in_flight;
    }
    if (std::chrono::steady_clock::now() >= limit) break;
  }
  ::io_uring_queue_exit(&ring_->ring);
}

void DiskRing::read(int fd, void* bytes, std::size_t size_bytes, std::uint64_t offset, End end) {
  ring_->submit(std::make_unique<Request>(Op::kRead, fd, bytes, static_cast<unsigned>(size_bytes), offset, std::move(end)));
}

void DiskRing::write(int fd, const void* bytes, std::size_t size_bytes, std::uint64_t offset, End end) {
  ring_->submit(std::make_unique<Request>(Op::kWrite, fd, const_cast<void*>(bytes), static_cast<unsigned>(size_bytes),
                                          offset, std::move(end)));
}

void DiskRing::sync(int fd, End end) {
  ring_->submit(std::make_unique<Request>(Op::kSync, fd, nullptr, 0U, std::uint64_t{0}, std::move(end)));
}

std::size_t DiskRing::deliver() { return ring_->deliver(); }

}  // namespace juxmem

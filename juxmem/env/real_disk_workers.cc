#include "juxmem/env/real_disk_workers.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace juxmem {

// Outlives the owner for as long as a thread hangs in the system.
struct DiskWorkers::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by the mutex:
  std::deque<Job> waiting;
  std::vector<Job> finished;
  int running = 0;  // threads
  bool stopped = false;

  int event_fd = -1;  // a copy of its own
  int linger_ms = 0;

  ~Shared() { ::close(event_fd); }
};

namespace {

void tell(int event_fd) { ::eventfd_write(event_fd, 1); }

}  // namespace

DiskWorkers::DiskWorkers(int threads, int event_fd, int linger_ms) : shared_(std::make_shared<Shared>()) {
  shared_->event_fd = ::dup(event_fd);
  shared_->linger_ms = linger_ms;
  shared_->running = threads;
  const auto serve = [](const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    for (;;) {
      shared->changed.wait(lock, [&] { return shared->stopped || !shared->waiting.empty(); });
      if (shared->stopped) break;
      Job job = std::move(shared->waiting.front());
      shared->waiting.pop_front();
      lock.unlock();
      job.work();
      lock.lock();
      shared->finished.push_back(std::move(job));
      tell(shared->event_fd);
    }
    --shared->running;
    shared->changed.notify_all();
  };
  for (int i = 0; i < threads; ++i) std::thread([serve, shared = shared_] { serve(shared); }).detach();
}

DiskWorkers::~DiskWorkers() {
  // Ends that nobody will call are the loop's to destroy, not a worker's.
  std::deque<Job> forgotten;
  std::vector<Job> uncalled;
  std::unique_lock lock(shared_->mutex);
  shared_->stopped = true;
  forgotten.swap(shared_->waiting);
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, std::chrono::milliseconds(shared_->linger_ms), [this] { return shared_->running == 0; });
  uncalled.swap(shared_->finished);
}

void DiskWorkers::submit(Job job) {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.push_back(std::move(job));
  shared_->changed.notify_one();
}

std::size_t DiskWorkers::deliver() {
  std::vector<Job> finished;
  {
    const std::lock_guard lock(shared_->mutex);
    finished.swap(shared_->finished);
  }
  for (Job& job : finished) job.end();
  return finished.size();
}

}  // namespace juxmem

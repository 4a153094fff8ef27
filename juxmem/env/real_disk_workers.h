// DiskWorkers: a few threads for the system calls that block.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace juxmem {

// What for: runs jobs on threads and hands each back to the loop, which calls its end.
// Thread safety: submit() and deliver() belong to the loop's thread; jobs run on any of the workers, so two of them at once.
// Invariants: a job's end is called from deliver() only, once; ends may submit further jobs.
// Ownership: owns threads and jobs. Borrows the eventfd, which becomes readable when ends are waiting.
// Failure: a job that the system keeps for ever keeps its thread; the destructor waits `linger_ms` at most and then leaves
// such
//   threads to the process' end.
class DiskWorkers {
 public:
  struct Job {
    std::function<void()> work;  // on a worker
    std::function<void()> end;   // on the loop
  };

  DiskWorkers(int threads, int event_fd, int linger_ms);
  ~DiskWorkers();
  DiskWorkers(const DiskWorkers&) = delete;
  DiskWorkers& operator=(const DiskWorkers&) = delete;

  void submit(Job job);
  // Calls the ends of finished jobs; returns how many.
  std::size_t deliver();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace juxmem

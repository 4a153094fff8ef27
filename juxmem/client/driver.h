// Driver: lets blocking callers share one event loop without a thread of its own in their way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "juxmem/base/result.h"
#include "juxmem/client/client_core.h"
#include "juxmem/client/client_loop.h"
#include "juxmem/client/client_types.h"

namespace juxmem {

// What for: a calling thread that waits for its answer drives the loop itself (the leader); others that wait meanwhile are
//   followers, one of which leads next (Schmidt et al., Leader/Followers, PLoP 2000). So an answer wakes nobody but the one it
//   is for. A background thread drives the loop for signs of life only while nobody calls.
// Thread safety: run() may be called by any number of threads.
// Invariants: the loop and the core are used by one thread at a time; while anybody waits, somebody drives.
// Ownership: borrows loop and core, which outlive it.
// Failure: none of its own; after stop() the core answers kClosed.
class Driver {
 public:
  Driver(ClientLoop& loop, ClientCore& core, std::int64_t pulse_ms);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Calls start(core, completion) inside the loop and returns what the completion was given.
  template <typename T, typename Start>
  Result<T> run(Start&& start) {
    Waiter waiter;
    Result<T> outcome = fail(Code::kInternal, "the call was never completed");
    take_loop();
    start(core_, Completion<T>([&](Result<T> result) {
            outcome = std::move(result);
            complete(waiter);
          }));
    core_.end_turn();
    drive(waiter);
    return outcome;
  }

  // Runs `action(core)` inside the loop.
  template <typename Action>
  auto look(Action&& action) {
    take_loop();
    struct Release {
      Driver& driver;
      ~Release() {
        driver.core_.end_turn();
        driver.release_loop();
      }
    } release{*this};
    return action(core_);
  }

  // Ends the background thread and stops the core. No other thread may be inside run().
  void stop();

 private:
  struct Waiter {
    std::condition_variable turn;
    bool done = false;
    bool leads = false;
  };

  void take_loop();
  void release_loop();
  void drive(Waiter& waiter);
  bool follow(Waiter& waiter);
  void complete(Waiter& waiter);
  void keep_alive();

  ClientLoop& loop_;
  ClientCore& core_;
  const std::int64_t pulse_ms_;

  std::mutex mutex_;
  std::condition_variable loop_free_;
  bool loop_taken_ = false;       // guarded by mutex_
  std::list<Waiter*> followers_;  // guarded by mutex_
  std::atomic<int> wanting_{0};   // threads in take_loop()
  std::condition_variable pulse_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread background_;
};

}  // namespace juxmem

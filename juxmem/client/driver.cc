#include "juxmem/client/driver.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>

#include "juxmem/base/timing.h"

namespace juxmem {
namespace {

// The signals of the program are for the program's threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_;
};

}  // namespace

Driver::Driver(ClientLoop& loop, ClientCore& core, std::int64_t pulse_ms) : loop_(loop), core_(core), pulse_ms_(pulse_ms) {
  const SignalsBlocked blocked;
  background_ = std::thread([this] { keep_alive(); });
}

Driver::~Driver() { stop(); }

void Driver::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  pulse_.notify_all();
  background_.join();
  look([](ClientCore& core) { core.stop(); });
}

void Driver::take_loop() {
  std::unique_lock lock(mutex_);
  if (loop_taken_) {
    wanting_.fetch_add(1);
    loop_.wake();
    loop_free_.wait(lock, [this] { return !loop_taken_; });
    wanting_.fetch_sub(1);
  }
  loop_taken_ = true;
}

// Those who have something to ask go before those who only wait for answers: they will drive, too.
void Driver::release_loop() {
  const std::lock_guard lock(mutex_);
  if (wanting_.load() == 0 && !followers_.empty()) {
    Waiter& next = *followers_.front();
    followers_.pop_front();
    next.leads = true;
    next.turn.notify_one();
    return;
  }
  loop_taken_ = false;
  loop_free_.notify_one();
}

void Driver::drive(Waiter& waiter) {
  while (!waiter.done) {
    loop_.run_once(core_.now() + ms_to_ns(1000));
    if (!waiter.done && wanting_.load() != 0 && !follow(waiter)) return;
  }
  release_loop();
}

// Lets another thread have the loop. True: it is this thread's again; false: the answer is there.
bool Driver::follow(Waiter& waiter) {
  std::unique_lock lock(mutex_);
  const auto place = followers_.insert(followers_.end(), &waiter);
  loop_taken_ = false;
  loop_free_.notify_one();
  waiter.turn.wait(lock, [&] { return waiter.done || waiter.leads; });
  if (waiter.leads) {
    waiter.leads = false;
    return true;
  }
  followers_.erase(place);
  return false;
}

void Driver::complete(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  waiter.done = true;
  waiter.turn.notify_one();
}

void Driver::keep_alive() {
  std::unique_lock lock(mutex_);
  for (;;) {
    pulse_.wait_for(lock, std::chrono::milliseconds(pulse_ms_), [this] { return stopping_; });
    if (stopping_) return;
    if (loop_taken_) continue;  // whoever drives also sends signs of life
    loop_taken_ = true;
    lock.unlock();
    while (wanting_.load() == 0 && loop_.run_once(core_.now())) {
    }
    release_loop();
    lock.lock();
  }
}

}  // namespace juxmem

#include "juxmem/client/embedded_grid.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "juxmem/provider/provider.h"

namespace juxmem {
namespace {

constexpr PeerId kSelf = 1;   // an end's own address
constexpr PeerId kOther = 2;  // the other end
constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

TimeNs monotonic_now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<TimeNs>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// What for: packets on their way from one end to the other. Thread safety: any thread. Failure: none but lack of memory.
class Mailbox {
 public:
  void put(PeerId from, wire::Packet packet) {
    {
      const std::lock_guard lock(mutex_);
      packets_.emplace_back(from, std::move(packet));
    }
    news_.notify_one();
  }
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    news_.notify_one();
  }
  // Everything there is, waiting for it until the clock shows `until` or wake(). `woken`: why it ended.
  std::deque<std::pair<PeerId, wire::Packet>> take(TimeNs until, bool& woken) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return woken_ || !packets_.empty(); };
    if (until == kNever) {
      news_.wait(lock, ready);
    } else {
      const std::chrono::steady_clock::time_point when{std::chrono::nanoseconds(until)};
      news_.wait_until(lock, when, ready);
    }
    woken = std::exchange(woken_, false);
    return std::exchange(packets_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::pair<PeerId, wire::Packet>> packets_;
  bool woken_ = false;
};

// The client's changes lie in memory that it will change again once they are released; the provider keeps its entries longer.
void own_bytes(wire::Packet& packet) {
  for (wire::Message& message : packet.messages) {
    auto* mine = std::get_if<wire::ClientMessage>(&message);
    auto* request = mine == nullptr ? nullptr : std::get_if<wire::ClientRequest>(mine);
    if (request == nullptr) continue;
    if (auto* release = std::get_if<wire::ReleaseRequest>(&request->body)) {
      for (Buffer& data : release->data) data = Buffer::copy_of(data.bytes());
    } else if (auto* write = std::get_if<wire::WriteRequest>(&request->body)) {
      write->data = Buffer::copy_of(write->data.bytes());
    }
  }
}

// What for: one end's environment: its mailbox, its clock, its timer.
// Thread safety: as RealEnv. Ownership: borrows both mailboxes. Failure: none.
class EmbeddedEnv final : public Env, private Network, private Clock {
 public:
  EmbeddedEnv(Mailbox& own, Mailbox& other, bool is_client) : own_(own), other_(other), is_client_(is_client) {
    std::random_device seed;
    random_.seed((static_cast<std::uint64_t>(seed()) << 32) | seed());
  }

  void attach(Handler& handler) { handler_ = &handler; }

  bool run_once(TimeNs deadline) {
    bool woken = false;
    auto packets = own_.take(std::min(deadline, wake_at_), woken);
    bool called = false;
    for (auto& [from, packet] : packets) {
      handler_->on_packet(from, std::move(packet));
      called = true;
    }
    if (wake_at_ != kNever && monotonic_now() >= wake_at_) {
      wake_at_ = kNever;
      handler_->on_timer();
      called = true;
    }
    if (called) handler_->end_turn();
    return called;
  }

  Network& network() override { return *this; }
  Clock& clock() override { return *this; }
  std::uint64_t random() override { return random_(); }
  void wake_at(TimeNs when) override { wake_at_ = when; }

 private:
  PeerId dial(std::string_view) override { return is_client_ ? kOther : kSelf; }
  void send(PeerId to, wire::Packet packet) override {
    if (is_client_) own_bytes(packet);
    (to == kOther ? other_ : own_).put(to == kOther ? kOther : kSelf, std::move(packet));
  }
  void hang_up(PeerId) override {}
  TimeNs now() const override { return monotonic_now(); }

  Mailbox& own_;
  Mailbox& other_;
  const bool is_client_;
  Handler* handler_ = nullptr;
  TimeNs wake_at_ = kNever;
  std::mt19937_64 random_;
};

// What for: the client's loop together with the provider it leads to. Thread safety: as ClientLoop.
// Ownership: owns the provider and its thread, which ends first. Failure: a provider that ends answers nothing any more.
class EmbeddedLoop final : public ClientLoop {
 public:
  explicit EmbeddedLoop(std::uint64_t capacity_bytes)
      : client_env_(to_client_, to_provider_, true), provider_env_(to_provider_, to_client_, false) {
    ProviderOptions options;
    options.name = "embedded";
    options.site = "local";
    options.address = kEmbeddedAddress;
    options.incarnation = provider_env_.random() | 1;
    options.capacity_bytes = capacity_bytes;
    options.manager = true;
    options.managers = {kEmbeddedAddress};
    options.timing.listen_ms = 0;  // nobody else knows of it
    provider_ = std::make_unique<Provider>(provider_env_, std::move(options));
    provider_env_.attach(*provider_);
    start_thread();
  }

  ~EmbeddedLoop() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    to_provider_.wake();
    thread_.join();
  }

  Env& env() override { return client_env_; }
  void attach(Handler& handler) override { client_env_.attach(handler); }
  bool run_once(TimeNs deadline) override { return client_env_.run_once(deadline); }
  void wake() override { to_client_.wake(); }

 private:
  void start_thread() {
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    thread_ = std::thread([this] { serve(); });
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
  }

  void serve() {
    provider_->start();
    provider_->end_turn();
    while (!is_ending()) provider_env_.run_once(kNever);
  }

  bool is_ending() {
    const std::lock_guard lock(mutex_);
    return ending_;
  }

  Mailbox to_client_;
  Mailbox to_provider_;
  EmbeddedEnv client_env_;
  EmbeddedEnv provider_env_;
  std::unique_ptr<Provider> provider_;
  std::mutex mutex_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<ClientLoop>> make_embedded_loop(std::uint64_t capacity_bytes) {
  return std::make_unique<EmbeddedLoop>(capacity_bytes);
}

}  // namespace juxmem

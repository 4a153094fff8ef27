#include "juxmem/env/real_env.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <map>
#include <random>
#include <unordered_map>
#include <utility>
#include <zmq.hpp>

#include "juxmem/base/timing.h"
#include "juxmem/env/dialed_peer.h"
#include "juxmem/env/entrance.h"
#include "juxmem/env/key_guard.h"
#include "juxmem/env/look_out.h"
#include "juxmem/wire/codec.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();
constexpr TimeNs kGarbageLogPauseNs = ms_to_ns(1000);
constexpr int kSocketsMax = 8192;

// In epoll's data: whose descriptor it is. Peers' numbers come after these.
constexpr std::uint64_t kWakeTag = 0;
constexpr std::uint64_t kEntranceTag = 1;
constexpr std::uint64_t kDiskTag = 2;
constexpr PeerId kFirstPeer = 3;
// With this bit: of a peer's connection monitor.
constexpr std::uint64_t kMonitorBit = 1ULL << 63;

constexpr const char* kNotTheGridsKey = "only holders of the grid's own key speak as providers";

// Says nothing but what clients say, and whoever asks for the status.
bool is_from_client(const wire::Packet& packet) {
  return packet.from == 0 && std::ranges::all_of(packet.messages, [](const wire::Message& message) {
           const auto* group = std::get_if<wire::GroupMessage>(&message);
           return std::holds_alternative<wire::ClientMessage>(message) ||
                  (group != nullptr && std::holds_alternative<wire::StatusRequest>(*group));
         });
}

}  // namespace

// The loop. A ZeroMQ socket's descriptor only tells that something has changed, and any use of the socket may swallow that
// news; so every socket that was used is looked at once more before the loop waits ("ready").
class RealEnv::Impl {
 public:
  explicit Impl(const RealEnvOptions& options);
  ~Impl();

  Status start();
  bool run_once(TimeNs deadline);
  void wake();

  PeerId dial(std::string_view address);
  void send(PeerId to, wire::Packet packet);
  void hang_up(PeerId peer);
  std::string user_of(PeerId peer) const { return entrance_ ? entrance_->user_of(peer) : std::string(); }
  bool watch(int fd, std::uint64_t tag);

  RealEnvOptions options_;
  Handler* handler_ = nullptr;
  Disk* disk_ = nullptr;
  std::function<void()> deliver_disk_;
  bool disk_ready_ = false;
  TimeNs wake_at_ = kNever;
  RealEnvStats stats_;
  std::vector<std::string> addresses_;
  std::mt19937_64 random_;
  std::atomic<bool> stopped_{false};

 private:
  using Peers = std::unordered_map<PeerId, std::unique_ptr<DialedPeer>>;

  void wait(TimeNs until);
  bool handle_ready();
  int drain_entrance(int budget);
  int drain_peer(DialedPeer& peer, int budget);
  void tell_events(DialedPeer& peer);
  void deliver(PeerId from, bool& garbage_logged, const std::string& sender, bool is_client);
  void mark_ready(DialedPeer& peer);
  void send_parts_to(PeerId to, std::vector<Buffer> parts);

  zmq::context_t context_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::unique_ptr<KeyGuard> guard_;  // where keys are wanted
  std::unique_ptr<Entrance> entrance_;
  Peers peers_;
  std::map<std::string, PeerId, std::less<>> by_address_;
  std::vector<DialedPeer*> ready_;
  std::vector<std::unique_ptr<DialedPeer>> hung_up_;
  PeerId next_id_ = kFirstPeer;
  TimeNs garbage_log_at_ = 0;
  LookOut look_out_;
  std::vector<Buffer> parts_;  // of the packet being received
  bool told_events_ = false;   // to the handler, in this turn
  // Whether a waker must write to wake_fd_.
  std::atomic<bool> waiting_{false};
  std::atomic<bool> woken_{false};
};

RealEnv::Impl::Impl(const RealEnvOptions& options) : options_(options), context_(1), look_out_(options.look_out_us) {
  std::random_device seed;
  random_.seed((static_cast<std::uint64_t>(seed()) << 32) | seed());
  context_.set(zmq::ctxopt::max_sockets, kSocketsMax);
}

RealEnv::Impl::~Impl() {
  // Sockets first: the context's end waits for them, at most for their linger.
  ready_.clear();
  hung_up_.clear();
  peers_.clear();
  entrance_.reset();
  guard_.reset();
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

Status RealEnv::Impl::start() {
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_fd_ < 0 || wake_fd_ < 0 || !watch(wake_fd_, kWakeTag)) {
    return fail(Code::kIo, "the system has no descriptors left; raise `ulimit -n`");
  }
  if (options_.listen.empty()) return {};
  if (options_.key != nullptr) {
    Result<std::unique_ptr<KeyGuard>> guard = KeyGuard::start(context_, *options_.key, options_.admitted_folder);
    if (!guard) return std::unexpected(guard.error());
    guard_ = std::move(*guard);
  }
  Result<std::unique_ptr<Entrance>> bound = Entrance::bind(context_, options_, guard_.get());
  if (!bound) return std::unexpected(bound.error());
  entrance_ = std::move(*bound);
  addresses_ = entrance_->addresses();
  entrance_->ready = true;
  if (!watch(entrance_->fd(), kEntranceTag)) return fail(Code::kIo, "cannot watch the listening socket");
  return {};
}

bool RealEnv::Impl::watch(int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool RealEnv::Impl::run_once(TimeNs deadline) {
  for (;;) {
    hung_up_.clear();
    bool called = handle_ready();
    if (std::exchange(disk_ready_, false)) {
      deliver_disk_();
      called = true;
    }
    if (wake_at_ != kNever && monotonic_now() >= wake_at_) {
      wake_at_ = kNever;
      handler_->on_timer();
      called = true;
    }
    if (called) {
      handler_->end_turn();
      return true;
    }
    if (woken_.exchange(false)) return false;
    if (disk_ready_ || !ready_.empty() || (entrance_ && entrance_->ready)) continue;
    if (monotonic_now() >= deadline) return false;
    wait(std::min(deadline, wake_at_));
  }
}

void RealEnv::Impl::wait(TimeNs until) {
  int timeout_ms = -1;
  if (until != kNever) {
    // Rounded up: waking early would only mean waiting again.
    const TimeNs left = std::max<TimeNs>(0, until - monotonic_now());
    timeout_ms = static_cast<int>(std::min<TimeNs>((left + 999'999) / 1'000'000, 3'600'000));
  }
  std::array<epoll_event, 64> events;
  int count = look_out_.look(epoll_fd_, events, until, woken_);
  if (count == 0) {
    waiting_.store(true);
    if (woken_.load()) timeout_ms = 0;
    count = ::epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout_ms);
    waiting_.store(false);
  }
  for (int i = 0; i < count; ++i) {
    const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
    if (tag == kWakeTag) {
      std::uint64_t ignored = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &ignored, sizeof(ignored));
    } else if (tag == kEntranceTag) {
      entrance_->ready = true;
    } else if (tag == kDiskTag) {
      disk_ready_ = true;
    } else if (const auto found = peers_.find(tag & ~kMonitorBit); found != peers_.end()) {
      if ((tag & kMonitorBit) != 0) found->second->has_events = true;
      mark_ready(*found->second);
    }
  }
}

void RealEnv::Impl::wake() {
  woken_.store(true);
  if (!waiting_.load()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
}

void RealEnv::Impl::mark_ready(DialedPeer& peer) {
  if (peer.ready) return;
  peer.ready = true;
  ready_.push_back(&peer);
}

// Receives what has arrived, up to one turn's share; a socket that may have more stays ready.
bool RealEnv::Impl::handle_ready() {
  const std::uint64_t before = stats_.packets_received;
  told_events_ = false;
  int budget = options_.packets_per_turn_max;
  if (entrance_ && entrance_->ready) budget -= drain_entrance(budget);
  // Handlers may dial, send and hang up meanwhile; what they make ready waits for the next turn.
  std::vector<DialedPeer*> now_ready = std::exchange(ready_, {});
  for (DialedPeer* peer : now_ready) peer->ready = false;
  for (DialedPeer* peer : now_ready) {
    if (peer->hung_up) continue;
    if (budget > 0) {
      budget -= drain_peer(*peer, budget);
    } else {
      mark_ready(*peer);
    }
  }
  if (stats_.packets_received == before) return told_events_;
  look_out_.packet_came(monotonic_now());
  return true;
}

int RealEnv::Impl::drain_entrance(int budget) {
  entrance_->ready = false;
  int count = 0;
  for (; count < budget; ++count) {
    Entrance::Visitor* visitor = entrance_->receive(parts_, monotonic_now(), next_id_);
    if (visitor == nullptr) return count;
    deliver(visitor->id, visitor->garbage_logged, visitor->from, visitor->is_client);
  }
  entrance_->ready = true;
  return count;
}

int RealEnv::Impl::drain_peer(DialedPeer& peer, int budget) {
  int count = 0;
  for (; count < budget && !peer.hung_up; ++count) {
    const bool received = peer.receive(parts_, monotonic_now());
    stats_.packets_dropped += peer.take_lost();
    if (!received) {
      tell_events(peer);
      return count;
    }
    deliver(peer.id(), peer.garbage_logged, peer.address(), false);
  }
  if (!peer.hung_up) mark_ready(peer);
  return count;
}

// After the packets: what a peer said before its end counts.
void RealEnv::Impl::tell_events(DialedPeer& peer) {
  if (!std::exchange(peer.has_events, false)) return;
  while (!peer.hung_up) {
    const std::optional<PeerEvent> event = peer.monitor().next();
    if (!event) return;
    told_events_ = true;
    const bool is_refusal = *event == PeerEvent::kKeyRefused || *event == PeerEvent::kNoHandshake;
    if (is_refusal && entrance_ && !std::exchange(peer.refusal_logged, true)) {
      spdlog::warn("no way to {}: this process's key is not the one wanted there", peer.address());
    }
    handler_->on_peer_event(peer.id(), *event);
  }
}

void RealEnv::Impl::deliver(PeerId from, bool& garbage_logged, const std::string& sender, bool is_client) {
  for (const Buffer& part : parts_) stats_.bytes_received += part.size();
  Result<wire::Packet> packet = wire::decode(parts_);
  parts_.clear();
  if (packet && is_client && !is_from_client(*packet)) packet = fail(Code::kProtocol, kNotTheGridsKey);
  if (packet) {
    ++stats_.packets_received;
    handler_->on_packet(from, std::move(*packet));
    return;
  }
  ++stats_.packets_garbage;
  const TimeNs now = monotonic_now();
  if (!garbage_logged && now >= garbage_log_at_) {
    garbage_logged = true;
    garbage_log_at_ = now + kGarbageLogPauseNs;
    spdlog::warn("dropped a message from {}: {}; further ones from there are only counted", sender,
                 to_string(packet.error()));
  }
}

PeerId RealEnv::Impl::dial(std::string_view address) {
  if (const auto found = by_address_.find(address); found != by_address_.end()) return found->second;
  const PeerId id = next_id_;
  std::unique_ptr<DialedPeer> peer = DialedPeer::connect(context_, id, std::string(address), options_);
  if (peer == nullptr || !watch(peer->fd(), id)) return 0;
  if (peer->monitor().fd() >= 0) watch(peer->monitor().fd(), id | kMonitorBit);
  ++next_id_;
  mark_ready(*peer);
  by_address_.emplace(address, id);
  peers_.emplace(id, std::move(peer));
  return id;
}

void RealEnv::Impl::hang_up(PeerId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  DialedPeer& peer = *found->second;
  peer.hung_up = true;
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, peer.fd(), nullptr);
  if (peer.monitor().fd() >= 0) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, peer.monitor().fd(), nullptr);
  std::erase(ready_, &peer);
  by_address_.erase(peer.address());
  // The loop may be in the middle of this very peer.
  hung_up_.push_back(std::move(found->second));
  peers_.erase(found);
}

void RealEnv::Impl::send(PeerId to, wire::Packet packet) {
  std::vector<Buffer> parts = wire::encode(packet);
  std::size_t bytes = 0;
  for (const Buffer& part : parts) bytes += part.size();
  const bool fits = bytes <= wire::kPacketBytesMax && parts[0].size() <= wire::kPacketHeadBytesMax &&
                    parts.size() - 1 <= wire::kPacketFramesMax && packet.messages.size() <= wire::kPacketMessagesMax;
  if (fits) {
    send_parts_to(to, std::move(parts));
    return;
  }
  if (packet.messages.size() < 2) {
    ++stats_.packets_dropped;
    spdlog::error("a message of {} bytes is larger than a packet may be and was dropped", bytes);
    return;
  }
  // More than one packet may hold: halve it.
  const auto middle = packet.messages.begin() + static_cast<std::ptrdiff_t>(packet.messages.size() / 2);
  wire::Packet second{packet.from,
                      packet.incarnation,
                      packet.to,
                      packet.to_incarnation,
                      {std::make_move_iterator(middle), std::make_move_iterator(packet.messages.end())}};
  packet.messages.erase(middle, packet.messages.end());
  send(to, std::move(packet));
  send(to, std::move(second));
}

void RealEnv::Impl::send_parts_to(PeerId to, std::vector<Buffer> parts) {
  std::size_t bytes = 0;
  for (const Buffer& part : parts) bytes += part.size();
  bool sent = false;
  if (const auto found = peers_.find(to); found != peers_.end()) {
    DialedPeer& peer = *found->second;
    sent = peer.send(std::move(parts), monotonic_now());
    stats_.packets_dropped += peer.take_lost();
    mark_ready(peer);
  } else if (entrance_) {
    sent = entrance_->send(to, parts);
    entrance_->ready = true;
  }
  if (sent) {
    ++stats_.packets_sent;
    stats_.bytes_sent += bytes;
  } else {
    ++stats_.packets_dropped;
  }
}

// ---- the face --------------------------------------------------------------------------------------------------------

RealEnv::RealEnv(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RealEnv::~RealEnv() = default;

Result<std::unique_ptr<RealEnv>> RealEnv::create(const RealEnvOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  if (Status started = impl->start(); !started) return std::unexpected(started.error());
  return std::unique_ptr<RealEnv>(new RealEnv(std::move(impl)));
}

const std::vector<std::string>& RealEnv::addresses() const { return impl_->addresses_; }

void RealEnv::attach(Handler& handler) { impl_->handler_ = &handler; }

void RealEnv::run() {
  while (!impl_->stopped_.load()) impl_->run_once(kNever);
}

bool RealEnv::run_once(TimeNs deadline) { return impl_->run_once(deadline); }

void RealEnv::wake() { impl_->wake(); }

void RealEnv::stop() {
  impl_->stopped_.store(true);
  impl_->wake();
}

RealEnvStats RealEnv::stats() const { return impl_->stats_; }

void RealEnv::use_disk(Disk& disk, int descriptor, std::function<void()> deliver) {
  impl_->disk_ = &disk;
  impl_->deliver_disk_ = std::move(deliver);
  impl_->watch(descriptor, kDiskTag);
}

Disk* RealEnv::disk() { return impl_->disk_; }

std::uint64_t RealEnv::random() { return impl_->random_(); }

void RealEnv::wake_at(TimeNs when) { impl_->wake_at_ = when; }

PeerId RealEnv::dial(std::string_view address) { return impl_->dial(address); }

void RealEnv::send(PeerId to, wire::Packet packet) { impl_->send(to, std::move(packet)); }

void RealEnv::hang_up(PeerId peer) { impl_->hang_up(peer); }

std::string RealEnv::user_of(PeerId peer) const { return impl_->user_of(peer); }

TimeNs RealEnv::now() const { return monotonic_now(); }

}  // namespace juxmem

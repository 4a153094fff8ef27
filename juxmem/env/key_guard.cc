#include "juxmem/env/key_guard.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

namespace juxmem {
namespace {

constexpr const char* kAddress = "inproc://zeromq.zap.01";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kFramesMax = 16;
// The folder is looked at so often, and the thread's end waits at most as long.
constexpr int kLookMs = 100;
constexpr std::int64_t kLogPauseS = 10;
// Clocks of file systems are coarse: what was changed so shortly ago may change again without being seen.
constexpr std::int64_t kCoarseS = 2;

std::int64_t seconds_now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec;
}

void send_frame(zmq::socket_t& socket, std::string_view text, bool more) {
  zmq_send(socket.handle(), text.data(), text.size(), ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

}  // namespace

Result<std::unique_ptr<KeyGuard>> KeyGuard::start(zmq::context_t& context, const KeyFile& key, std::string admitted_folder) {
  if (!key.is_grid_key()) {
    return fail(Code::kInvalid, fmt::format("the key of '{}' is a user's; a provider needs the grid's own key", key.name));
  }
  try {
    zmq::socket_t socket(context, zmq::socket_type::rep);
    socket.set(zmq::sockopt::linger, 0);
    socket.bind(kAddress);
    std::unique_ptr<KeyGuard> guard(new KeyGuard(std::move(socket), key.grid, std::move(admitted_folder)));
    guard->read_folder_if_changed();
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    guard->thread_ = std::thread([raw = guard.get()] { raw->serve(); });
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
    return guard;
  } catch (const zmq::error_t& error) {
    return fail(Code::kIo, fmt::format("cannot start the check of keys: {}", error.what()));
  }
}

KeyGuard::KeyGuard(zmq::socket_t socket, std::string grid, std::string admitted_folder)
    : socket_(std::move(socket)), grid_(std::move(grid)), admitted_(std::move(admitted_folder)) {}

KeyGuard::~KeyGuard() {
  ending_.store(true);
  if (thread_.joinable()) thread_.join();
}

bool KeyGuard::admits(std::string_view user) const {
  if (user == kGridUser) return true;
  const std::lock_guard lock(mutex_);
  return names_.contains(std::string(user));
}

void KeyGuard::serve() {
  while (!ending_.load()) {
    zmq_pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
    const int ready = zmq_poll(&item, 1, kLookMs);
    read_folder_if_changed();
    if (ready > 0) answer();
  }
}

void KeyGuard::read_folder_if_changed() {
  struct stat facts{};
  const bool exists = ::stat(admitted_.folder().c_str(), &facts) == 0;
  const bool is_fresh = exists && seconds_now() - facts.st_mtim.tv_sec <= kCoarseS;
  const std::string state =
      exists ? fmt::format("{}.{} {} {:o}", facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, facts.st_ino, facts.st_mode)
             : "none";
  if (state == seen_ && !is_fresh) return;
  seen_ = state;
  auto names = admitted_.read();
  if (!names) {
    spdlog::error("admitted keys: {}", to_string(names.error()));
    names.emplace();
  }
  take_over(std::move(*names));
}

void KeyGuard::take_over(std::map<std::string, std::string> names) {
  bool somebody_left = false;
  {
    const std::lock_guard lock(mutex_);
    somebody_left = std::ranges::any_of(names_, [&](const auto& row) { return !names.contains(row.first); });
    names_ = std::move(names);
  }
  if (somebody_left) revocations_.fetch_add(1);
}

// Frames of a request: version, request id, domain, address, routing id, mechanism, credentials.
void KeyGuard::answer() {
  std::vector<zmq::message_t> frames;
  for (bool more = true; more;) {
    zmq::message_t frame;
    if (zmq_msg_recv(frame.handle(), socket_.handle(), ZMQ_DONTWAIT) < 0) return;
    more = frame.more();
    if (frames.size() < kFramesMax) frames.push_back(std::move(frame));
  }
  const std::string user = frames.size() == 7 ? user_of(frames[5], frames[6]) : std::string();
  if (user.empty() && frames.size() > 3) log_refusal(frames[3].to_string());
  const bool is_admitted = !user.empty();
  send_frame(socket_, "1.0", true);
  send_frame(socket_, frames.size() > 1 ? frames[1].to_string_view() : std::string_view(), true);
  send_frame(socket_, is_admitted ? "200" : "400", true);
  send_frame(socket_, is_admitted ? "" : "key not admitted", true);
  send_frame(socket_, user, true);
  send_frame(socket_, "", false);
}

std::string KeyGuard::user_of(const zmq::message_t& mechanism, const zmq::message_t& credentials) const {
  if (mechanism.to_string_view() != "CURVE" || credentials.size() != kKeyBytes) return {};
  char key[kKeyBytes / 4 * 5 + 1];
  if (zmq_z85_encode(key, static_cast<const std::uint8_t*>(credentials.data()), kKeyBytes) == nullptr) return {};
  if (grid_ == key) return kGridUser;
  const std::lock_guard lock(mutex_);
  return names_.contains(key) ? key : std::string();
}

void KeyGuard::log_refusal(const std::string& from) {
  const std::int64_t now = seconds_now();
  if (now < log_again_at_ && log_again_at_ - now <= kLogPauseS) return;
  log_again_at_ = now + kLogPauseS;
  spdlog::warn("refused a connection from {}: its key is not admitted", from);
}

}  // namespace juxmem

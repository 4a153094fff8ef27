#include "apps/bench/floor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

namespace juxmem::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kPatienceMs = 10'000;
constexpr std::size_t kPieceBytes = 1U << 20;

std::unexpected<Error> io_error(const std::string& what) { return fail(Code::kIo, what + ": " + std::strerror(errno)); }

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Echoes everything; a message whose first byte is zero is only counted, not answered.
void serve(zmq::socket_t& socket) {
  for (;;) {
    zmq::message_t routing_id;
    zmq::message_t body;
    if (!socket.recv(routing_id) || !socket.recv(body)) return;
    const bool silent = !body.empty() && *static_cast<const char*>(body.data()) == 0;
    if (silent) continue;
    socket.send(routing_id, zmq::send_flags::sndmore);
    socket.send(body, zmq::send_flags::none);
  }
}

// What for: a process that echoes on a socket of its own. Ends with this object, and with this process.
class EchoProcess {
 public:
  static Result<std::unique_ptr<EchoProcess>> start(SocketKind kind) {
    int channel[2];
    if (::pipe2(channel, O_CLOEXEC) != 0) return io_error("pipe");
    const pid_t pid = ::fork();
    if (pid < 0) return io_error("fork");
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      run(kind, channel[1]);
      ::_exit(0);
    }
    ::close(channel[1]);
    std::string address;
    char byte = 0;
    while (::read(channel[0], &byte, 1) == 1) address.push_back(byte);
    ::close(channel[0]);
    auto process = std::unique_ptr<EchoProcess>(new EchoProcess(pid, address));
    if (address.empty()) return fail(Code::kIo, "the echoing process could not listen");
    return process;
  }

  EchoProcess(const EchoProcess&) = delete;
  EchoProcess& operator=(const EchoProcess&) = delete;
  ~EchoProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    if (address_.starts_with("ipc://")) ::unlink(address_.c_str() + std::strlen("ipc://"));
  }

  const std::string& address() const { return address_; }

 private:
  EchoProcess(pid_t pid, std::string address) : pid_(pid), address_(std::move(address)) {}

  static void run(SocketKind kind, int channel) {
    try {
      zmq::context_t context(1);
      zmq::socket_t socket(context, zmq::socket_type::router);
      socket.bind(kind == SocketKind::kTcp ? std::string("tcp://127.0.0.1:*")
                                           : "ipc:///tmp/juxmem-floor-" + std::to_string(::getpid()));
      const std::string address = socket.get(zmq::sockopt::last_endpoint);
      const bool told = ::write(channel, address.data(), address.size()) == static_cast<ssize_t>(address.size());
      ::close(channel);
      if (told) serve(socket);
    } catch (const zmq::error_t&) {
      // The parent finds the pipe empty or gets no answer.
    }
  }

  pid_t pid_;
  std::string address_;
};

zmq::socket_t connect_to(zmq::context_t& context, const std::string& address) {
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::rcvtimeo, kPatienceMs);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.connect(address);
  return socket;
}

bool exchange(zmq::socket_t& socket, const std::vector<char>& bytes) {
  socket.send(zmq::buffer(bytes), zmq::send_flags::none);
  zmq::message_t answer;
  return socket.recv(answer).has_value() && answer.size() == bytes.size();
}

}  // namespace

Result<double> bare_round_trip_us(SocketKind kind, std::size_t bytes, int rounds) {
  auto peer = EchoProcess::start(kind);
  if (!peer) return std::unexpected(peer.error());
  try {
    zmq::context_t context(1);
    zmq::socket_t socket = connect_to(context, (*peer)->address());
    const std::vector<char> message(std::max<std::size_t>(bytes, 1), 'x');
    std::vector<double> times;
    for (int i = -rounds / 10 - 1; i < rounds; ++i) {
      const auto start = SteadyClock::now();
      if (!exchange(socket, message)) return fail(Code::kIo, "the echoing process does not answer");
      if (i >= 0) times.push_back(seconds_since(start) * 1e6);
    }
    if (times.empty()) return 0.0;
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
  } catch (const zmq::error_t& error) {
    return fail(Code::kIo, std::string("bare round trip: ") + error.what());
  }
}

Result<double> bare_push_bytes_per_second(std::size_t bytes, int peers) {
  std::vector<std::unique_ptr<EchoProcess>> processes;
  for (int i = 0; i < peers; ++i) {
    auto process = EchoProcess::start(SocketKind::kTcp);
    if (!process) return std::unexpected(process.error());
    processes.push_back(std::move(*process));
  }
  try {
    std::vector<char> memory(bytes, 0);
    const std::vector<char> question(1, 'x');
    zmq::context_t context(1);
    std::vector<zmq::socket_t> sockets;
    sockets.reserve(processes.size());
    for (const auto& process : processes) sockets.push_back(connect_to(context, process->address()));
    for (zmq::socket_t& socket : sockets) {
      if (!exchange(socket, question)) return fail(Code::kIo, "a receiving process does not answer");
    }
    const auto start = SteadyClock::now();
    for (std::size_t at = 0; at < bytes; at += kPieceBytes) {
      for (zmq::socket_t& socket : sockets) {
        const auto keep = [](void*, void*) {};
        socket.send(zmq::message_t(memory.data() + at, std::min(kPieceBytes, bytes - at), keep), zmq::send_flags::none);
      }
    }
    for (zmq::socket_t& socket : sockets) {
      if (!exchange(socket, question)) return fail(Code::kIo, "a receiving process does not answer");
    }
    return static_cast<double>(bytes) / seconds_since(start);
  } catch (const zmq::error_t& error) {
    return fail(Code::kIo, std::string("bare push: ") + error.what());
  }
}

}  // namespace juxmem::bench

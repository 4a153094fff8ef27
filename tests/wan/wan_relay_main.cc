// Carries IP packets between network namespaces, each a while later: a wide-area network on one machine, without the kernel's netem.
//
//   wan_relay DELAY_US NAMESPACE=ADDRESS ...
//
// Makes a TUN device `wan0` in every namespace (they must exist), says "ready", and passes on what is sent there to one of the
// addresses. DELAY_US is one way. Standard input takes commands: "count" is answered by one line per direction that was used, "FROM TO
// PACKETS BYTES" in addresses, and a line with a dot; "delay US" by the dot alone. It ends with its standard input. Needs root.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPacketBytesMax = 65536;
constexpr std::size_t kQueuedBytesMax = 256U << 20;
constexpr std::size_t kDestinationOffset = 16;  // of an IPv4 header
constexpr std::size_t kHeaderBytes = 20;
constexpr int kPacketsPerTurn = 64;

// What for: one end per namespace, one queue for all packets under way, counters per direction.
// Thread safety: none. Invariants: packets arrive in the order in which they were sent. Ownership: owns the devices, which go with it.
// Failure: what nobody has the address of, and what is more than kQueuedBytesMax, is dropped, as a network does.
class Relay {
 public:
  explicit Relay(std::chrono::microseconds delay) : delay_(delay) {}

  // False: says why on standard error.
  bool add_end(const std::string& name_space, const std::string& address) {
    End end;
    end.address = address;
    const std::string path = "/run/netns/" + name_space;
    const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0) return complain("cannot enter " + path);
    close(space);
    end.device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ifreq request = {};
    std::strncpy(request.ifr_name, "wan0", IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (end.device < 0 || ioctl(end.device, TUNSETIFF, &request) != 0)
      return complain("cannot make a TUN device in " + name_space);
    in_addr parsed = {};
    if (inet_pton(AF_INET, address.c_str(), &parsed) != 1) return complain("no IPv4 address: " + address);
    by_address_[parsed.s_addr] = ends_.size();
    ends_.push_back(std::move(end));
    return true;
  }

  // Until standard input ends.
  void run() {
    std::vector<pollfd> polled{{STDIN_FILENO, POLLIN, 0}};
    for (const End& end : ends_) polled.push_back({end.device, POLLIN, 0});
    for (;;) {
      const timespec wait = time_to_first();
      if (ppoll(polled.data(), polled.size(), queue_.empty() ? nullptr : &wait, nullptr) < 0 && errno != EINTR) return;
      for (std::size_t i = 1; i < polled.size(); ++i) {
        if ((polled[i].revents & POLLIN) != 0) take_in(i - 1);
      }
      deliver();
      if (polled[0].revents != 0 && !obey()) return;
    }
  }

 private:
  struct End {
    std::string address;
    int device = -1;
  };
  struct Packet {
    Clock::time_point due;
    std::size_t to = 0;
    std::vector<char> bytes;
  };
  struct Count {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
  };

  static bool complain(const std::string& what) {
    fmt::print(stderr, "wan_relay: {}: {}\n", what, std::strerror(errno));
    return false;
  }

  timespec time_to_first() const {
    if (queue_.empty()) return {};
    const auto left = std::max(queue_.front().due - Clock::now(), Clock::duration::zero());
    return {static_cast<time_t>(left.count() / 1'000'000'000), static_cast<long>(left.count() % 1'000'000'000)};
  }

  void take_in(std::size_t from) {
    for (int i = 0; i < kPacketsPerTurn; ++i) {
      const ssize_t size = read(ends_[from].device, buffer_.data(), buffer_.size());
      if (size < static_cast<ssize_t>(kHeaderBytes)) return;
      in_addr_t destination = 0;
      std::memcpy(&destination, buffer_.data() + kDestinationOffset, sizeof destination);
      const auto to = by_address_.find(destination);
      const bool is_ipv4 = (buffer_[0] & 0xF0) == 0x40;
      if (!is_ipv4 || to == by_address_.end() || queued_bytes_ > kQueuedBytesMax) continue;
      Count& count = counts_[{from, to->second}];
      ++count.packets;
      count.bytes += static_cast<std::uint64_t>(size);
      queued_bytes_ += static_cast<std::size_t>(size);
      queue_.push_back({Clock::now() + delay_, to->second, {buffer_.data(), buffer_.data() + size}});
    }
  }

  void deliver() {
    const Clock::time_point now = Clock::now();
    while (!queue_.empty() && queue_.front().due <= now) {
      const Packet& packet = queue_.front();
      // A full or unready device loses the packet; the transport sends it again.
      [[maybe_unused]] const ssize_t written = write(ends_[packet.to].device, packet.bytes.data(), packet.bytes.size());
      queued_bytes_ -= packet.bytes.size();
      queue_.pop_front();
    }
  }

  // False: no more commands will come.
  bool obey() {
    std::array<char, 256> text;
    const ssize_t size = read(STDIN_FILENO, text.data(), text.size());
    if (size <= 0) return false;
    commands_.append(text.data(), static_cast<std::size_t>(size));
    for (std::size_t end = commands_.find('\n'); end != std::string::npos; end = commands_.find('\n')) {
      std::istringstream words(commands_.substr(0, end));
      commands_.erase(0, end + 1);
      std::string verb;
      words >> verb;
      std::int64_t delay_us = 0;
      if (verb == "count") {
        for (const auto& [way, count] : counts_) {
          fmt::print("{} {} {} {}\n", ends_[way.first].address, ends_[way.second].address, count.packets, count.bytes);
        }
      } else if (verb == "delay" && words >> delay_us && delay_us >= 0) {
        delay_ = std::chrono::microseconds(delay_us);
      }
      fmt::print(".\n");
      std::fflush(stdout);
    }
    return true;
  }

  std::chrono::microseconds delay_;
  std::vector<End> ends_;
  std::map<in_addr_t, std::size_t> by_address_;
  std::deque<Packet> queue_;  // by the time they are due, as long as the delay stays the same
  std::size_t queued_bytes_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, Count> counts_;
  std::array<char, kPacketBytesMax> buffer_;
  std::string commands_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: wan_relay DELAY_US NAMESPACE=ADDRESS ...\n");
    return 2;
  }
  Relay relay{std::chrono::microseconds(std::strtoll(argv[1], nullptr, 10))};
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || !relay.add_end(word.substr(0, equals), word.substr(equals + 1))) return 1;
  }
  fmt::print("ready\n");
  std::fflush(stdout);
  relay.run();
  return 0;
}

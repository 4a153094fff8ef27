#include "apps/bench/bare_syncs.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <utility>
#include <vector>

namespace juxmem::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kFileBytes = 32U << 20;
constexpr std::size_t kBlockBytes = 4096;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

bool write_at(int fd, const std::vector<char>& bytes, std::uint64_t at) {
  return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

Result<BareSyncs> BareSyncs::create(const std::string& folder) {
  const std::string path = folder + "/bare";
  BareSyncs syncs(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (syncs.fd_ < 0) return fail(Code::kIo, "cannot make " + path);
  const std::vector<char> zeros(1U << 20);
  bool good = true;
  for (std::uint64_t at = 0; at < kFileBytes && good; at += zeros.size()) good = write_at(syncs.fd_, zeros, at);
  if (!good || ::fsync(syncs.fd_) != 0) return fail(Code::kIo, "cannot write " + path);
  return syncs;
}

BareSyncs::BareSyncs(BareSyncs&& other) noexcept : fd_(std::exchange(other.fd_, -1)), at_(other.at_) {}

BareSyncs::~BareSyncs() {
  if (fd_ >= 0) ::close(fd_);
}

Result<double> BareSyncs::run(double seconds) {
  const std::vector<char> block(kBlockBytes, 'x');
  std::uint64_t count = 0;
  const auto start = SteadyClock::now();
  for (; seconds_since(start) < seconds; ++count, at_ = (at_ + block.size()) % kFileBytes) {
    if (!write_at(fd_, block, at_) || ::fdatasync(fd_) != 0) return fail(Code::kIo, "cannot write or sync the bare file");
  }
  return static_cast<double>(count) / seconds_since(start);
}

}  // namespace juxmem::bench

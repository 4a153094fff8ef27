#include "juxmem/env/run_dir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

namespace juxmem {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolderPrefix = "provider-";
constexpr const char* kLockName = "lock";
constexpr const char* kSocketName = "agent";
constexpr const char* kAddressName = "address";
constexpr std::size_t kAddressBytesMax = 4096;

std::unexpected<Error> io_error(const std::string& what, const std::string& path) {
  return fail(Code::kIo, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

// A file descriptor that is closed at the end, which also ends its flock.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// The base must be ours alone: in a shared /tmp somebody else could have made it before us.
Status make_base(const std::string& base) {
  std::error_code ignored;
  fs::create_directories(fs::path(base).parent_path(), ignored);
  if (::mkdir(base.c_str(), 0700) != 0 && errno != EEXIST) return io_error("cannot make the run folder", base);
  struct stat status{};
  if (::lstat(base.c_str(), &status) != 0) return io_error("cannot look at the run folder", base);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0022) != 0) {
    return fail(Code::kIo, fmt::format("the run folder {} must be a folder that only this user may write; "
                                       "remove it or set JUXMEM_RUN_DIR",
                                       base));
  }
  return {};
}

// Held while folders are made and removed, so that nobody takes a folder that is being made for a leftover.
Result<OwnedFd> lock_base(const std::string& base) {
  if (Status made = make_base(base); !made) return std::unexpected(made.error());
  const std::string path = base + "/" + kLockName;
  OwnedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return io_error("cannot open", path);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return io_error("cannot lock", path);
  }
  return fd;
}

std::vector<std::string> folders_below(const std::string& base) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(base, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(kFolderPrefix)) found.push_back(it->path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Whether a living provider holds the folder's lock.
bool is_alive(const std::string& folder) {
  OwnedFd fd(::open((folder + "/" + kLockName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0) return false;
  return ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// The caller holds the base's lock.
int remove_leftovers(const std::string& base) {
  int removed = 0;
  for (const std::string& folder : folders_below(base)) {
    if (is_alive(folder)) continue;
    std::error_code error;
    fs::remove_all(folder, error);
    if (!error) ++removed;
  }
  return removed;
}

std::optional<std::string> address_in(const std::string& folder) {
  std::ifstream file(folder + "/" + kAddressName);
  std::string address;
  if (!std::getline(file, address) || address.empty() || address.size() > kAddressBytesMax) return std::nullopt;
  return address;
}

}  // namespace

std::string run_base() {
  if (const char* chosen = std::getenv("JUXMEM_RUN_DIR"); chosen != nullptr && *chosen != 0) return chosen;
  if (const char* xdg = std::getenv("XDG_RUNTIME_DIR"); xdg != nullptr && *xdg != 0) {
    return std::string(xdg) + "/juxmem";
  }
  return fmt::format("/tmp/juxmem-{}", ::geteuid());
}

Result<RunDir> RunDir::create(const std::string& base) {
  Result<OwnedFd> held = lock_base(base);
  if (!held) return std::unexpected(held.error());
  remove_leftovers(base);
  std::string path = base + "/" + kFolderPrefix + "XXXXXX";
  if (path.size() + std::strlen(kSocketName) + 2 > sizeof(sockaddr_un::sun_path)) {
    return fail(Code::kTooBig, fmt::format("the run folder's path {} is too long for a socket; set JUXMEM_RUN_DIR "
                                           "to a shorter one",
                                           base));
  }
  if (::mkdtemp(path.data()) == nullptr) return io_error("cannot make a folder", path);
  const std::string lock_path = path + "/" + kLockName;
  OwnedFd fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX) != 0) return io_error("cannot lock", lock_path);
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::write(fd.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    return io_error("cannot write", lock_path);
  }
  return RunDir(std::move(path), fd.release());
}

RunDir::RunDir(RunDir&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

RunDir& RunDir::operator=(RunDir&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    lock_fd_ = std::exchange(other.lock_fd_, -1);
  }
  return *this;
}

RunDir::~RunDir() { remove(); }

void RunDir::remove() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_fd_);
  path_.clear();
  lock_fd_ = -1;
}

std::string RunDir::ipc_address() const { return "ipc://" + path_ + "/" + kSocketName; }

Status RunDir::announce(const std::string& address) const {
  const std::string path = path_ + "/" + kAddressName;
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh);
    file << address << '\n';
    file.flush();
    if (!file) return io_error("cannot write", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return io_error("cannot rename", fresh);
  return {};
}

Result<int> clean_run_base(const std::string& base) {
  Result<OwnedFd> held = lock_base(base);
  if (!held) return std::unexpected(held.error());
  return remove_leftovers(base);
}

std::vector<std::string> local_agents(const std::string& base) {
  std::vector<std::string> addresses;
  for (const std::string& folder : folders_below(base)) {
    std::optional<std::string> address = address_in(folder);
    if (address && is_alive(folder)) addresses.push_back(std::move(*address));
  }
  return addresses;
}

Result<std::string> find_local_agent(const std::string& base) {
  std::vector<std::string> addresses = local_agents(base);
  if (addresses.empty()) return fail(Code::kNotFound, fmt::format("no provider runs on this machine (looked in {})", base));
  return std::move(addresses.front());
}

}  // namespace juxmem

#include "juxmem/env/key_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

#include "juxmem/base/check.h"

namespace juxmem {
namespace {

constexpr const char* kGridName = "grid";
constexpr const char* kHeading =
    "# A key of a JuxMem grid. Keep the secret line to yourself: whoever has it comes in under this name.\n";
constexpr std::size_t kKeyChars = 40;
constexpr std::size_t kFileBytesMax = 4096;

std::unexpected<Error> io_error(const char* what, const std::string& path) {
  const int reason = errno;
  return fail(reason == ENOENT ? Code::kNotFound : Code::kIo, fmt::format("{} {}: {}", what, path, std::strerror(reason)));
}

std::unexpected<Error> no_key(const std::string& path, const char* why) {
  return fail(Code::kInvalid, fmt::format("{} is no key file: {}", path, why));
}

void make_pair(KeyFile& key) {
  char public_key[kKeyChars + 1];
  char secret_key[kKeyChars + 1];
  JUXMEM_CHECK_MSG(zmq_curve_keypair(public_key, secret_key) == 0, "the ZeroMQ library has no CURVE");
  key.public_key = public_key;
  key.secret_key = secret_key;
}

bool is_key(const std::string& text) {
  std::uint8_t bytes[kKeyChars / 5 * 4];
  return text.size() == kKeyChars && zmq_z85_decode(bytes, text.c_str()) != nullptr;
}

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Looked at through the open file, so that it cannot be exchanged in between.
Status check_private(int fd, const std::string& path) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return io_error("cannot look at the key file", path);
  if (!S_ISREG(facts.st_mode)) return no_key(path, "not a file");
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return fail(Code::kInvalid, fmt::format("the key file {} belongs to another user", path));
  }
  if ((facts.st_mode & 0077) != 0) {
    return fail(Code::kInvalid,
                fmt::format("the key file {} may be read or changed by others; say: chmod 600 {}", path, path));
  }
  return {};
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string text(kFileBytesMax + 1, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read the key file", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  if (done > kFileBytesMax) return no_key(path, "it is too large");
  text.resize(done);
  return text;
}

// Lines "word value"; comments begin with '#'.
std::map<std::string, std::string> fields_of(const std::string& text) {
  std::map<std::string, std::string> fields;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t blank = line.find(' ');
    if (blank != std::string::npos) fields[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return fields;
}

Result<PublicKey> public_key_in(std::map<std::string, std::string>& fields, const std::string& path) {
  PublicKey key{.name = fields["name"], .grid = fields["grid"], .key = fields["public"]};
  if (!is_key(key.grid)) return no_key(path, "the line 'grid' is missing or wrong");
  if (!is_key(key.key)) return no_key(path, "the line 'public' is missing or wrong");
  const bool is_grid = key.key == key.grid;
  if (is_grid ? key.name != kGridName : !is_user_name(key.name)) return no_key(path, "the line 'name' is missing or wrong");
  return key;
}

}  // namespace

bool has_encryption() { return zmq_has("curve") != 0; }

KeyFile new_grid_key() {
  KeyFile key;
  key.name = kGridName;
  make_pair(key);
  key.grid = key.public_key;
  return key;
}

KeyFile new_user_key(std::string name, std::string grid) {
  KeyFile key;
  key.name = std::move(name);
  key.grid = std::move(grid);
  make_pair(key);
  return key;
}

bool is_user_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '.' || name == kGridName) return false;
  return std::ranges::all_of(name,
                             [](unsigned char c) { return std::isalnum(c) != 0 || std::strchr("._@-", c) != nullptr; });
}

Status write_key_file(const std::string& path, const KeyFile& key) {
  const OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return io_error("cannot make the key file", path);
  const std::string text = kHeading + public_part(key) + "secret " + key.secret_key + "\n";
  if (::fchmod(fd.get(), 0600) != 0 || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fsync(fd.get()) != 0) {
    return io_error("cannot write the key file", path);
  }
  return {};
}

Result<KeyFile> load_key_file(const std::string& path) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return io_error("cannot open the key file", path);
  if (Status checked = check_private(fd.get(), path); !checked) return std::unexpected(checked.error());
  Result<std::string> text = read_all(fd.get(), path);
  if (!text) return std::unexpected(text.error());
  std::map<std::string, std::string> fields = fields_of(*text);
  Result<PublicKey> known = public_key_in(fields, path);
  if (!known) return std::unexpected(known.error());
  KeyFile key{.name = known->name, .grid = known->grid, .public_key = known->key, .secret_key = fields["secret"]};
  char derived[kKeyChars + 1] = {};
  const bool belongs = is_key(key.secret_key) && zmq_curve_public(derived, key.secret_key.c_str()) == 0;
  if (!belongs || key.public_key != derived) return no_key(path, "the line 'secret' is missing or wrong");
  return key;
}

Result<std::shared_ptr<const KeyFile>> key_of_environment() {
  const char* path = std::getenv("JUXMEM_KEY_FILE");
  if (path == nullptr || *path == '\0') return nullptr;
  Result<KeyFile> key = load_key_file(path);
  if (!key) return std::unexpected(key.error());
  return std::make_shared<const KeyFile>(std::move(*key));
}

std::string public_part(const KeyFile& key) {
  return fmt::format("name {}\ngrid {}\npublic {}\n", key.name, key.grid, key.public_key);
}

Result<PublicKey> load_public_key(const std::string& path) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return io_error("cannot open the key file", path);
  Result<std::string> text = read_all(fd.get(), path);
  if (!text) return std::unexpected(text.error());
  std::map<std::string, std::string> fields = fields_of(*text);
  return public_key_in(fields, path);
}

}  // namespace juxmem

#include "juxmem/env/admitted_keys.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace juxmem {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyChars = 40;

std::unexpected<Error> io_error(const char* what, const std::string& path) {
  return fail(Code::kIo, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

// Success also if there is none.
Status check_folder(const std::string& folder) {
  struct stat facts{};
  if (::stat(folder.c_str(), &facts) != 0) {
    if (errno == ENOENT) return {};
    return io_error("cannot look at the folder", folder);
  }
  const bool is_ours = S_ISDIR(facts.st_mode) && (facts.st_uid == ::geteuid() || facts.st_uid == 0);
  if (!is_ours || (facts.st_mode & 0022) != 0) {
    return fail(Code::kInvalid,
                fmt::format("{} must be a folder that only this user may change; say: chmod 700 {}", folder, folder));
  }
  return {};
}

}  // namespace

std::string admitted_folder_of(const std::string& key_file) { return key_file + ".admitted"; }

Status AdmittedKeys::admit(std::string_view name, const std::string& public_key) const {
  if (!is_user_name(name)) return fail(Code::kInvalid, fmt::format("'{}' is not a name of a user", name));
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return io_error("cannot make the folder", folder_);
  if (Status checked = check_folder(folder_); !checked) return checked;
  const std::string path = fmt::format("{}/{}", folder_, name);
  const std::string fresh = fmt::format("{}/.{}.{}", folder_, name, ::getpid());
  {
    std::ofstream file(fresh);
    file << public_key << '\n';
    file.flush();
    if (!file) return io_error("cannot write", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return io_error("cannot rename", fresh);
  return {};
}

Status AdmittedKeys::revoke(std::string_view name) const {
  if (!is_user_name(name)) return fail(Code::kInvalid, fmt::format("'{}' is not a name of a user", name));
  const std::string path = fmt::format("{}/{}", folder_, name);
  if (::unlink(path.c_str()) == 0) return {};
  if (errno == ENOENT) return fail(Code::kNotFound, fmt::format("no key of '{}' is admitted in {}", name, folder_));
  return io_error("cannot remove", path);
}

Result<std::map<std::string, std::string>> AdmittedKeys::read() const {
  if (Status checked = check_folder(folder_); !checked) return std::unexpected(checked.error());
  std::map<std::string, std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!is_user_name(name)) continue;
    std::ifstream file(it->path());
    std::string key(kKeyChars, '\0');
    if (file.read(key.data(), static_cast<std::streamsize>(kKeyChars))) names.emplace(std::move(key), name);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(Code::kIo, fmt::format("cannot read the folder {}: {}", folder_, error.message()));
  }
  return names;
}

}  // namespace juxmem

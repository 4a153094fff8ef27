// A folder for one test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace juxmem {

// Removed with everything in it at the end. Short, because a socket's path may have 107 characters only.
class TempDir {
 public:
  TempDir() {
    std::string path = "/tmp/juxmem-test-XXXXXX";
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace juxmem

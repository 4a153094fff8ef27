// AdmittedKeys: whose keys a grid admits, as a folder of public keys.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "juxmem/base/result.h"
#include "juxmem/env/key_file.h"

namespace juxmem {

// The folder beside a grid's key file.
std::string admitted_folder_of(const std::string& key_file);

// What for: a folder with one file for each admitted user, named after him, that holds his public key. Providers read it again when
//   it changes, so that a user comes in or is put out while the grid runs.
// Thread safety: none; any number of processes may change and read the folder at the same time.
// Invariants: a file appears and disappears as a whole. Ownership: owns nothing but the path.
// Failure: kIo with the path; kInvalid when others may write into the folder, which then admits nobody.
class AdmittedKeys {
 public:
  explicit AdmittedKeys(std::string folder) : folder_(std::move(folder)) {}

  const std::string& folder() const { return folder_; }
  // The folder is made if it does not exist. Replaces an earlier key of the same name.
  Status admit(std::string_view name, const std::string& public_key) const;
  // kNotFound if he was not admitted.
  Status revoke(std::string_view name) const;
  // Names by public key; none if there is no folder. Files that are no keys are left out.
  Result<std::map<std::string, std::string>> read() const;

 private:
  std::string folder_;
};

}  // namespace juxmem

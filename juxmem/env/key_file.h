// KeyFile: what a process needs to be let into its grid, as a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "juxmem/base/result.h"

namespace juxmem {

// What for: the keys of one process. A grid has one key pair, which its providers hold (a grid key). A user has a pair of his own,
//   which the grid admits, and knows the grid's public key (a user's key). Whoever holds the grid key is a provider; it serves
//   as a client's key, too.
// Thread safety: a value. Invariants: keys have 40 characters of Z85; the public key belongs to the secret one.
// Ownership: a value; the secret lies in this process's memory only, and appears in no text that is printed.
// Failure: see the functions.
struct KeyFile {
  std::string name;  // the user's; "grid" for a grid key
  std::string grid;  // the grid's public key
  std::string public_key;
  std::string secret_key;

  bool is_grid_key() const { return public_key == grid; }
};

// The part of a key that everybody may know.
struct PublicKey {
  std::string name;
  std::string grid;
  std::string key;
};

// Whether the library that carries the messages can encrypt them.
bool has_encryption();

KeyFile new_grid_key();
KeyFile new_user_key(std::string name, std::string grid);
// 1 to 64 letters, digits, '.', '_', '@' and '-', the first one no '.'; not "grid".
bool is_user_name(std::string_view name);

// A new file that only its owner may read. kIo: it cannot be made, or there is one already.
Status write_key_file(const std::string& path, const KeyFile& key);
// Errors: kNotFound, kIo; kInvalid: others may read it, it belongs to somebody else, or it is no key.
Result<KeyFile> load_key_file(const std::string& path);
// What $JUXMEM_KEY_FILE names; empty if it is not set.
Result<std::shared_ptr<const KeyFile>> key_of_environment();

// "name ...\ngrid ...\npublic ...\n", without the secret: to be sent around.
std::string public_part(const KeyFile& key);
// Reads the public part from a key file or from a file that has nothing else. Errors as above.
Result<PublicKey> load_public_key(const std::string& path);

}  // namespace juxmem

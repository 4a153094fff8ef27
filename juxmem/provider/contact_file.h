// ContactFile: at which addresses other providers were last known, kept in the data folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "juxmem/env/disk.h"
#include "juxmem/storage/log/alive.h"

namespace juxmem {

// What for: whoever comes back finds its grid again though all whom its command line names have gone, or there was nobody but itself.
// Thread safety: none; the provider's event loop.
// Invariants: the file is one whole version of the list or none; the last list remembered is written in the end.
// Ownership: borrows the disk, which outlives it.
// Failure: a file that cannot be read or written is as good as none: addresses are a help, and nothing rests on them.
class ContactFile {
 public:
  static constexpr std::size_t kContactsMax = 64;

  explicit ContactFile(Disk& disk) : disk_(disk) {}

  // What a former life has left; empty if there is nothing that can be read.
  void read(std::function<void(std::vector<std::string>)> done);
  // The present list; of more than kContactsMax the first ones. The same list again writes nothing.
  void remember(std::vector<std::string> addresses);

 private:
  void write();
  void written(bool is_good);

  Disk& disk_;
  std::vector<std::string> wanted_;
  std::vector<std::string> given_;  // to the disk last
  bool writing_ = false;
  wal::Alive alive_;
};

}  // namespace juxmem

// Reads a whole file piece by piece, and around the sectors that the disk does not give.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/env/disk.h"
#include "juxmem/storage/log/alive.h"

namespace juxmem::wal {

struct FileImage {
  Buffer bytes;                        // whole sectors; zeros where the disk gave nothing
  std::set<std::uint64_t> unreadable;  // sectors
};

// What for: one read of one file at a time. Thread safety: none.
// Invariants: one request is in flight; a piece that fails is read again in smaller ones, down to a sector.
// Ownership: borrows the disk. Failure: kNotFound, and kIo if not even one sector can be read; a bad sector is no failure.
class FileReader {
 public:
  using Done = std::function<void(Result<FileImage>)>;

  explicit FileReader(Disk& disk) : disk_(disk) {}

  // The first `size_bytes` of the file. Not while another read is under way.
  void read(const std::string& name, std::uint64_t size_bytes, Done done);

 private:
  void next();
  void took(std::size_t wanted, const Result<Buffer>& piece);
  void end(Result<FileImage> result);

  Disk& disk_;
  std::string name_;
  std::vector<std::byte> bytes_;
  std::set<std::uint64_t> unreadable_;
  std::uint64_t at_ = 0;
  std::uint64_t careful_until_ = 0;  // pieces before this place are read sector by sector
  Done done_;
  Alive alive_;
};

}  // namespace juxmem::wal

// LogRecovery: reads the log that a folder holds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "juxmem/env/disk.h"
#include "juxmem/storage/log/file_reader.h"
#include "juxmem/storage/log/headers.h"
#include "juxmem/storage/log/log_scan.h"

namespace juxmem::wal {

struct FoundLog {
  bool fresh = false;  // the folder holds no log
  LogReport report;
  LogEnd end;
  bool identity_damaged = false;                    // it was taken from the segments
  std::vector<DiskEntry> entries;                   // everything in the folder
  std::map<std::uint64_t, std::uint64_t> segments;  // that the log consists of -> size
  std::map<std::uint64_t, std::uint64_t> prepared;  // of these, the ones that are still empty and good
  std::vector<std::string> useless;                 // leftovers that may be used again or removed
};

// What for: finds out whose log it is, where it begins, and hands its records out in order. Changes nothing.
// Thread safety: none; the loop's thread. Memory: two segments.
// Ownership: borrows the disk. Failure: kNotSupported when another version wrote it; kIo when the folder cannot be listed or
// a file gives
//   nothing at all. All other faults are in the report.
class LogRecovery {
 public:
  using Done = std::function<void(Result<FoundLog>)>;

  LogRecovery(Disk& disk, LogScan::Sink sink);

  void start(Done done);

 private:
  void took_names(Result<std::vector<DiskEntry>> entries);
  void took_identity(const Result<FileImage>& image);
  void find_beginning();
  void took_newest(std::uint64_t number, Result<FileImage> image);
  void begin_scan();
  void scan_next();
  void took_segment(std::uint64_t number, Result<FileImage> image);
  // Faults of the header; false if the log cannot be read at all.
  bool check_header(std::uint64_t number, const FileImage& image);
  void finish();
  void fail_with(Error error);

  Disk& disk_;
  LogScan::Sink sink_;
  Done done_;
  FileReader reader_;
  Alive alive_;
  FoundLog found_;
  std::map<std::uint64_t, std::uint64_t> segments_;  // number -> size
  std::map<std::uint64_t, std::uint64_t> good_headers_;
  std::optional<LogIdentity> identity_;
  bool identity_damaged_ = false;
  bool was_used_ = false;
  std::uint64_t low_segment_ = 0;
  Lsn low_lsn_ = 0;
  std::vector<LogFault> early_faults_;
  std::optional<LogScan> scan_;
  std::map<std::uint64_t, std::uint64_t>::const_reverse_iterator backwards_;
  std::uint64_t next_ = 0;
};

}  // namespace juxmem::wal

// RealDisk: a folder of the machine's file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "juxmem/env/disk.h"

namespace juxmem {

class DiskRing;
class DiskWorkers;

enum class DiskEngine : std::uint8_t {
  kBest,     // io_uring where the system allows it, else threads
  kRing,     // io_uring or nothing
  kThreads,  // pread, pwrite and fdatasync on a few threads
};

struct RealDiskOptions {
  std::string folder;  // made if it is not there; its parent must be
  DiskEngine engine = DiskEngine::kBest;
  bool read_only = false;  // takes no lock and refuses all changes: for looking at a folder that may be in use
  int threads = 4;
  int linger_ms = 2000;  // the destructor waits so long for what the system does not give back
};

// What for: the log's and the checkpoints' files in one folder, by io_uring or, where a container forbids that, by a few
// threads.
//   Names, space and the opening of files are always the threads' business.
// Thread safety: none; the loop's thread. Invariants: those of Disk; one living RealDisk that writes per folder (flock on
// its
//   file `.lock`), in this process and in others; a file stays open until it is removed, so that no error of it passes
//   unseen.
// Ownership: owns descriptors, threads, ring and lock.
// Failure: open() answers kIo with the path and the system's reason, kBusy when the folder is another one's, kNotFound for a
// folder that
//   is not there when it may only read, kNotSupported when kRing was asked for and the system refuses. A disk that hangs
//   keeps its requests; nothing else waits for them.
class RealDisk final : public Disk {
 public:
  static Result<std::unique_ptr<RealDisk>> open(const RealDiskOptions& options);
  ~RealDisk() override;
  RealDisk(const RealDisk&) = delete;
  RealDisk& operator=(const RealDisk&) = delete;

  // Readable when deliver() has something to do; for the loop to watch.
  int descriptor() const { return event_fd_; }
  // Calls the completions of what has finished; returns how many requests advanced. Never waits.
  std::size_t deliver();
  // Waits for news and delivers them; false after `timeout_ms` without any. For programs without a loop.
  bool wait(int timeout_ms);
  // kRing or kThreads.
  DiskEngine engine() const { return ring_ ? DiskEngine::kRing : DiskEngine::kThreads; }
  // Requests whose completion has not been called.
  std::size_t in_flight() const { return in_flight_; }

  void list(ListDone done) override;
  void allocate(const std::string& name, std::uint64_t size_bytes, Done done) override;
  void write(const std::string& name, std::uint64_t offset, Buffer bytes, Done done) override;
  void read(const std::string& name, std::uint64_t offset, std::size_t size_bytes, ReadDone done) override;
  void sync(const std::string& name, Done done) override;
  void sync_names(Done done) override;
  void rename(const std::string& from, const std::string& to, Done done) override;
  void remove(const std::string& name, Done done) override;

 private:
  struct Folder;
  struct OpenFile;
  struct Transfer;
  using File = std::shared_ptr<OpenFile>;
  using FileDone = std::function<void(Result<File>)>;

  explicit RealDisk(const RealDiskOptions& options);

  Status start();
  void in_background(std::function<Status()> work, Done done);
  void with_file(const std::string& name, FileDone done);
  void write_some(std::shared_ptr<Transfer> transfer);
  void read_some(std::shared_ptr<Transfer> transfer);
  void after_write(const std::shared_ptr<Transfer>& transfer, long result);
  void after_read(const std::shared_ptr<Transfer>& transfer, long result);
  void complete(const Done& done, Status status);
  // Counts a request and refuses what is no name or not allowed; false if it was refused.
  bool admit(const std::string& name, bool changes, const Done& done);

  RealDiskOptions options_;
  std::shared_ptr<Folder> folder_;
  int event_fd_ = -1;
  std::unique_ptr<DiskWorkers> workers_;
  std::unique_ptr<DiskRing> ring_;
  std::map<std::string, File> files_;
  std::map<std::string, std::vector<FileDone>> opening_;
  std::size_t in_flight_ = 0;
};

}  // namespace juxmem

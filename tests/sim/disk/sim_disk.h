// SimDisk: a disk from a seed, with the faults that disks have.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "juxmem/base/random.h"
#include "juxmem/base/types.h"
#include "juxmem/env/disk.h"
#include "juxmem/env/env.h"

namespace juxmem::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

struct SimDiskOptions {
  std::uint64_t seed = 1;
  std::uint64_t capacity_bytes = 1ULL << 30;
  TimeNs latency_min_ns = 20'000;
  TimeNs latency_max_ns = 2'000'000;
  std::uint32_t read_error_ppm = 0;  // a read fails this time, not the next
  std::uint32_t sync_error_ppm = 0;
};

// How a life ends.
enum class Crash : std::uint8_t {
  kProcess,  // the process is killed; what it wrote is still in the system's cache
  kPower,    // the cache is gone, too
};

// What for: the disk of one simulated node. It outlives the node's lives: crash() ends one, and the next finds what is left.
// Model: reads see the cache. A write changes the cache when it completes; when the life ends before, any of its sectors may
// have been
//   changed. A sync makes the sectors stable that were dirty when it was submitted. At a power failure any subset of the
//   dirty sectors is stable; a sector is old or new, never half. A failed sync leaves any subset of the dirty sectors
//   unwritten and takes all for clean: the cache then shows what the platter does not have, and the next sync succeeds.
//   Names become stable in the order of their changes, as in a journal: at a power failure any first part of those since the
//   last sync_names() counts.
// Thread safety: none. Ownership: keeps the requests' bytes and completions until they are called or the life ends.
// Failure: as Disk, and whatever was asked for here.
class SimDisk final : public Disk {
 public:
  SimDisk(SimDiskOptions options, const Clock& clock);
  ~SimDisk() override;

  // ---- the world's side
  // When the next request completes; kNever if none will by itself.
  TimeNs next_due() const;
  // Completes what is due.
  void deliver_due();
  // Ends the life: requests in flight are forgotten, their completions never called.
  void crash(Crash kind);
  // Nothing completes until hung(false).
  void hang(bool hung) { hung_ = hung; }
  // Latencies times `factor`.
  void slow(std::int64_t factor) { slow_ = factor; }
  void set_capacity(std::uint64_t bytes) { options_.capacity_bytes = bytes; }
  void fail_next_sync() { fail_next_sync_ = true; }
  void set_sync_error_ppm(std::uint32_t ppm) { options_.sync_error_ppm = ppm; }
  // Flips a bit of the byte, in cache and on the platter.
  void rot(const std::string& name, std::uint64_t offset);
  // Reads of this sector fail until it is written again.
  void spoil(const std::string& name, std::uint64_t offset);
  // The file is gone, as if it had never been.
  void lose(const std::string& name);
  std::vector<DiskEntry> files() const;
  // What a read would see; empty if there is no such file.
  std::vector<std::byte> contents(const std::string& name) const;
  std::uint64_t syncs() const { return syncs_; }
  std::uint64_t used_bytes() const;

  static constexpr TimeNs kNever = INT64_MAX;

  void list(ListDone done) override;
  void allocate(const std::string& name, std::uint64_t size_bytes, Done done) override;
  void write(const std::string& name, std::uint64_t offset, Buffer bytes, Done done) override;
  void read(const std::string& name, std::uint64_t offset, std::size_t size_bytes, ReadDone done) override;
  void sync(const std::string& name, Done done) override;
  void sync_names(Done done) override;
  void rename(const std::string& from, const std::string& to, Done done) override;
  void remove(const std::string& name, Done done) override;

 private:
  struct File;
  using FilePtr = std::shared_ptr<File>;
  using Names = std::map<std::string, FilePtr>;
  struct Request {
    TimeNs due = 0;
    std::function<void()> complete;
    std::function<void()> cut_short;  // the life ends before it completes; may be empty
  };

  void submit(std::function<void()> complete, std::function<void()> cut_short = {});
  FilePtr find(const std::string& name) const;
  Status put(File& file, std::uint64_t offset, const Buffer& bytes);
  void put_some(File& file, std::uint64_t offset, const Buffer& bytes);
  Status finish_sync(File& file, const std::set<std::uint64_t>& sectors, std::uint64_t size);
  void name_changed() { pending_names_.push_back(names_); }
  void lose_power();

  SimDiskOptions options_;
  const Clock& clock_;
  Random random_;
  Names names_;
  Names stable_names_;
  std::deque<Names> pending_names_;  // the names after each change since the last sync_names()
  std::multimap<TimeNs, Request> requests_;
  bool hung_ = false;
  bool fail_next_sync_ = false;
  std::int64_t slow_ = 1;
  std::uint64_t syncs_ = 0;
};

}  // namespace juxmem::sim

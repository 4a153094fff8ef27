#include "tests/sim/disk/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace juxmem::sim {

struct SimDisk::File {
  std::vector<std::byte> cache;
  std::vector<std::byte> platter;
  std::set<std::uint64_t> dirty;       // sectors
  std::set<std::uint64_t> unreadable;  // sectors

  void make_stable(std::uint64_t sector) {
    const std::uint64_t from = sector * kSectorBytes;
    const std::uint64_t to = std::min<std::uint64_t>(from + kSectorBytes, cache.size());
    if (from >= to) return;
    if (platter.size() < to) platter.resize(to);
    std::copy(cache.begin() + static_cast<std::ptrdiff_t>(from), cache.begin() + static_cast<std::ptrdiff_t>(to),
              platter.begin() + static_cast<std::ptrdiff_t>(from));
  }
};

SimDisk::SimDisk(SimDiskOptions options, const Clock& clock) : options_(options), clock_(clock), random_(options.seed) {}
SimDisk::~SimDisk() = default;

// ---- time -----------------------------------------------------------------------------------------------------------

void SimDisk::submit(std::function<void()> complete, std::function<void()> cut_short) {
  const TimeNs latency = random_.between(options_.latency_min_ns, options_.latency_max_ns) * slow_;
  const TimeNs due = clock_.now() + latency;
  requests_.emplace(due, Request{due, std::move(complete), std::move(cut_short)});
}

TimeNs SimDisk::next_due() const { return hung_ || requests_.empty() ? kNever : requests_.begin()->first; }

void SimDisk::deliver_due() {
  while (!hung_ && !requests_.empty() && requests_.begin()->first <= clock_.now()) {
    auto node = requests_.extract(requests_.begin());
    node.mapped().complete();
  }
}

// ---- the end of a life ----------------------------------------------------------------------------------------------

void SimDisk::crash(Crash kind) {
  for (auto& [due, request] : requests_) {
    if (request.cut_short) request.cut_short();
  }
  requests_.clear();
  hung_ = false;
  fail_next_sync_ = false;
  if (kind == Crash::kPower) lose_power();
}

void SimDisk::lose_power() {
  const std::uint64_t kept = random_.below(pending_names_.size() + 1);
  if (kept > 0) stable_names_ = pending_names_[kept - 1];
  pending_names_.clear();
  names_ = stable_names_;
  for (auto& [name, file] : names_) {
    // All, none or some: each is as likely as the others.
    const std::uint32_t chance_ppm = std::array<std::uint32_t, 3>{0, 500'000, 1'000'000}[random_.below(3)];
    for (std::uint64_t sector : file->dirty) {
      if (random_.chance(chance_ppm)) file->make_stable(sector);
    }
    file->dirty.clear();
    file->cache = file->platter;
  }
}

// ---- faults ---------------------------------------------------------------------------------------------------------

void SimDisk::rot(const std::string& name, std::uint64_t offset) {
  const FilePtr file = find(name);
  if (!file) return;
  const auto bit = static_cast<std::byte>(1U << random_.below(8));
  if (offset < file->cache.size()) file->cache[offset] ^= bit;
  if (offset < file->platter.size()) file->platter[offset] ^= bit;
}

void SimDisk::spoil(const std::string& name, std::uint64_t offset) {
  if (const FilePtr file = find(name)) file->unreadable.insert(offset / kSectorBytes);
}

void SimDisk::lose(const std::string& name) {
  names_.erase(name);
  stable_names_.erase(name);
  for (Names& names : pending_names_) names.erase(name);
}

std::vector<DiskEntry> SimDisk::files() const {
  std::vector<DiskEntry> entries;
  for (const auto& [name, file] : names_) entries.push_back({name, file->cache.size()});
  return entries;
}

std::vector<std::byte> SimDisk::contents(const std::string& name) const {
  const FilePtr file = find(name);
  return file ? file->cache : std::vector<std::byte>{};
}

std::uint64_t SimDisk::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, file] : names_) bytes += file->cache.size();
  return bytes;
}

// ---- requests -------------------------------------------------------------------------------------------------------

SimDisk::FilePtr SimDisk::find(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second;
}

void SimDisk::list(ListDone done) {
  submit([this, done = std::move(done)] { done(files()); });
}

void SimDisk::allocate(const std::string& name, std::uint64_t size_bytes, Done done) {
  submit([this, name, size_bytes, done = std::move(done)] {
    FilePtr file = find(name);
    const std::uint64_t had = file ? file->cache.size() : 0;
    if (!file) {
      file = std::make_shared<File>();
      names_[name] = file;
      name_changed();
    }
    if (size_bytes > had && used_bytes() - had + size_bytes > options_.capacity_bytes) {
      return done(fail(Code::kNoSpace, name + ": the simulated disk is full"));
    }
    if (size_bytes > had) file->cache.resize(size_bytes);
    done({});
  });
}

Status SimDisk::put(File& file, std::uint64_t offset, const Buffer& bytes) {
  const std::uint64_t end = offset + bytes.size();
  if (end > file.cache.size()) {
    if (used_bytes() + end - file.cache.size() > options_.capacity_bytes)
      return fail(Code::kNoSpace, "the simulated disk is full");
    file.cache.resize(end);
  }
  if (!bytes.empty()) std::memcpy(file.cache.data() + offset, bytes.data(), bytes.size());
  for (std::uint64_t sector = offset / kSectorBytes; sector * kSectorBytes < end; ++sector) {
    file.dirty.insert(sector);
    file.unreadable.erase(sector);
  }
  return {};
}

// Any of the sectors.
void SimDisk::put_some(File& file, std::uint64_t offset, const Buffer& bytes) {
  const std::uint32_t chance_ppm = static_cast<std::uint32_t>(random_.below(1'000'001));
  for (std::uint64_t at = 0; at < bytes.size();) {
    const std::uint64_t piece = std::min<std::uint64_t>(kSectorBytes - (offset + at) % kSectorBytes, bytes.size() - at);
    if (random_.chance(chance_ppm)) (void)put(file, offset + at, bytes.slice(at, piece));
    at += piece;
  }
}

void SimDisk::write(const std::string& name, std::uint64_t offset, Buffer bytes, Done done) {
  submit(
      [this, name, offset, bytes, done = std::move(done)] {
        const FilePtr file = find(name);
        if (!file) return done(fail(Code::kNotFound, name));
        done(put(*file, offset, bytes));
      },
      [this, name, offset, bytes] {
        if (const FilePtr file = find(name)) put_some(*file, offset, bytes);
      });
}

void SimDisk::read(const std::string& name, std::uint64_t offset, std::size_t size_bytes, ReadDone done) {
  submit([this, name, offset, size_bytes, done = std::move(done)] {
    const FilePtr file = find(name);
    if (!file) return done(fail(Code::kNotFound, name));
    const std::uint64_t from = std::min<std::uint64_t>(offset, file->cache.size());
    const std::uint64_t to = std::min<std::uint64_t>(from + size_bytes, file->cache.size());
    const auto bad = file->unreadable.lower_bound(from / kSectorBytes);
    const bool touches_bad = bad != file->unreadable.end() && *bad * kSectorBytes < to;
    if (touches_bad || random_.chance(options_.read_error_ppm))
      return done(fail(Code::kIo, name + ": a sector cannot be read"));
    done(Buffer::copy_of(std::span(file->cache).subspan(from, to - from)));
  });
}

Status SimDisk::finish_sync(File& file, const std::set<std::uint64_t>& sectors, std::uint64_t size) {
  ++syncs_;
  const bool fails = std::exchange(fail_next_sync_, false) || random_.chance(options_.sync_error_ppm);
  if (file.platter.size() < size) file.platter.resize(size);
  if (fails) {
    for (std::uint64_t sector : file.dirty) {
      if (random_.chance(500'000)) file.make_stable(sector);
    }
    file.dirty.clear();
    return fail(Code::kIo, "the simulated disk could not write");
  }
  for (std::uint64_t sector : sectors) {
    if (file.dirty.erase(sector) > 0) file.make_stable(sector);
  }
  return {};
}

void SimDisk::sync(const std::string& name, Done done) {
  const FilePtr submitted = find(name);
  const std::set<std::uint64_t> sectors = submitted ? submitted->dirty : std::set<std::uint64_t>{};
  const std::uint64_t size = submitted ? submitted->cache.size() : 0;
  submit([this, name, sectors, size, submitted, done = std::move(done)] {
    if (!submitted) return done(fail(Code::kNotFound, name));
    done(finish_sync(*submitted, sectors, size));
  });
}

void SimDisk::sync_names(Done done) {
  const std::size_t changes = pending_names_.size();
  submit([this, changes, done = std::move(done)] {
    const std::size_t stable = std::min(changes, pending_names_.size());
    if (stable > 0) stable_names_ = pending_names_[stable - 1];
    pending_names_.erase(pending_names_.begin(), pending_names_.begin() + static_cast<std::ptrdiff_t>(stable));
    done({});
  });
}

void SimDisk::rename(const std::string& from, const std::string& to, Done done) {
  submit([this, from, to, done = std::move(done)] {
    auto node = names_.extract(from);
    if (!node) return done(fail(Code::kNotFound, from));
    names_.erase(to);
    node.key() = to;
    names_.insert(std::move(node));
    name_changed();
    done({});
  });
}

void SimDisk::remove(const std::string& name, Done done) {
  submit([this, name, done = std::move(done)] {
    if (names_.erase(name) == 0) return done(fail(Code::kNotFound, name));
    name_changed();
    done({});
  });
}

}  // namespace juxmem::sim

#include "juxmem/env/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "juxmem/env/real_disk_ring.h"
#include "juxmem/env/real_disk_workers.h"

namespace juxmem {
namespace {

constexpr const char* kLockName = ".lock";

std::unexpected<Error> system_error(const std::string& what, int reason) {
  const Code code = reason == ENOSPC || reason == EDQUOT ? Code::kNoSpace : reason == ENOENT ? Code::kNotFound : Code::kIo;
  return fail(code, what + ": " + std::strerror(reason));
}

// Repeats a call that a signal interrupted; the result or a negative errno.
template <typename Call>
long retried(Call call) {
  for (;;) {
    const long result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

struct RealDisk::OpenFile {
  int fd = -1;
  std::string path;  // when it was opened, for messages
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
};

struct RealDisk::Folder {
  std::string path;
  int fd = -1;
  int lock_fd = -1;
  ~Folder() {
    if (fd >= 0) ::close(fd);
    if (lock_fd >= 0) ::close(lock_fd);
  }
  std::string path_of(const std::string& name) const { return path + "/" + name; }

  Result<File> open_file(const std::string& name, int flags) const {
    const auto file = std::make_shared<OpenFile>();
    file->path = path_of(name);
    file->fd = static_cast<int>(retried([&] { return ::openat(fd, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600); }));
    if (file->fd < 0) return system_error("cannot open " + file->path, -std::exchange(file->fd, -1));
    return file;
  }

  Result<std::vector<DiskEntry>> entries() const {
    const int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
    if (stream == nullptr) {
      const int reason = errno;
      if (copy >= 0) ::close(copy);
      return system_error("cannot list " + path, reason);
    }
    std::vector<DiskEntry> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      struct stat facts{};
      if (!is_disk_name(entry->d_name)) continue;
      if (::fstatat(fd, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(facts.st_mode)) continue;
      entries.push_back({entry->d_name, static_cast<std::uint64_t>(facts.st_size)});
      errno = 0;
    }
    const int reason = errno;
    ::closedir(stream);
    if (reason != 0) return system_error("cannot list " + path, reason);
    std::ranges::sort(entries, {}, &DiskEntry::name);
    return entries;
  }
};

// A read or write on its way; the system may do it in several parts.
struct RealDisk::Transfer {
  File file;
  std::uint64_t offset = 0;
  std::size_t moved = 0;
  Buffer source;                             // of a write
  std::shared_ptr<std::byte[]> destination;  // of a read
  std::size_t wanted = 0;
  Done done;
  ReadDone read_done;
};

RealDisk::RealDisk(const RealDiskOptions& options) : options_(options), folder_(std::make_shared<Folder>()) {}

RealDisk::~RealDisk() {
  ring_.reset();
  workers_.reset();
  if (event_fd_ >= 0) ::close(event_fd_);
}

Result<std::unique_ptr<RealDisk>> RealDisk::open(const RealDiskOptions& options) {
  std::unique_ptr<RealDisk> disk(new RealDisk(options));
  if (Status started = disk->start(); !started) return std::unexpected(started.error());
  return disk;
}

Status RealDisk::start() {
  Folder& folder = *folder_;
  folder.path = options_.folder;
  if (!options_.read_only && ::mkdir(folder.path.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error("cannot make the folder " + folder.path, errno);
  }
  folder.fd = ::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder.fd < 0) return system_error("cannot open the folder " + folder.path, errno);
  if (!options_.read_only) {
    folder.lock_fd = ::openat(folder.fd, kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (folder.lock_fd < 0) return system_error("cannot make " + folder.path_of(kLockName), errno);
    if (::flock(folder.lock_fd, LOCK_EX | LOCK_NB) != 0) {
      return fail(Code::kBusy, folder.path + " is the folder of another running provider; give each its own");
    }
  }
  event_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd_ < 0) return system_error("cannot make an eventfd", errno);
  if (options_.engine != DiskEngine::kThreads) ring_ = DiskRing::create(event_fd_, options_.linger_ms);
  if (options_.engine == DiskEngine::kRing && !ring_)
    return fail(Code::kNotSupported, "this system does not allow io_uring");
  workers_ = std::make_unique<DiskWorkers>(std::max(1, options_.threads), event_fd_, options_.linger_ms);
  return {};
}

std::size_t RealDisk::deliver() {
  eventfd_t ignored = 0;
  ::eventfd_read(event_fd_, &ignored);
  std::size_t count = workers_->deliver();
  if (ring_) count += ring_->deliver();
  return count;
}

bool RealDisk::wait(int timeout_ms) {
  pollfd watched{.fd = event_fd_, .events = POLLIN, .revents = 0};
  const bool news = ::poll(&watched, 1, timeout_ms) > 0;
  deliver();
  return news;
}

// ---- how requests run -----------------------------------------------------------------------------------------------

void RealDisk::complete(const Done& done, Status status) {
  --in_flight_;
  done(std::move(status));
}

void RealDisk::in_background(std::function<Status()> work, Done done) {
  auto status = std::make_shared<Status>();
  workers_->submit({[status, work = std::move(work)] { *status = work(); },
                    [this, status, done = std::move(done)] { complete(done, std::move(*status)); }});
}

bool RealDisk::admit(const std::string& name, bool changes, const Done& done) {
  ++in_flight_;
  Status status;
  if (!is_disk_name(name)) {
    status = fail(Code::kInvalid, "'" + name + "' is no name of a file here");
  } else if (changes && options_.read_only) {
    status = fail(Code::kInvalid, folder_->path + " was opened for reading only");
  } else {
    return true;
  }
  in_background([status] { return status; }, done);
  return false;
}

void RealDisk::with_file(const std::string& name, FileDone done) {
  if (const auto found = files_.find(name); found != files_.end()) return done(found->second);
  std::vector<FileDone>& waiting = opening_[name];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  auto opened = std::make_shared<Result<File>>();
  const int flags = options_.read_only ? O_RDONLY : O_RDWR;
  workers_->submit({[opened, folder = folder_, name, flags] { *opened = folder->open_file(name, flags); },
                    [this, opened, name] {
                      if (*opened) files_[name] = **opened;
                      const auto node = opening_.extract(name);
                      for (const FileDone& next : node.mapped()) next(*opened);
                    }});
}

// ---- reading and writing --------------------------------------------------------------------------------------------

void RealDisk::write(const std::string& name, std::uint64_t offset, Buffer bytes, Done done) {
  if (!admit(name, true, done)) return;
  if (bytes.size() > kDiskRequestBytesMax) {
    return in_background([] { return fail(Code::kInvalid, "too many bytes for one write"); }, std::move(done));
  }
  auto transfer = std::make_shared<Transfer>();
  transfer->offset = offset;
  transfer->wanted = bytes.size();
  transfer->source = std::move(bytes);
  transfer->done = std::move(done);
  with_file(name, [this, transfer](const Result<File>& file) {
    if (!file) return complete(transfer->done, std::unexpected(file.error()));
    transfer->file = *file;
    write_some(transfer);
  });
}

void RealDisk::write_some(std::shared_ptr<Transfer> transfer) {
  const auto put = [](const Transfer& t) {
    return retried([&] {
      return ::pwrite(t.file->fd, t.source.data() + t.moved, t.wanted - t.moved, static_cast<off_t>(t.offset + t.moved));
    });
  };
  if (ring_) {
    const Transfer& t = *transfer;
    ring_->write(t.file->fd, t.source.data() + t.moved, t.wanted - t.moved, t.offset + t.moved,
                 [this, transfer](int result) { after_write(transfer, result); });
    return;
  }
  auto result = std::make_shared<long>(0);
  workers_->submit(
      {[transfer, result, put] { *result = put(*transfer); }, [this, transfer, result] { after_write(transfer, *result); }});
}

void RealDisk::after_write(const std::shared_ptr<Transfer>& transfer, long result) {
  const bool again = result == -EINTR || result == -EAGAIN;
  if (result < 0 && !again) {
    return complete(transfer->done, system_error("cannot write " + transfer->file->path, static_cast<int>(-result)));
  }
  if (result == 0 && transfer->wanted > 0) {
    return complete(transfer->done, system_error("cannot write " + transfer->file->path, EIO));
  }
  if (!again) transfer->moved += static_cast<std::size_t>(result);
  if (transfer->moved < transfer->wanted) return write_some(transfer);
  complete(transfer->done, {});
}

void RealDisk::read(const std::string& name, std::uint64_t offset, std::size_t size_bytes, ReadDone done) {
  const auto refuse = [done](const Status& status) { done(std::unexpected(status.error())); };
  if (!admit(name, false, refuse)) return;
  if (size_bytes > kDiskRequestBytesMax) {
    return in_background([] { return fail(Code::kInvalid, "too many bytes for one read"); }, refuse);
  }
  auto transfer = std::make_shared<Transfer>();
  transfer->offset = offset;
  transfer->wanted = size_bytes;
  transfer->destination = std::make_shared_for_overwrite<std::byte[]>(std::max<std::size_t>(size_bytes, 1));
  transfer->done = refuse;
  transfer->read_done = std::move(done);
  with_file(name, [this, transfer](const Result<File>& file) {
    if (!file) return complete(transfer->done, std::unexpected(file.error()));
    transfer->file = *file;
    read_some(transfer);
  });
}

void RealDisk::read_some(std::shared_ptr<Transfer> transfer) {
  const auto get = [](const Transfer& t) {
    return retried([&] {
      return ::pread(t.file->fd, t.destination.get() + t.moved, t.wanted - t.moved, static_cast<off_t>(t.offset + t.moved));
    });
  };
  if (ring_) {
    const Transfer& t = *transfer;
    ring_->read(t.file->fd, t.destination.get() + t.moved, t.wanted - t.moved, t.offset + t.moved,
                [this, transfer](int result) { after_read(transfer, result); });
    return;
  }
  auto result = std::make_shared<long>(0);
  workers_->submit(
      {[transfer, result, get] { *result = get(*transfer); }, [this, transfer, result] { after_read(transfer, *result); }});
}

void RealDisk::after_read(const std::shared_ptr<Transfer>& transfer, long result) {
  const bool again = result == -EINTR || result == -EAGAIN;
  if (result < 0 && !again) {
    return complete(transfer->done, system_error("cannot read " + transfer->file->path, static_cast<int>(-result)));
  }
  if (!again) transfer->moved += static_cast<std::size_t>(result);
  if (again || (result > 0 && transfer->moved < transfer->wanted)) return read_some(transfer);
  --in_flight_;
  transfer->read_done(Buffer::adopt(transfer->destination.get(), transfer->moved, transfer->destination));
}

void RealDisk::sync(const std::string& name, Done done) {
  if (!admit(name, true, done)) return;
  with_file(name, [this, done = std::move(done)](const Result<File>& file) {
    if (!file) return complete(done, std::unexpected(file.error()));
    const auto judge = [](const File& synced, long result) -> Status {
      if (result < 0) return system_error("cannot sync " + synced->path, static_cast<int>(-result));
      return {};
    };
    if (ring_) {
      ring_->sync((*file)->fd, [this, done, judge, kept = *file](int result) { complete(done, judge(kept, result)); });
      return;
    }
    // Not repeated after a signal, either: the error it may hide would be told only once.
    in_background([judge, kept = *file] { return judge(kept, ::fdatasync(kept->fd) == 0 ? 0 : -errno); }, done);
  });
}

// ---- names and space ------------------------------------------------------------------------------------------------

void RealDisk::list(ListDone done) {
  ++in_flight_;
  auto entries = std::make_shared<std::vector<DiskEntry>>();
  in_background(
      [folder = folder_, entries]() -> Status {
        auto found = folder->entries();
        if (!found) return std::unexpected(found.error());
        *entries = std::move(*found);
        return {};
      },
      [done = std::move(done), entries](const Status& status) {
        if (!status) return done(std::unexpected(status.error()));
        done(std::move(*entries));
      });
}

void RealDisk::allocate(const std::string& name, std::uint64_t size_bytes, Done done) {
  if (!admit(name, true, done)) return;
  const auto reserve = [size_bytes](const OpenFile& file) -> Status {
    struct stat facts{};
    if (::fstat(file.fd, &facts) != 0) return system_error("cannot look at " + file.path, errno);
    if (static_cast<std::uint64_t>(facts.st_size) >= size_bytes) return {};
    const auto size = static_cast<off_t>(size_bytes);
    long result = retried([&] { return ::fallocate(file.fd, 0, 0, size); });
    // A file system that cannot reserve: the library writes zeros instead.
    if (result == -EOPNOTSUPP) result = -::posix_fallocate(file.fd, 0, size);
    if (result < 0)
      return system_error("cannot reserve " + std::to_string(size_bytes) + " bytes for " + file.path,
                          static_cast<int>(-result));
    return {};
  };
  in_background(
      [folder = folder_, name, reserve]() -> Status {
        const auto file = folder->open_file(name, O_RDWR | O_CREAT);
        if (!file) return std::unexpected(file.error());
        return reserve(**file);
      },
      std::move(done));
}

void RealDisk::sync_names(Done done) {
  ++in_flight_;
  in_background(
      [folder = folder_]() -> Status {
        if (::fsync(folder->fd) != 0) return system_error("cannot sync the folder " + folder->path, errno);
        return {};
      },
      std::move(done));
}

void RealDisk::rename(const std::string& from, const std::string& to, Done done) {
  if (!admit(from, true, done)) return;
  if (!is_disk_name(to))
    return in_background([to] { return fail(Code::kInvalid, "'" + to + "' is no name of a file here"); }, std::move(done));
  in_background(
      [folder = folder_, from, to]() -> Status {
        if (::renameat(folder->fd, from.c_str(), folder->fd, to.c_str()) == 0) return {};
        return system_error("cannot rename " + folder->path_of(from) + " to " + to, errno);
      },
      [this, from, to, done = std::move(done)](Status status) {
        if (status) {
          files_.erase(to);
          if (auto node = files_.extract(from)) {
            node.key() = to;
            files_.insert(std::move(node));
          }
        }
        done(std::move(status));
      });
}

void RealDisk::remove(const std::string& name, Done done) {
  if (!admit(name, true, done)) return;
  in_background(
      [folder = folder_, name]() -> Status {
        if (::unlinkat(folder->fd, name.c_str(), 0) == 0) return {};
        return system_error("cannot remove " + folder->path_of(name), errno);
      },
      [this, name, done = std::move(done)](Status status) {
        if (status) files_.erase(name);
        done(std::move(status));
      });
}

}  // namespace juxmem

#include "juxmem/storage/log/file_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "juxmem/storage/log/format.h"

namespace juxmem::wal {
namespace {

constexpr std::uint64_t kPieceBytes = 1U << 20;

}  // namespace

void FileReader::read(const std::string& name, std::uint64_t size_bytes, Done done) {
  name_ = name;
  bytes_.assign(size_bytes / kSectorBytes * kSectorBytes, std::byte{0});
  unreadable_.clear();
  at_ = careful_until_ = 0;
  done_ = std::move(done);
  if (bytes_.empty()) {
    // Still asynchronous.
    disk_.read(name_, 0, 0, alive_.guard([this](const Result<Buffer>&) { end(FileImage{}); }));
    return;
  }
  next();
}

void FileReader::next() {
  if (at_ >= bytes_.size()) return end(FileImage{Buffer::take(std::move(bytes_)), std::move(unreadable_)});
  const std::uint64_t piece =
      at_ < careful_until_ ? kSectorBytes : std::min<std::uint64_t>(kPieceBytes, bytes_.size() - at_);
  disk_.read(name_, at_, piece, alive_.guard([this, piece](const Result<Buffer>& got) { took(piece, got); }));
}

void FileReader::took(std::size_t wanted, const Result<Buffer>& piece) {
  if (piece) {
    // What a file lacks at its end reads as zeros.
    if (!piece->empty()) std::memcpy(bytes_.data() + at_, piece->data(), std::min(wanted, piece->size()));
    at_ += wanted;
    return next();
  }
  if (piece.error().code == Code::kNotFound) return end(std::unexpected(piece.error()));
  if (wanted > kSectorBytes) {
    careful_until_ = at_ + wanted;
    return next();
  }
  unreadable_.insert(at_ / kSectorBytes);
  at_ += kSectorBytes;
  // A disk that gives nothing at all is broken, not rotten.
  if (at_ >= bytes_.size() && unreadable_.size() * kSectorBytes == bytes_.size()) return end(std::unexpected(piece.error()));
  next();
}

void FileReader::end(Result<FileImage> result) {
  const Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

}  // namespace juxmem::wal

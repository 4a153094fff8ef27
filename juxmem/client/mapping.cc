#include "juxmem/client/mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/client/page_diff.h"

namespace juxmem {
namespace {

// Changes smaller than this in all are copied out: cheaper than to keep the twin from changing.
constexpr std::size_t kCopiedBytesMax = 64U << 10;
// So few that they are still in the processor's cache when they are copied into the twin.
constexpr std::size_t kSoughtAtOnceBytes = 256U << 10;

// Pages that are zero on both sides stay without memory in the twin.
void copy_sparsely(std::byte* to, const std::byte* from, std::size_t size_bytes) {
  for (std::size_t at = 0; at < size_bytes; at += kPageBytes) {
    const std::size_t size = std::min<std::size_t>(kPageBytes, size_bytes - at);
    if (!is_zero(from + at, size)) std::memcpy(to + at, from + at, size);
  }
}

}  // namespace

Result<std::shared_ptr<MappedMemory>> MappedMemory::create(std::size_t size_bytes) {
  void* memory = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fail(Code::kNoLocalMemory, "cannot map " + std::to_string(size_bytes) + " bytes");
  return std::shared_ptr<MappedMemory>(new MappedMemory(static_cast<std::byte*>(memory), size_bytes));
}

MappedMemory::~MappedMemory() { ::munmap(data_, size_bytes_); }

void MappedMemory::clear() {
  if (::madvise(data_, size_bytes_, MADV_DONTNEED) != 0) std::memset(data_, 0, size_bytes_);
}

Result<std::unique_ptr<Mapping>> Mapping::create(BlockId block, std::uint64_t offset, std::uint64_t size_bytes) {
  JUXMEM_CHECK(size_bytes > 0);
  Result<std::shared_ptr<MappedMemory>> memory = MappedMemory::create(offset % kPageBytes + size_bytes);
  if (!memory) return std::unexpected(memory.error());
  return std::unique_ptr<Mapping>(new Mapping(block, offset, size_bytes, std::move(*memory)));
}

Mapping::Mapping(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, std::shared_ptr<MappedMemory> memory)
    : block_(block),
      offset_(offset),
      size_bytes_(size_bytes),
      memory_(std::move(memory)),
      data_(memory_->data() + offset % kPageBytes) {}

void Mapping::reset() {
  memory_->clear();
  twin_.reset();
  version_ = 0;
}

void Mapping::put(std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::uint64_t begin = std::max(offset, offset_);
  const std::uint64_t end = std::min(offset + bytes.size(), offset_ + size_bytes_);
  if (begin >= end) return;
  const std::byte* from = bytes.data() + (begin - offset);
  std::byte* to = data_ + (begin - offset_);
  if (shared_ && std::memcmp(to, from, end - begin) == 0) return;
  std::memcpy(to, from, end - begin);
  // A twin that Buffers still use no longer shows what they must show, so it is made anew when it is needed.
  if (twin_ != nullptr && twin_.use_count() > 1) twin_.reset();
  if (twin_ != nullptr) std::memcpy(twin_->data() + (to - memory_->data()), from, end - begin);
}

Status Mapping::own_twin() {
  if (twin_ != nullptr) return {};
  Result<std::shared_ptr<MappedMemory>> twin = MappedMemory::create(memory_->size());
  if (!twin) return std::unexpected(twin.error());
  copy_sparsely((*twin)->data(), memory_->data(), memory_->size());
  twin_ = std::move(*twin);
  return {};
}

Status Mapping::prepare_to_write() { return own_twin(); }

void Mapping::begin_changes() {
  JUXMEM_CHECK(twin_ != nullptr);
  former_twin_.reset();
  sought_bytes_ = 0;
  twin_is_writable_ = false;
}

// A twin from which a former release is still being sent must not change: this one goes into a copy.
Status Mapping::make_twin_writable() {
  if (twin_is_writable_) return {};
  if (twin_.use_count() > 1) {
    former_twin_ = std::exchange(twin_, nullptr);
    if (const Status owned = own_twin(); !owned) {
      twin_ = std::exchange(former_twin_, nullptr);
      return owned;
    }
  } else {
    // Pairs with the release of the last Buffer by another thread: what it read was read before we write.
    std::atomic_thread_fence(std::memory_order_acquire);
  }
  twin_is_writable_ = true;
  return {};
}

Result<std::vector<Change>> Mapping::next_changes(std::size_t bytes_max) {
  std::vector<ByteRange> ranges;
  std::size_t total = 0;
  while (sought_bytes_ < size_bytes_ && total < bytes_max) {
    const std::size_t at = sought_bytes_;
    const std::size_t phase = (offset_ + at) % kPageBytes;
    const std::size_t size = std::min<std::size_t>(kSoughtAtOnceBytes - phase, size_bytes_ - at);
    const auto twin_at = [&](MappedMemory& twin) { return twin.data() + offset_ % kPageBytes + at; };
    for (ByteRange range : find_changes(data_ + at, twin_at(former_twin_ ? *former_twin_ : *twin_), size, phase)) {
      if (const Status writable = make_twin_writable(); !writable) return std::unexpected(writable.error());
      if (!former_twin_) std::memcpy(twin_at(*twin_) + range.offset, data_ + at + range.offset, range.size_bytes);
      total += range.size_bytes;
      range.offset += at;
      if (!ranges.empty() && ranges.back().offset + ranges.back().size_bytes == range.offset) {
        ranges.back().size_bytes += range.size_bytes;
      } else {
        ranges.push_back(range);
      }
    }
    sought_bytes_ += size;
  }
  if (sought_bytes_ == size_bytes_) former_twin_.reset();
  return changes_of(ranges, total <= kCopiedBytesMax);
}

std::vector<Change> Mapping::changes_of(std::span<const ByteRange> ranges, bool copied) const {
  std::vector<Change> changes;
  changes.reserve(ranges.size());
  for (const ByteRange& range : ranges) {
    const std::byte* bytes = twin_->data() + offset_ % kPageBytes + range.offset;
    Buffer data = copied ? Buffer::copy_of({bytes, range.size_bytes}) : Buffer::adopt(bytes, range.size_bytes, twin_);
    changes.push_back({.offset = offset_ + range.offset, .data = std::move(data)});
  }
  return changes;
}

}  // namespace juxmem

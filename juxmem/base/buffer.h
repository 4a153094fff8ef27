// Buffer: an immutable slice of bytes with shared ownership.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/base/check.h"

namespace juxmem {

// What for: bytes travel from the network to the log, the arena and further peers without copies.
// Thread safety: as std::shared_ptr; the bytes themselves are never changed after construction.
// Invariants: data() is valid while any Buffer over the same owner lives.
// Ownership: shares `owner`, which may be a vector, a network frame or a caller's memory.
// Failure: none but running out of memory.
class Buffer {
 public:
  Buffer() = default;

  static Buffer copy_of(std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    std::shared_ptr<std::byte[]> memory = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
    std::memcpy(memory.get(), bytes.data(), bytes.size());
    const std::byte* data = memory.get();
    return Buffer(data, bytes.size(), std::move(memory));
  }
  static Buffer copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text.data(), text.size()))); }
  static Buffer take(std::vector<std::byte> bytes) {
    auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    const std::byte* data = owner->data();
    const std::size_t size = owner->size();
    return Buffer(data, size, std::move(owner));
  }
  // Bytes that `owner` keeps alive and nobody changes while any slice of them lives.
  static Buffer adopt(const void* data, std::size_t size, std::shared_ptr<const void> owner) {
    return Buffer(static_cast<const std::byte*>(data), size, std::move(owner));
  }

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // The part [offset, offset + size); must lie inside.
  Buffer slice(std::size_t offset, std::size_t size) const {
    JUXMEM_CHECK(offset <= size_ && size <= size_ - offset);
    return Buffer(data_ + offset, size, owner_);
  }

  bool operator==(const Buffer& other) const {
    return size_ == other.size_ && (size_ == 0 || std::memcmp(data_, other.data_, size_) == 0);
  }

 private:
  Buffer(const std::byte* data, std::size_t size, std::shared_ptr<const void> owner)
      : data_(data), size_(size), owner_(std::move(owner)) {}

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace juxmem

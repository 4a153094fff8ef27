#include "juxmem/storage/log/segment_pool.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "juxmem/base/check.h"
#include "juxmem/storage/log/format.h"
#include "juxmem/storage/log/headers.h"

namespace juxmem::wal {
namespace {

constexpr std::uint64_t kFillBytes = 1U << 20;

Buffer zeros(std::uint64_t size) { return Buffer::take(std::vector<std::byte>(size)); }

}  // namespace

void SegmentPool::begin(const LogIdentity& identity, const std::map<std::uint64_t, std::uint64_t>& ready,
                        std::uint64_t next_number, std::function<void()> on_change) {
  identity_ = identity;
  next_number_ = next_number;
  on_change_ = std::move(on_change);
  for (const auto& [number, size] : ready) ready_.push_back({number, size});
}

void SegmentPool::add_leftover(const std::string& name, std::uint64_t size_bytes) {
  if (is_spare_name(name)) {
    std::uint64_t number = 0;
    const std::string_view digits = std::string_view(name).substr(name.find('-') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    next_spare_ = std::max(next_spare_, number + 1);
  }
  const bool useful = is_spare_name(name) && size_bytes == options_.segment_bytes && spares_.size() < options_.spares;
  if (!useful) return disk_.remove(name, [](const Status&) {});
  spares_.push_back(name);
}

SegmentPool::Segment SegmentPool::take() {
  JUXMEM_CHECK(!ready_.empty());
  const Segment segment = ready_.front();
  ready_.pop_front();
  top_up();
  return segment;
}

void SegmentPool::recycle(const Segment& segment) {
  const std::string name = segment_name(segment.number);
  if (segment.size_bytes != options_.segment_bytes || spares_.size() >= options_.spares) {
    return disk_.remove(name, alive_.guard([this](const Status&) { top_up(); }));
  }
  const std::string spare = spare_name(next_spare_++);
  disk_.rename(name, spare, alive_.guard([this, spare](const Status& renamed) {
    if (!renamed) return;
    spares_.push_back(spare);
    top_up();
  }));
}

void SegmentPool::top_up() {
  if (making_ || ready_.size() >= options_.ahead) return;
  making_ = true;
  if (!spares_.empty()) {
    file_ = spares_.front();
    spares_.pop_front();
    return write_header();
  }
  file_ = spare_name(next_spare_++);
  disk_.allocate(file_, options_.segment_bytes, alive_.guard([this](const Status& allocated) {
    if (!allocated) return failed(allocated.error());
    if (options_.fill) return fill_from(0);
    write_header();
  }));
}

void SegmentPool::fill_from(std::uint64_t offset) {
  if (offset >= options_.segment_bytes) return write_header();
  const std::uint64_t piece = std::min(kFillBytes, options_.segment_bytes - offset);
  disk_.write(file_, offset, zeros(piece), alive_.guard([this, next = offset + piece](const Status& written) {
    if (!written) return failed(written.error());
    fill_from(next);
  }));
}

void SegmentPool::write_header() {
  const SegmentHeader header{identity_, next_number_, options_.segment_bytes};
  disk_.write(file_, 0, encode_header(header), alive_.guard([this](const Status& written) {
    if (!written) return failed(written.error());
    disk_.sync(file_, alive_.guard([this](const Status& synced) {
      if (!synced) return failed(synced.error());
      put_in_place();
    }));
  }));
}

void SegmentPool::put_in_place() {
  disk_.rename(file_, segment_name(next_number_), alive_.guard([this](const Status& renamed) {
    if (!renamed) return failed(renamed.error());
    disk_.sync_names(alive_.guard([this](const Status& synced) {
      const std::uint64_t number = next_number_++;
      if (!synced) {
        // The name is there, perhaps not for good: the number is not used again.
        file_ = segment_name(number);
        return failed(synced.error());
      }
      making_ = false;
      trouble_.reset();
      ready_.push_back({number, options_.segment_bytes});
      top_up();
      on_change_();
    }));
  }));
}

void SegmentPool::failed(const Error& error) {
  making_ = false;
  trouble_ = error;
  disk_.remove(file_, [](const Status&) {});
  on_change_();
}

}  // namespace juxmem::wal

#include "juxmem/storage/log/log_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "juxmem/storage/log/batch_reader.h"
#include "juxmem/storage/log/format.h"

namespace juxmem::wal {
namespace {

std::span<const std::byte> header_of(const FileImage& image) {
  return image.bytes.bytes().first(std::min(image.bytes.size(), kSegmentHeaderBytes));
}

}  // namespace

LogRecovery::LogRecovery(Disk& disk, LogScan::Sink sink) : disk_(disk), sink_(std::move(sink)), reader_(disk) {}

void LogRecovery::start(Done done) {
  done_ = std::move(done);
  disk_.list(alive_.guard([this](Result<std::vector<DiskEntry>> entries) { took_names(std::move(entries)); }));
}

void LogRecovery::fail_with(Error error) {
  const Done done = std::exchange(done_, nullptr);
  done(std::unexpected(std::move(error)));
}

void LogRecovery::took_names(Result<std::vector<DiskEntry>> entries) {
  if (!entries) return fail_with(entries.error());
  found_.entries = std::move(*entries);
  bool has_identity = false;
  for (const DiskEntry& entry : found_.entries) {
    if (const auto number = segment_number(entry.name)) {
      segments_[*number] = std::min(entry.size_bytes, kSegmentBytesMax);
    } else if (is_spare_name(entry.name) || entry.name == kIdentityNewName) {
      found_.useless.push_back(entry.name);
    } else if (entry.name == kIdentityName) {
      has_identity = true;
    }
  }
  if (!has_identity) return took_identity(fail(Code::kNotFound));
  reader_.read(std::string(kIdentityName), kSegmentHeaderBytes,
               [this](const Result<FileImage>& image) { took_identity(image); });
}

void LogRecovery::took_identity(const Result<FileImage>& image) {
  if (image) {
    const auto header = decode_header(header_of(*image));
    if (!header && header.error().code == Code::kNotSupported) return fail_with(header.error());
    if (header) identity_ = header->identity;
  }
  identity_damaged_ = !identity_;
  const bool file_is_there = image || image.error().code != Code::kNotFound;
  if (identity_damaged_ && file_is_there) {
    early_faults_.push_back({LogFaultKind::kDamagedIdentity, 0, 0, 0, "the file `identity` cannot be read"});
  }
  if (segments_.empty() && !identity_) {
    if (file_is_there) return fail_with({Code::kIo, "the log's identity cannot be read and no segment is there to tell it"});
    found_.fresh = true;
    return finish();
  }
  backwards_ = std::as_const(segments_).rbegin();
  find_beginning();
}

// The newest whole batch says where the log begins: segments are looked at from the last one backwards until there is one.
void LogRecovery::find_beginning() {
  if (backwards_ == std::as_const(segments_).rend()) return begin_scan();
  const auto [number, size] = *backwards_;
  reader_.read(segment_name(number), size,
               [this, number = number](Result<FileImage> image) { took_newest(number, std::move(image)); });
}

void LogRecovery::took_newest(std::uint64_t number, Result<FileImage> image) {
  ++backwards_;
  if (!image) return find_beginning();
  const auto header = decode_header(header_of(*image));
  if (!header && header.error().code == Code::kNotSupported)
    return fail_with({header.error().code, segment_name(number) + " was " + header.error().detail});
  if (!identity_ && header) identity_ = header->identity;
  if (!identity_) return find_beginning();
  const SegmentFindings findings = scan_segment({number, image->bytes, image->unreadable}, tag_of(*identity_), {});
  was_used_ = was_used_ || findings.batch_max > 0 || !image->unreadable.empty();
  for (const FoundBatch& batch : findings.batches) {
    if (!batch.whole()) continue;
    const BatchContents contents = read_batch(batch);
    if (!contents.head || contents.head->low_segment <= low_segment_) continue;
    low_segment_ = contents.head->low_segment;
    low_lsn_ = contents.head->low_lsn;
  }
  if (low_segment_ > 0) return begin_scan();
  find_beginning();
}

void LogRecovery::begin_scan() {
  if (!identity_) {
    return fail_with(
        {Code::kIo,
         "segments of a log are here, but nothing tells whose: neither the file `identity` nor a header can be read"});
  }
  if (identity_damaged_ && early_faults_.empty()) {
    // Segments were being prepared when the node's first start ended.
    if (!was_used_) {
      found_.fresh = true;
      for (const auto& [number, size] : segments_) found_.useless.push_back(segment_name(number));
      return finish();
    }
    early_faults_.push_back({LogFaultKind::kDamagedIdentity, 0, 0, 0, "the file `identity` is not there"});
  }
  scan_.emplace(*identity_, low_segment_, low_lsn_, sink_);
  for (LogFault& fault : early_faults_) scan_->add_fault(std::move(fault));
  next_ = std::max<std::uint64_t>(low_segment_, 1);
  for (const auto& [number, size] : segments_) {
    if (number < next_) found_.useless.push_back(segment_name(number));
  }
  scan_next();
}

void LogRecovery::scan_next() {
  const auto found = segments_.lower_bound(next_);
  // The identity is written after the first segment.
  if (found == segments_.end()) {
    if (segments_.empty() || segments_.rbegin()->first < low_segment_ || (low_segment_ == 0 && next_ == 1))
      scan_->add_missing(next_);
    return finish();
  }
  const auto [number, size] = *found;
  for (std::uint64_t missing = next_; missing < number; ++missing) {
    scan_->add_missing(missing);
    if (number - missing > 1000) missing = number - 1000;  // one report is like another
  }
  next_ = number + 1;
  reader_.read(segment_name(number), size,
               [this, number = number](Result<FileImage> image) { took_segment(number, std::move(image)); });
}

bool LogRecovery::check_header(std::uint64_t number, const FileImage& image) {
  const auto header = decode_header(header_of(image));
  if (!header) {
    if (header.error().code == Code::kNotSupported) {
      fail_with({header.error().code, segment_name(number) + " was " + header.error().detail});
      return false;
    }
    scan_->add_fault(
        {LogFaultKind::kDamagedHeader, number, 0, kSegmentHeaderBytes, segment_name(number) + ": " + header.error().detail});
    return true;
  }
  if (header->identity != *identity_ || header->number != number) {
    scan_->add_fault({LogFaultKind::kDamagedHeader, number, 0, kSegmentHeaderBytes,
                      fmt::format("{} says that it is segment {} of {}", segment_name(number), header->number,
                                  to_string(header->identity))});
    return true;
  }
  if (header->segment_bytes > image.bytes.size()) {
    scan_->add_short(number, image.bytes.size(), header->segment_bytes);
    return true;
  }
  good_headers_[number] = image.bytes.size();
  return true;
}

void LogRecovery::took_segment(std::uint64_t number, Result<FileImage> image) {
  if (!image) {
    if (image.error().code != Code::kNotFound) return fail_with(image.error());
    scan_->add_missing(number);
    return scan_next();
  }
  if (!check_header(number, *image)) return;
  scan_->add({number, std::move(image->bytes), std::move(image->unreadable)});
  scan_next();
}

void LogRecovery::finish() {
  if (scan_) {
    found_.report = scan_->finish(found_.end);
    found_.identity_damaged = identity_damaged_;
    for (const auto& [number, size] : segments_) {
      if (number >= low_segment_) found_.segments[number] = size;
    }
    // Those at the end that can be written to. A number that was ever given is not given again: a hole stays a hole.
    std::uint64_t expected = segments_.empty() ? 0 : segments_.rbegin()->first;
    for (auto at = good_headers_.rbegin();
         at != good_headers_.rend() && at->first == expected && expected > found_.end.segment; ++at) {
      found_.prepared.insert(*at);
      --expected;
    }
  }
  const Done done = std::exchange(done_, nullptr);
  done(std::move(found_));
}

}  // namespace juxmem::wal

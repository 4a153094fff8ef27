#include "juxmem/provider/agent_publish.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "juxmem/base/check.h"
#include "juxmem/provider/block_machine.h"

namespace juxmem {
namespace {

// A range from this size on is worth an entry of its own, because it then travels without being copied.
constexpr std::uint64_t kOwnEntryBytes = 256U << 10;

// Gathers ranges until they fill a piece.
class PieceMaker {
 public:
  explicit PieceMaker(std::uint64_t piece_bytes) : piece_bytes_(piece_bytes) {}

  void add(std::uint64_t offset, const Buffer& data) {
    std::uint64_t done = 0;
    while (done < data.size()) {
      const std::uint64_t room = piece_bytes_ - bytes_;
      const std::uint64_t size = std::min<std::uint64_t>(room, data.size() - done);
      ranges_.push_back(wire::Range{.offset = offset + done, .size_bytes = size});
      slices_.push_back(data.slice(done, size));
      bytes_ += size;
      done += size;
      if (bytes_ == piece_bytes_) flush();
    }
  }

  void flush() {
    if (ranges_.empty()) return;
    ChangePiece piece;
    piece.ranges = std::move(ranges_);
    piece.data = slices_.size() == 1 ? slices_.front() : joined();
    pieces_.push_back(std::move(piece));
    ranges_ = {};
    slices_.clear();
    bytes_ = 0;
  }

  std::vector<ChangePiece> take() {
    flush();
    return std::move(pieces_);
  }

 private:
  Buffer joined() const {
    std::shared_ptr<std::byte[]> memory = std::make_shared_for_overwrite<std::byte[]>(bytes_);
    std::byte* to = memory.get();
    for (const Buffer& slice : slices_) {
      std::memcpy(to, slice.data(), slice.size());
      to += slice.size();
    }
    const std::byte* data = memory.get();
    return Buffer::adopt(data, bytes_, std::move(memory));
  }

  const std::uint64_t piece_bytes_;
  std::vector<wire::Range> ranges_;
  std::vector<Buffer> slices_;
  std::uint64_t bytes_ = 0;
  std::vector<ChangePiece> pieces_;
};

}  // namespace

Status check_changes(const std::vector<wire::Range>& ranges, const std::vector<Buffer>& data, std::uint64_t block_bytes) {
  if (ranges.size() != data.size()) return fail(Code::kInvalid, "not one piece of data per range");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].size_bytes != data[i].size()) return fail(Code::kInvalid, "a range and its data differ in size");
    if (ranges[i].offset > block_bytes || ranges[i].size_bytes > block_bytes - ranges[i].offset) {
      return fail(Code::kOutOfRange, "a change lies beyond the end of the block");
    }
  }
  return {};
}

std::vector<ChangePiece> cut_changes(const std::vector<wire::Range>& ranges, const std::vector<Buffer>& data,
                                     std::uint64_t piece_bytes) {
  JUXMEM_CHECK(piece_bytes > 0 && ranges.size() == data.size());
  std::uint64_t total = 0;
  for (const Buffer& bytes : data) total += bytes.size();
  PieceMaker maker(piece_bytes);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const bool alone = total > piece_bytes && data[i].size() >= kOwnEntryBytes;
    if (alone) maker.flush();
    maker.add(ranges[i].offset, data[i]);
    if (alone) maker.flush();
  }
  return maker.take();
}

bool SectionChanges::take_part(std::uint32_t part, bool last) {
  if (last && parts_ == 0) parts_ = part + 1;
  return taken_.emplace(part, 0).second;
}

std::uint32_t SectionChanges::add_stage(std::uint32_t part, const ChangePiece& piece) {
  stages_.push_back(Stage{.part = part, .digest = SectionDigest::of_part(piece.ranges, piece.data), .staged = false});
  ++taken_.at(part);
  bytes_ += piece.data.size();
  return static_cast<std::uint32_t>(stages_.size() - 1);
}

SectionChanges::PartDone SectionChanges::staged(std::uint32_t stage) {
  Stage& row = stages_.at(stage);
  if (row.staged) return {};
  row.staged = true;
  ++staged_;
  std::uint32_t& open = taken_.at(row.part);
  --open;
  return {.done = open == 0, .part = row.part};
}

bool SectionChanges::part_staged(std::uint32_t part) const {
  const auto it = taken_.find(part);
  return it != taken_.end() && it->second == 0;
}

std::uint64_t SectionChanges::digest() const {
  SectionDigest digest;
  for (const Stage& stage : stages_) digest.add_part(stage.digest);
  return digest.value();
}

}  // namespace juxmem

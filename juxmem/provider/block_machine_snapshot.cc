// Snapshots of a group's blocks: their rows, written pages and staged parts.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "juxmem/base/mutant.h"
#include "juxmem/provider/block_machine.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

enum Part : std::uint32_t { kBlocksPart, kStagedPart };

// What rows count in a piece: their fields, and what surrounds them.
constexpr std::uint64_t kBlockBytes = 224;
constexpr std::uint64_t kRunBytes = 96;
constexpr std::uint64_t kPageRowBytes = kPageBytes + sizeof(Version);
constexpr std::uint64_t kRunPagesReserved = 16;
constexpr std::uint64_t kStagedBytes = 160;
constexpr std::uint64_t kStagedBytesMin = 4096;  // worth a row of its own

std::unexpected<Error> refuse(const std::string& what) { return fail(Code::kProtocol, "snapshot: " + what); }

}  // namespace

// ---- opening and closing -----------------------------------------------------------------------------------------------

void BlockMachine::open_state(SnapshotNumber number) {
  heads_[number] = Head{.next_slot = next_slot_,
                        .used_bytes = used_bytes_,
                        .quota_bytes = quota_bytes_,
                        .reservations_from = reservations_from_};
  blocks_.open_snapshot(number);
  sections_.open_snapshot(number);
  pages_.open(number);
}

void BlockMachine::close_state(SnapshotNumber number) {
  heads_.erase(number);
  blocks_.close_snapshot(number);
  sections_.close_snapshot(number);
  pages_.close(number);
}

bool BlockMachine::holds_state(SnapshotNumber number) const { return pages_.is_open(number); }

bool BlockMachine::keeps_too_much(std::uint64_t session_bytes) const {
  return session_bytes + blocks_.kept_bytes() + sections_.kept_bytes() + pages_.bytes() > arena_.side_bytes_max();
}

// ---- reading -----------------------------------------------------------------------------------------------------------

void BlockMachine::read_head(SnapshotNumber number, wire::SnapshotPiece& piece) const {
  const Head& head = heads_.at(number);
  piece.blocks_head = {.group = group_,
                       .next_slot = head.next_slot,
                       .used_bytes = head.used_bytes,
                       .quota_bytes = head.quota_bytes,
                       .reservations_from = head.reservations_from};
}

bool BlockMachine::read_state(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  if (cursor.part == kBlocksPart) {
    if (!read_blocks(number, cursor, filler)) return false;
    cursor.next_part();
  }
  return mutant("snapshot_without_staged") || read_staged(number, cursor, filler);
}

std::uint32_t BlockMachine::percent_read(SnapshotNumber number, const wire::SnapshotCursor& cursor) const {
  if (cursor.part != kBlocksPart) return 99;
  const std::uint64_t next_slot = heads_.at(number).next_slot;
  const Block* block = blocks_.snapshot_find(number, cursor.first);
  const double in_block =
      block == nullptr ? 0.0 : static_cast<double>(cursor.second) / static_cast<double>(block->extent.pages + 1);
  return static_cast<std::uint32_t>(99.0 * (static_cast<double>(cursor.first) + in_block) / static_cast<double>(next_slot));
}

// cursor.first is the slot; cursor.second 0: its row comes next, else the page after this many.
bool BlockMachine::read_blocks(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  const std::uint64_t next_slot = heads_.at(number).next_slot;
  std::uint64_t slot = 0;
  while (cursor.first < next_slot) {
    const Block* block = blocks_.snapshot_row(number, cursor.first, false, slot);
    if (block == nullptr || slot >= next_slot) break;
    if (slot != cursor.first) cursor.second = 0;
    cursor.first = slot;
    if (cursor.second == 0) {
      if (!filler.take(kBlockBytes + block->meta.size())) return false;
      filler.piece.blocks.push_back({.slot = slot,
                                     .size_bytes = block->size_bytes,
                                     .version = block->version,
                                     .fence = block->fence,
                                     .owner = block->owner,
                                     .token = block->token,
                                     .content_digest = block->content_digest,
                                     .meta = block->meta});
      cursor.second = 1;
    }
    if (!read_pages_of(number, *block, cursor, filler)) return false;
    ++cursor.first;
    cursor.second = 0;
  }
  return true;
}

bool BlockMachine::read_pages_of(SnapshotNumber number, const Block& block, wire::SnapshotCursor& cursor,
                                 wire::SnapshotFiller& filler) const {
  if (block.version <= cursor.since) return true;
  // A page that has not changed until now had not changed then.
  const std::span<const Version> now = arena_.versions(block.extent);
  wire::PagesRow run{.slot = cursor.first, .first_page = 0, .versions = {}, .data = {}};
  std::vector<std::byte> data;
  const auto end_run = [&] {
    if (run.versions.empty()) return;
    run.data = Buffer::take(std::exchange(data, {}));
    filler.piece.pages.push_back(
        std::exchange(run, wire::PagesRow{.slot = cursor.first, .first_page = 0, .versions = {}, .data = {}}));
  };
  for (std::uint64_t page = cursor.second - 1; page < block.extent.pages; ++page, ++cursor.second) {
    if (filler.left_pages == 0) {
      end_run();
      return false;
    }
    --filler.left_pages;
    const PageView view = now[page] <= cursor.since ? PageView{} : pages_.page(number, block.extent, page);
    if (view.version <= cursor.since) {
      end_run();
      continue;
    }
    if (!filler.take(kPageRowBytes + (run.versions.empty() ? kRunBytes : 0))) {
      end_run();
      return false;
    }
    if (run.versions.empty()) {
      run.first_page = page;
      // Blocks of a few pages are copied once, not again and again as the vector grows.
      data.reserve(std::min(block.extent.pages - page, kRunPagesReserved) * kPageBytes);
    }
    run.versions.push_back(view.version);
    data.insert(data.end(), view.data, view.data + kPageBytes);
  }
  end_run();
  return true;
}

// cursor.first and second are session and slot, third the part, fourth how much of it has been read: ranges, then bytes.
bool BlockMachine::read_staged(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  SectionKey key;
  for (;;) {
    const SectionKey from{cursor.first, static_cast<std::uint32_t>(cursor.second)};
    const Section* section = sections_.snapshot_row(number, from, false, key);
    if (section == nullptr) return true;
    if (key != from) cursor.third = cursor.fourth = 0;
    cursor.first = key.first;
    cursor.second = key.second;
    for (auto part = section->parts.lower_bound(static_cast<std::uint32_t>(cursor.third)); part != section->parts.end();
         ++part) {
      if (part->first != cursor.third) cursor.fourth = 0;
      cursor.third = part->first;
      if (!read_part(*section, *part->second, cursor, filler)) return false;
      ++cursor.third;
      cursor.fourth = 0;
    }
    ++cursor.second;
    cursor.third = cursor.fourth = 0;
  }
}

bool BlockMachine::read_part(const Section& section, const StagedPart& part, wire::SnapshotCursor& cursor,
                             wire::SnapshotFiller& filler) {
  const std::uint64_t ranges = part.ranges.size();
  const std::uint64_t whole = ranges * sizeof(wire::Range) + part.data.size();
  if (filler.left_bytes < kStagedBytes + std::min(whole, kStagedBytesMin)) return false;
  filler.take(kStagedBytes);
  wire::StagedRow row{.session = cursor.first,
                      .slot = static_cast<std::uint32_t>(cursor.second),
                      .counter = section.counter,
                      .block = section.block,
                      .part = static_cast<std::uint32_t>(cursor.third),
                      .ranges = {},
                      .data = {}};
  for (; cursor.fourth < ranges && filler.take(sizeof(wire::Range)); ++cursor.fourth)
    row.ranges.push_back(part.ranges[cursor.fourth]);
  if (cursor.fourth >= ranges) {
    const std::uint64_t read = cursor.fourth - ranges;
    const std::uint64_t size_bytes = std::min(part.data.size() - read, filler.left_bytes);
    filler.take(size_bytes);
    row.data = part.data.slice(read, size_bytes);
    cursor.fourth += size_bytes;
  }
  row.more = cursor.fourth < ranges + part.data.size();
  filler.piece.staged.push_back(std::move(row));
  return !filler.piece.staged.back().more;
}

// ---- restoring -----------------------------------------------------------------------------------------------------------

void BlockMachine::begin_state_changes() {
  for (const auto& [slot, block] : blocks_.rows()) former_[slot] = block.extent;
  blocks_ = {};
  sections_ = {};
  staging_.clear();
  by_token_.clear();
  unfinished_.reset();
  heads_.clear();
  used_bytes_ = blocks_digest_ = staged_digest_ = 0;
}

// Slots are never used twice, and rows come in their order: what was passed over is not there any more.
void BlockMachine::free_former_before(std::uint64_t slot) {
  while (!former_.empty() && former_.begin()->first < slot) {
    arena_.free(former_.begin()->second);
    former_.erase(former_.begin());
  }
}

Result<Extent> BlockMachine::extent_for(std::uint64_t slot, std::uint64_t pages) {
  free_former_before(slot);
  const auto former = former_.find(slot);
  if (former == former_.end()) return arena_.allocate(pages);
  const Extent extent = former->second;
  if (extent.pages != pages) return refuse("a block of another size than it had");
  former_.erase(former);
  return extent;
}

Status BlockMachine::restore_state(const wire::SnapshotPiece& piece) {
  if (piece.number == 0) {
    const wire::BlocksHead& head = piece.blocks_head;
    if (head.group != group_ || head.next_slot == 0 || head.used_bytes > head.quota_bytes) return refuse("of no such group");
    next_slot_ = head.next_slot;
    quota_bytes_ = head.quota_bytes;
    reservations_from_ = head.reservations_from;
    restored_used_bytes_ = head.used_bytes;
  }
  for (const wire::BlockRow& row : piece.blocks) {
    if (Status taken = restore_block(row, piece.at); !taken) return taken;
  }
  for (const wire::PagesRow& row : piece.pages) {
    if (Status taken = restore_pages(row); !taken) return taken;
  }
  for (const wire::StagedRow& row : piece.staged) {
    if (Status taken = restore_staged(row); !taken) return taken;
  }
  if (piece.last) free_former_before(next_slot_);
  return {};
}

Status BlockMachine::restore_block(const wire::BlockRow& row, Instance at) {
  const bool in_order = blocks_.empty() || row.slot > blocks_.rows().rbegin()->first;
  if (row.slot == 0 || row.slot >= next_slot_ || !in_order || row.version > at)
    return refuse("a block that cannot come here");
  const std::uint64_t pages = pages_of(row.size_bytes);
  if (pages * kPageBytes > restored_used_bytes_ - used_bytes_) return refuse("more blocks than its sum of their sizes");
  const Result<Extent> extent = extent_for(row.slot, pages);
  if (!extent) return std::unexpected(extent.error());
  Block& block = blocks_.insert(row.slot, {});
  block.size_bytes = row.size_bytes;
  block.version = row.version;
  block.fence = row.fence;
  block.meta = row.meta;
  block.owner = row.owner;
  block.token = row.token;
  block.extent = *extent;
  block.content_digest = row.content_digest;
  used_bytes_ += pages * kPageBytes;
  const BlockId id = make_block_id(group_, row.slot);
  const bool has_token = row.owner != 0 || row.token != 0;
  if (has_token && !by_token_.emplace(std::pair(row.owner, row.token), id).second)
    return refuse("two blocks of one allocation");
  redigest(id, block);
  return {};
}

Status BlockMachine::restore_pages(const wire::PagesRow& row) {
  const Block* block = blocks_.find(row.slot);
  if (block == nullptr) return refuse("pages of no block");
  const std::uint64_t pages = block->extent.pages;
  if (row.first_page > pages || row.versions.size() > pages - row.first_page)
    return refuse("pages beyond the end of a block");
  if (row.data.size() != row.versions.size() * kPageBytes) return refuse("not as much data as pages");
  // B5.
  const bool sound =
      std::ranges::all_of(row.versions, [&](Version version) { return version != 0 && version <= block->version; });
  if (!sound)
    return refuse("a page of block " + block_name(make_block_id(group_, row.slot)) + " that is newer than the block");
  std::memcpy(arena_.data(block->extent) + row.first_page * kPageBytes, row.data.data(), row.data.size());
  std::ranges::copy(row.versions, arena_.versions(block->extent).begin() + static_cast<std::ptrdiff_t>(row.first_page));
  return {};
}

Status BlockMachine::restore_staged(const wire::StagedRow& row) {
  wire::StagedRow whole = row;
  if (unfinished_) {
    const bool goes_on =
        row.session == unfinished_->session && row.slot == unfinished_->slot && row.part == unfinished_->part;
    if (!goes_on) return refuse("a staged part without its end");
    whole = std::move(*unfinished_);
    unfinished_.reset();
    whole.ranges.insert(whole.ranges.end(), row.ranges.begin(), row.ranges.end());
    std::vector<std::byte> data(whole.data.data(), whole.data.data() + whole.data.size());
    data.insert(data.end(), row.data.data(), row.data.data() + row.data.size());
    whole.data = Buffer::take(std::move(data));
  }
  if (whole.ranges.size() > wire::kRangesMax || whole.data.size() > wire::kEntryBytesMax)
    return refuse("a staged part beyond the limits");
  if (row.more) {
    unfinished_ = std::move(whole);
    return {};
  }
  const OpId op{.session = whole.session, .slot = whole.slot, .counter = whole.counter};
  const Section* section = sections_.find({op.session, op.slot});
  const bool belongs = section == nullptr || (section->counter == op.counter && section->block == whole.block &&
                                              !section->parts.contains(whole.part));
  if (!belongs || op.counter == 0 || !sessions().is_alive(op.session)) return refuse("a staged part of no section");
  std::uint64_t sum = 0;
  for (const wire::Range& range : whole.ranges) sum += range.size_bytes;
  if (sum != whole.data.size()) return refuse("a staged part whose data is not what its ranges say");
  const std::uint64_t digest = SectionDigest::of_part(whole.ranges, whole.data);
  add_staged(op, whole.block, whole.part,
             StagedPart{.ranges = std::move(whole.ranges), .data = std::move(whole.data), .digest = digest});
  return {};
}

Status BlockMachine::check_restored() const {
  if (unfinished_) return refuse("a staged part without its end");
  if (used_bytes_ != restored_used_bytes_) return refuse("less blocks than its sum of their sizes");
  return {};
}

}  // namespace juxmem

// Grid: blocks as memory of this process.
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "juxmem/client/grid.h"
#include "juxmem/client/thread_number.h"

namespace juxmem {
namespace {

constexpr std::size_t kUnmappedMax = 65536;  // addresses remembered to tell EUNMAPPED from EFOREIGN

bool overlap(const Mapping& a, std::uint64_t offset, std::uint64_t size_bytes) {
  return a.offset() < offset + size_bytes && offset < a.offset() + a.size_bytes();
}

}  // namespace

std::vector<Mapping*> Grid::mappings_of(BlockId block) {
  std::vector<Mapping*> found;
  for (const auto& [address, mapping] : mappings_) {
    if (mapping->block() == block) found.push_back(mapping.get());
  }
  return found;
}

Result<void*> Grid::map(BlockId block, std::uint64_t offset, std::uint64_t length) {
  const Result<BlockStat> facts = stat(block);
  if (!facts) return std::unexpected(facts.error());
  if (offset > facts->size_bytes || length > facts->size_bytes - offset || offset == facts->size_bytes) {
    return fail(Code::kOutOfRange, fmt::format("block {} has {} bytes", block_name(block), facts->size_bytes));
  }
  if (length == 0) length = facts->size_bytes - offset;
  if (length > std::numeric_limits<std::size_t>::max() / 2) {
    return fail(Code::kNoLocalMemory, fmt::format("{} bytes cannot be mapped here", length));
  }
  Result<std::unique_ptr<Mapping>> made = Mapping::create(block, offset, length);
  if (!made) return std::unexpected(made.error());
  Mapping& mapping = **made;
  if (const Status filled = fill_inside_section(mapping); !filled) return std::unexpected(filled.error());

  const std::lock_guard lock(mutex_);
  for (const Mapping* other : mappings_of(block)) {
    if (overlap(*other, offset, length)) {
      return fail(Code::kInvalid, fmt::format("[{}, {}) of block {} overlaps a mapping of this process", offset,
                                              offset + length, block_name(block)));
    }
  }
  const auto own = holds_.find({block, thread_number()});
  if (own != holds_.end() && own->second.held) own->second.mappings.push_back(&mapping);
  const auto address = reinterpret_cast<std::uintptr_t>(mapping.data());
  unmapped_.erase(address);
  mappings_[address] = std::move(*made);
  return mapping.data();
}

// A mapping that is made inside a section shows the section's content at once.
Status Grid::fill_inside_section(Mapping& mapping) {
  Hold hold;
  {
    const std::lock_guard lock(mutex_);
    const auto own = holds_.find({mapping.block(), thread_number()});
    if (own == holds_.end() || !own->second.held) return {};
    hold = own->second;
  }
  std::vector<PageWant> wants{{.offset = mapping.offset(), .size_bytes = mapping.size_bytes(), .have = 0, .sink = &mapping}};
  const Status fetched = driver_->run<void>([&](ClientCore& core, Completion<void> done) {
    core.fetch(hold.section, std::move(wants), limit_of(-1), std::move(done));
  });
  if (!fetched) return fetched;
  mapping.set_version(hold.version);
  if (hold.mode == Mode::kExclusive) return mapping.prepare_to_write();
  return {};
}

Status Grid::unmap(void* address) {
  const std::lock_guard lock(mutex_);
  const auto key = reinterpret_cast<std::uintptr_t>(address);
  const auto found = mappings_.find(key);
  if (found == mappings_.end()) {
    if (unmapped_.contains(key)) return fail(Code::kUnmapped);
    return fail(Code::kForeignPointer);
  }
  const BlockId block = found->second->block();
  if (queue_.is_used(block)) {
    return fail(Code::kAlreadyHeld, "a thread is inside a section of " + block_name(block) + "; release it first");
  }
  mappings_.erase(found);
  if (unmapped_.insert(key).second) unmapped_order_.push_back(key);
  while (unmapped_order_.size() > kUnmappedMax) {
    unmapped_.erase(unmapped_order_.front());
    unmapped_order_.pop_front();
  }
  return {};
}

}  // namespace juxmem

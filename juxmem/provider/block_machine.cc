#include "juxmem/provider/block_machine.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// Of larger parts one line per page goes into the digest: that tells pieces apart, and a pass over all bytes at each copy
// would cost as much as moving them. What the network may do to bytes is for the transport to notice.
constexpr std::size_t kWholeDigestBytesMax = 64U << 10;
constexpr std::size_t kSampleBytes = 64;
constexpr std::uint64_t kQuotaBytesMax = 1ULL << 62;

wire::Reply refusal(Code code, std::string detail) {
  wire::Reply reply;
  reply.code = code;
  reply.detail = std::move(detail);
  return reply;
}

wire::Reply no_such_block(BlockId block) { return refusal(Code::kNotFound, "block " + block_name(block)); }

template <typename Numbers>
std::uint64_t digest_of_numbers(const Numbers& numbers, std::uint64_t seed = 0) {
  return digest_of(std::as_bytes(std::span(numbers)), seed);
}

// The refusal if the ranges do not lie in a block of that size or their bytes are not what `data` has.
std::optional<wire::Reply> check_ranges(std::uint64_t size_bytes, std::span<const wire::Range> ranges, const Buffer& data) {
  std::uint64_t sum = 0;
  for (const wire::Range& range : ranges) {
    if (range.offset > size_bytes || range.size_bytes > size_bytes - range.offset) {
      return refusal(Code::kOutOfRange, "bytes " + std::to_string(range.offset) + " + " + std::to_string(range.size_bytes) +
                                            " of a block of " + std::to_string(size_bytes));
    }
    if (range.size_bytes > data.size() - sum) return refusal(Code::kInvalid, "less data than the ranges say");
    sum += range.size_bytes;
  }
  if (sum != data.size()) return refusal(Code::kInvalid, "more data than the ranges say");
  return std::nullopt;
}

std::optional<wire::Reply> check_fence(const Grant& fence, const Grant& grant) {
  if (grant >= fence) return std::nullopt;
  return refusal(Code::kOwnerDead,
                 "grant " + to_string(grant) + " is older than " + to_string(fence) + ", which has published since");
}

std::uint64_t digest_of_staged(const OpId& op, std::uint32_t part, std::uint64_t digest) {
  const std::uint64_t numbers[] = {op.session, op.slot, op.counter, part, digest};
  return digest_of_numbers(numbers);
}

}  // namespace

std::uint64_t SectionDigest::of_part(std::span<const wire::Range> ranges, const Buffer& data) {
  std::uint64_t digest = ranges.size();
  for (const wire::Range& range : ranges) {
    const std::uint64_t numbers[] = {range.offset, range.size_bytes};
    digest = digest_of_numbers(numbers, digest);
  }
  if (data.size() <= kWholeDigestBytesMax) return digest_of(data.bytes(), digest);
  for (std::size_t at = 0; at < data.size(); at += kPageBytes) {
    const std::size_t line = std::min<std::size_t>(kSampleBytes, data.size() - at);
    digest = digest_of(data.bytes().subspan(at, line), digest);
  }
  return digest;
}

void SectionDigest::add_part(std::uint64_t part_digest) { digest_ = digest_with(digest_, part_digest); }

std::uint64_t SectionDigest::value() const { return digest_ == 0 ? 1 : digest_; }

BlockMachine::BlockMachine(GroupId group, PageArena& arena, const BlockLimits& limits)
    : group_(group), arena_(arena), limits_(limits), pages_(arena) {}

BlockMachine::~BlockMachine() {
  for (const auto& [slot, block] : blocks_.rows()) arena_.free(block.extent);
  for (const auto& [slot, extent] : former_) arena_.free(extent);
}

// ---- commands ---------------------------------------------------------------------------------------------------

wire::Reply BlockMachine::execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                                  Applied& applied) {
  if (const auto* command = std::get_if<wire::Stage>(&action)) return stage(instance, op, *command, data);
  wire::Reply reply;
  if (const auto* command = std::get_if<wire::Publish>(&action)) {
    reply = publish(instance, *command, data, applied);
  } else if (const auto* command = std::get_if<wire::Install>(&action)) {
    reply = install(instance, op, *command, applied);
  } else if (std::holds_alternative<wire::Unstage>(action)) {
    reply = unstage();
  } else if (const auto* command = std::get_if<wire::Allocate>(&action)) {
    reply = allocate(*command);
  } else if (const auto* command = std::get_if<wire::Free>(&action)) {
    reply = free(*command, applied);
  } else if (const auto* command = std::get_if<wire::ShrinkQuota>(&action)) {
    reply = shrink_quota(instance, *command);
  } else if (const auto* command = std::get_if<wire::CloseReservations>(&action)) {
    reply = close_reservations(instance, *command);
  } else {
    reply = refusal(Code::kInvalid, "a group of blocks does not execute this command");
  }
  drop_section(op);
  return reply;
}

bool BlockMachine::is_idempotent(const wire::Action&) const { return false; }

bool BlockMachine::is_preparation(const wire::Action& action) const { return std::holds_alternative<wire::Stage>(action); }

wire::Reply BlockMachine::allocate(const wire::Allocate& command) {
  const bool is_open = command.reservation >= reservations_from_;
  if (is_open) quota_bytes_ += std::min(command.added_quota_bytes, kQuotaBytesMax - quota_bytes_);
  wire::Reply reply;
  const bool has_token = command.owner != 0 || command.token != 0;
  const auto earlier = by_token_.find({command.owner, command.token});
  if (has_token && earlier != by_token_.end()) {
    reply.block = earlier->second;
    reply.amount = quota_bytes_ - used_bytes_;
    return reply;
  }
  if (command.size_bytes == 0) return refusal(Code::kInvalid, "a block has at least one byte");
  if (command.size_bytes > wire::kBlockBytesMax) {
    return refusal(Code::kTooBig, "a block of " + std::to_string(command.size_bytes) + " bytes");
  }
  if (command.meta.size() > wire::kMetaBytesMax) {
    return refusal(Code::kTooBig, "metadata of " + std::to_string(command.meta.size()) + " bytes");
  }
  const std::uint64_t pages = pages_of(command.size_bytes);
  if (pages * kPageBytes > quota_bytes_ - used_bytes_) {
    reply = refusal(Code::kQuota, std::to_string(pages * kPageBytes) + " bytes asked, quota for " +
                                      std::to_string(quota_bytes_ - used_bytes_) + " left");
    reply.amount = quota_bytes_ - used_bytes_;
    return reply;
  }
  const Result<Extent> extent = arena_.allocate(pages);
  JUXMEM_CHECK_MSG(extent.has_value(),
                   "the group's quota allows a block that this provider cannot hold: " + to_string(extent.error()));
  const std::uint64_t slot = next_slot_++;
  Block& block = blocks_.insert(slot, {});
  block.born = pages_.last_opened();
  block.size_bytes = command.size_bytes;
  block.meta = Buffer::copy_of(command.meta.bytes());
  block.owner = command.owner;
  block.token = command.token;
  block.extent = *extent;
  const std::uint64_t origin[] = {command.owner, command.token};
  block.content_digest = digest_of(command.meta.bytes(), digest_of_numbers(origin));
  reply.block = make_block_id(group_, slot);
  if (has_token) by_token_[{command.owner, command.token}] = reply.block;
  used_bytes_ += pages * kPageBytes;
  redigest(reply.block, block);
  reply.amount = quota_bytes_ - used_bytes_;
  return reply;
}

wire::Reply BlockMachine::free(const wire::Free& command, Applied& applied) {
  const Block* block = block_of(command.block);
  if (block == nullptr) return no_such_block(command.block);
  const auto token = by_token_.find({block->owner, block->token});
  if (token != by_token_.end() && token->second == command.block) by_token_.erase(token);
  blocks_digest_ -= block->digest;
  used_bytes_ -= block->extent.pages * kPageBytes;
  pages_.free(block->extent, block->born);
  blocks_.erase(slot_of(command.block));
  applied.freed = command.block;
  wire::Reply reply;
  reply.block = command.block;
  return reply;
}

wire::Reply BlockMachine::publish(Instance instance, const wire::Publish& command, const Buffer& data, Applied& applied) {
  const Block* block = block_of(command.block);
  if (block == nullptr) return no_such_block(command.block);
  if (auto refused = check_fence(block->fence, command.grant)) return *refused;
  if (auto refused = check_ranges(block->size_bytes, command.ranges, data)) return *refused;
  wire::Reply reply;
  reply.block = command.block;
  if (!data.empty()) {
    Block& changed = changed_block(command.block);
    write(changed, instance, command.ranges, data);
    seal(command.block, changed, instance, command.grant, SectionDigest::of_part(command.ranges, data));
    applied.changed = command.block;
  }
  reply.version = block->version;
  return reply;
}

wire::Reply BlockMachine::stage(Instance instance, const OpId& op, const wire::Stage& command, const Buffer& data) {
  const Block* block = block_of(command.block);
  if (block == nullptr) return no_such_block(command.block);
  if (auto refused = check_ranges(block->size_bytes, command.ranges, data)) return *refused;
  drop_section({.session = op.session, .slot = op.slot, .counter = op.counter - 1});
  const Section* section = sections_.find({op.session, op.slot});
  if (section != nullptr && section->counter > op.counter) {
    return refusal(Code::kStale, "operation " + to_string(op) + " is older than the one its slot stages for");
  }
  if (section != nullptr && section->block != command.block) {
    return refusal(Code::kInvalid, "the parts of one section belong to one block");
  }
  wire::Reply reply;
  reply.block = command.block;
  if (section != nullptr && section->parts.contains(command.part)) return reply;
  const auto found = staging_.find(op.session);
  const Staging staging = found == staging_.end() ? Staging{} : found->second;
  const bool fits = staging.parts < limits_.staged_parts_max && data.size() <= limits_.staged_bytes_max - staging.bytes;
  if (!fits) {
    return refusal(Code::kTooBig, "sections of one session that are not installed may have " +
                                      std::to_string(limits_.staged_bytes_max) + " bytes in " +
                                      std::to_string(limits_.staged_parts_max) + " parts");
  }
  const std::uint64_t digest = SectionDigest::of_part(command.ranges, data);
  add_staged(op, command.block, command.part, StagedPart{.ranges = command.ranges, .data = data, .digest = digest});
  if (mutant("staged_part_visible")) write(changed_block(command.block), instance, command.ranges, data);
  return reply;
}

wire::Reply BlockMachine::install(Instance instance, const OpId& op, const wire::Install& command, Applied& applied) {
  const Block* block = block_of(command.block);
  if (block == nullptr) return no_such_block(command.block);
  if (auto refused = check_fence(block->fence, command.grant)) return *refused;
  const Section* section = section_of(op);
  if (section == nullptr || section->block != command.block) {
    return refusal(Code::kInvalid, "nothing was staged for operation " + to_string(op));
  }
  const bool complete = section->parts.size() == command.parts && section->parts.rbegin()->first + 1 == command.parts;
  if (!complete) {
    return refusal(Code::kInvalid, std::to_string(section->parts.size()) + " parts were staged for operation " +
                                       to_string(op) + ", not the " + std::to_string(command.parts) + " told");
  }
  SectionDigest digest;
  for (const auto& [number, part] : section->parts) digest.add_part(part->digest);
  if (command.digest != 0 && command.digest != digest.value()) {
    return refusal(Code::kInvalid, "the staged parts of operation " + to_string(op) + " are not those that were sent");
  }
  wire::Reply reply;
  reply.block = command.block;
  if (section->bytes > 0) {
    Block& changed = changed_block(command.block);
    for (const auto& [number, part] : section->parts) write(changed, instance, part->ranges, part->data);
    seal(command.block, changed, instance, command.grant, digest.value());
    applied.changed = command.block;
  }
  reply.version = block->version;
  return reply;
}

wire::Reply BlockMachine::unstage() const { return refusal(Code::kOwnerDead, "the section was given up"); }

wire::Reply BlockMachine::shrink_quota(Instance instance, const wire::ShrinkQuota& command) {
  const std::uint64_t unused = quota_bytes_ - used_bytes_;
  wire::Reply reply;
  reply.version = instance;
  reply.amount = unused > command.keep_bytes ? unused - command.keep_bytes : 0;
  quota_bytes_ -= reply.amount;
  return reply;
}

wire::Reply BlockMachine::close_reservations(Instance instance, const wire::CloseReservations& command) {
  if (command.up_to == ~0ULL) return refusal(Code::kInvalid, "no reservation has this number");
  reservations_from_ = std::max(reservations_from_, command.up_to + 1);
  wire::Reply reply;
  reply.version = instance;
  reply.amount = quota_bytes_;
  return reply;
}

// ---- blocks and sections ---------------------------------------------------------------------------------------------

const BlockMachine::Block* BlockMachine::block_of(BlockId block) const {
  return group_of(block) == group_ ? blocks_.find(slot_of(block)) : nullptr;
}

BlockMachine::Block& BlockMachine::changed_block(BlockId block) { return *blocks_.change(slot_of(block)); }

void BlockMachine::write(Block& block, Instance instance, std::span<const wire::Range> ranges, const Buffer& data) {
  std::byte* memory = arena_.data(block.extent);
  const std::span<Version> versions = arena_.versions(block.extent);
  std::uint64_t taken = 0;
  for (const wire::Range& range : ranges) {
    if (range.size_bytes == 0) continue;
    const std::uint64_t first = range.offset / kPageBytes;
    const std::uint64_t end = pages_of(range.offset + range.size_bytes);
    pages_.before_write(block.extent, block.born, first, end - first);
    std::memcpy(memory + range.offset, data.data() + taken, range.size_bytes);
    taken += range.size_bytes;
    std::fill(versions.begin() + first, versions.begin() + end, instance);
  }
}

void BlockMachine::seal(BlockId id, Block& block, Instance instance, const Grant& grant, std::uint64_t section_digest) {
  block.version = instance;
  block.fence = std::max(block.fence, grant);
  block.content_digest = digest_with(block.content_digest, section_digest);
  redigest(id, block);
}

void BlockMachine::redigest(BlockId id, Block& block) {
  const std::uint64_t numbers[] = {id,
                                   block.size_bytes,
                                   block.version,
                                   block.fence.ballot.round,
                                   block.fence.ballot.node,
                                   block.fence.counter,
                                   block.content_digest};
  blocks_digest_ -= block.digest;
  block.digest = digest_of_numbers(numbers);
  blocks_digest_ += block.digest;
}

const BlockMachine::Section* BlockMachine::section_of(const OpId& op) const {
  const Section* section = sections_.find({op.session, op.slot});
  return section != nullptr && section->counter == op.counter ? section : nullptr;
}

void BlockMachine::add_staged(const OpId& op, BlockId block, std::uint32_t number, StagedPart part) {
  const SectionKey key{op.session, op.slot};
  Section* section = sections_.change(key);
  if (section == nullptr) section = &sections_.insert(key, Section{.counter = op.counter, .block = block, .parts = {}});
  Staging& staging = staging_[op.session];
  section->bytes += part.data.size();
  staging.bytes += part.data.size();
  staging.parts += 1;
  staged_digest_ += digest_of_staged(op, number, part.digest);
  section->parts.emplace(number, std::make_shared<const StagedPart>(std::move(part)));
}

void BlockMachine::drop_section(const OpId& op) {
  const SectionKey key{op.session, op.slot};
  const Section* section = sections_.find(key);
  if (section == nullptr || section->counter > op.counter) return;
  const OpId staged_for{.session = op.session, .slot = op.slot, .counter = section->counter};
  for (const auto& [number, part] : section->parts) staged_digest_ -= digest_of_staged(staged_for, number, part->digest);
  const auto staging = staging_.find(op.session);
  staging->second.bytes -= section->bytes;
  staging->second.parts -= section->parts.size();
  if (staging->second.parts == 0) staging_.erase(staging);
  sections_.erase(key);
}

void BlockMachine::on_session_expired(SessionId session) {
  std::vector<OpId> staged;
  const auto& sections = sections_.rows();
  for (auto one = sections.lower_bound({session, 0}); one != sections.end() && one->first.first == session; ++one) {
    staged.push_back({session, one->first.second, one->second.counter});
  }
  for (const OpId& op : staged) drop_section(op);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

std::optional<BlockInfo> BlockMachine::find(BlockId block) const {
  const Block* found = block_of(block);
  if (found == nullptr) return std::nullopt;
  return BlockInfo{found->size_bytes, found->version, found->fence, found->meta};
}

wire::BlockFacts BlockMachine::facts(const wire::ReadBlock& request) const {
  wire::BlockFacts facts;
  facts.block = request.block;
  facts.tag = request.tag;
  const Block* block = block_of(request.block);
  if (block == nullptr) {
    facts.code = Code::kNotFound;
    return facts;
  }
  facts.size_bytes = block->size_bytes;
  facts.version = block->version;
  facts.meta = block->meta;
  return facts;
}

wire::PagesReply BlockMachine::read_pages(const wire::ReadPages& request, std::uint64_t bytes_max) const {
  wire::PagesReply reply;
  reply.block = request.block;
  reply.tag = request.tag;
  const Block* block = block_of(request.block);
  if (block == nullptr) {
    reply.code = Code::kNotFound;
    return reply;
  }
  if (request.offset > block->size_bytes || request.size_bytes > block->size_bytes - request.offset) {
    reply.code = Code::kOutOfRange;
    return reply;
  }
  reply.version = block->version;
  reply.covered_bytes = request.size_bytes;
  if (request.size_bytes == 0 || block->version <= request.since) return reply;

  // Pages are copied: a later publish may overwrite them while the answer is still on its way out.
  const std::byte* memory = arena_.data(block->extent);
  const std::span<const Version> versions = arena_.versions(block->extent);
  const std::uint64_t end = pages_of(request.offset + request.size_bytes);
  std::uint64_t bytes = 0;
  std::uint64_t page = request.offset / kPageBytes;
  while (page < end) {
    if (versions[page] <= request.since) {
      ++page;
      continue;
    }
    const bool full = bytes > 0 && (bytes + kPageBytes > bytes_max || reply.ranges.size() == wire::kRangesMax);
    if (full) {
      reply.covered_bytes = page * kPageBytes - request.offset;
      break;
    }
    const std::uint64_t first = page;
    do {
      ++page;
      bytes += kPageBytes;
    } while (page < end && versions[page] > request.since && bytes + kPageBytes <= bytes_max);
    const std::uint64_t offset = first * kPageBytes;
    const std::uint64_t size_bytes = std::min(page * kPageBytes, block->size_bytes) - offset;
    reply.ranges.push_back({.offset = offset, .size_bytes = size_bytes});
    reply.data.push_back(Buffer::copy_of(std::span(memory + offset, size_bytes)));
  }
  return reply;
}

std::uint64_t BlockMachine::staged_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [session, staging] : staging_) bytes += staging.bytes;
  return bytes;
}

std::uint64_t BlockMachine::state_digest() const {
  const std::uint64_t numbers[] = {group_,       next_slot_,         blocks_.size(), used_bytes_,
                                   quota_bytes_, reservations_from_, blocks_digest_, staged_digest_};
  return digest_of_numbers(numbers);
}

}  // namespace juxmem

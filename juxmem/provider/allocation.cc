#include "juxmem/provider/allocation.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "groups/placement/placement.h"
#include "juxmem/provider/agent_catalog.h"
#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// Memory is reserved in steps of this size while there is room, and so much slack stays with a group.
constexpr std::uint64_t kStepBytes = 64ULL << 20;
// After a free, others follow; what they leave is given back at once.
constexpr std::int64_t kShrinkAfterMs = 1000;
// Calling in other groups' slack waits no longer than this for those that do not answer.
constexpr std::int64_t kSqueezeMs = 2000;
// A group that others fill as fast as this job reserves is left alone after so many attempts.
constexpr std::uint32_t kReservationsInVain = 4;

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

std::string bytes_asked(std::uint64_t bytes) { return std::to_string(bytes) + " bytes were asked for"; }

}  // namespace

Allocation::~Allocation() {
  for (auto& [group, room] : rooms_) context_.timers.cancel(room.shrink);
}

void Allocation::allocate(const RequestCall& call, wire::MallocRequest request) {
  const auto refuse_at_once = [&](Code code, const char* why) { context_.answers.refuse(call.key, code, why); };
  if (request.size_bytes == 0) return refuse_at_once(Code::kInvalid, "a block has at least one byte");
  if (request.token == 0) return refuse_at_once(Code::kInvalid, "an allocation without its number");
  if (request.shape.sites == 0 || request.shape.nodes_per_site == 0) {
    return refuse_at_once(Code::kInvalid, "a block needs at least one site and one node");
  }
  if (request.meta.size() > wire::kMetaBytesMax) return refuse_at_once(Code::kTooBig, "the meta data");
  if (request.size_bytes > wire::kBlockBytesMax) return refuse_at_once(Code::kNoSpace, "no grid has so much memory");
  if (Status counted = count(call.key.client, whole_pages(request.size_bytes)); !counted) {
    return context_.answers.refuse(call.key, counted.error().code, counted.error().detail);
  }
  const std::uint64_t number = ++last_;
  Job& job = jobs_[number];
  job.call = call;
  job.bytes = whole_pages(request.size_bytes);
  job.request = std::move(request);
  if (call.moved) return probe(number);
  choose(number);
}

// The client may have asked another agent before, which died: its block, if there is one, is found by the client's number of
// the allocation. The size asked is one that no group has room for, so nothing is allocated by the question.
void Allocation::probe(std::uint64_t number) {
  Job& job = jobs_.at(number);
  std::vector<GroupId> groups;
  for (const wire::CatalogGroup& group : context_.host.catalog().groups()) {
    const bool fits = group.shape == job.request.shape && group.durability == job.request.durability && !group.lost;
    if (fits) groups.push_back(group.group);
  }
  if (groups.empty()) return choose(number);
  job.probes = groups.size();
  const wire::Allocate question{.size_bytes = wire::kBlockBytesMax,
                                .added_quota_bytes = 0,
                                .reservation = 0,
                                .owner = job.call.key.client,
                                .token = job.request.token,
                                .meta = {}};
  for (const GroupId group : groups) {
    context_.links.link(group).submit(question, {}, job.call.limit, [this, number](const wire::Executed& answer) {
      const auto it = jobs_.find(number);
      if (it == jobs_.end()) return;
      if (answer.reply.code == Code::kOk) return finish(number, answer.reply.block);
      if (answer.reply.code == Code::kTryAgain) it->second.probe_failed = true;
      if (--it->second.probes > 0) return;
      if (it->second.probe_failed) return refuse(number, Code::kTryAgain, "a group that may have the block gave no answer");
      choose(number);
    });
  }
}

// ---- which group --------------------------------------------------------------------------------------------------

// A group in which this agent knows of room, led by its own provider.
std::optional<GroupId> Allocation::group_with_room(const Job& job) const {
  const CatalogView& catalog = context_.host.catalog();
  for (const auto& [group, room] : rooms_) {
    if (!room.known || room.free_bytes < job.bytes || job.full.contains(group)) continue;
    const wire::CatalogGroup* row = catalog.group(group);
    if (row == nullptr || row->lost || row->shape != job.request.shape || row->durability != job.request.durability)
      continue;
    if (row->members.empty() || row->members.front() != context_.host.self()) continue;
    if (std::ranges::all_of(row->members, [&](NodeId node) { return catalog.is_up(node); })) return group;
  }
  return std::nullopt;
}

void Allocation::choose(std::uint64_t number) {
  Job& job = jobs_.at(number);
  if (context_.now() >= job.call.limit) return refuse(number, Code::kTryAgain, "no group could be found in time");
  if (job.stage != Stage::kPreferred) return any_group(number);
  if (const std::optional<GroupId> group = group_with_room(job)) return use_group(number, *group);
  const CatalogView& catalog = context_.host.catalog();
  const Placement placement{.shape = job.request.shape,
                            .durability = job.request.durability,
                            .prefer = context_.host.self(),
                            .room_bytes = job.bytes};
  const std::optional<GroupId> group = pick_group(catalog.providers(), catalog.groups(), placement);
  if (group && !job.full.contains(*group)) return use_group(number, *group);
  const GroupKind kind{job.request.shape, job.request.durability};
  std::vector<std::uint64_t>& waiting = creating_[kind];
  waiting.push_back(number);
  if (waiting.size() == 1) create_group(kind, std::max(kStepBytes, job.bytes));
}

void Allocation::create_group(const GroupKind& kind, std::uint64_t bytes) {
  TimeNs limit = 0;
  for (const std::uint64_t number : creating_.at(kind)) limit = std::max(limit, jobs_.at(number).call.limit);
  const wire::CreateGroup command{
      .shape = kind.first, .durability = kind.second, .prefer = context_.host.self(), .reserve_bytes = bytes};
  context_.links.link(kRootGroup).submit(command, {}, limit, [this, kind, bytes](const wire::Executed& answer) {
    group_created(kind, bytes, answer.reply);
  });
}

void Allocation::group_created(const GroupKind& kind, std::uint64_t reserved, const wire::Reply& reply) {
  const std::uint64_t least = jobs_.at(creating_.at(kind).front()).bytes;
  if (reply.code == Code::kNoSpace && reserved > least) return create_group(kind, least);
  const std::vector<std::uint64_t> waiting = std::move(creating_.at(kind));
  creating_.erase(kind);
  if (reply.code == Code::kOk) {
    Room& room = rooms_[reply.number];
    room.known = true;
    add_reservation(room, reserved, reply.version);
    for (const std::uint64_t number : waiting) use_group(number, reply.number);
    return;
  }
  for (const std::uint64_t number : waiting) {
    if (reply.code == Code::kNoSpace)
      any_group(number);
    else
      refuse(number, reply.code, reply.detail);
  }
}

// No provider has room for another group: an existing one may have slack, whoever leads it. Then all slack is called in.
void Allocation::any_group(std::uint64_t number) {
  Job& job = jobs_.at(number);
  if (job.stage == Stage::kPreferred) job.stage = Stage::kAnyGroup;
  for (const wire::CatalogGroup& row : context_.host.catalog().groups()) {
    const bool fits = row.shape == job.request.shape && row.durability == job.request.durability && !row.lost;
    if (fits && !job.full.contains(row.group)) return use_group(number, row.group);
  }
  if (job.stage == Stage::kAnyGroup) return squeeze(number);
  refuse(number, Code::kNoSpace, bytes_asked(job.request.size_bytes));
}

void Allocation::next_group(std::uint64_t number, GroupId full) {
  Job& job = jobs_.at(number);
  job.full.insert(full);
  job.reservations = 0;
  choose(number);
}

// ---- memory of a group --------------------------------------------------------------------------------------------

void Allocation::use_group(std::uint64_t number, GroupId group) {
  Job& job = jobs_.at(number);
  Room& room = rooms_[group];
  // A group this agent knows nothing about is asked first: it may have room.
  if (room.known && room.free_bytes < job.bytes) {
    if (++job.reservations > kReservationsInVain) return next_group(number, group);
    room.waiting.push_back(number);
    return reserve(group);
  }
  const std::uint64_t added = std::exchange(room.unspent_bytes, 0);
  room.free_bytes -= std::min(room.free_bytes, job.bytes);
  const wire::Allocate command{.size_bytes = job.request.size_bytes,
                               .added_quota_bytes = added,
                               .reservation = room.reservation,
                               .owner = job.call.key.client,
                               .token = job.request.token,
                               .meta = job.request.meta};
  context_.links.link(group).submit(command, {}, job.call.limit, [this, number, group](const wire::Executed& answer) {
    allocated(number, group, answer.reply);
  });
}

void Allocation::add_reservation(Room& room, std::uint64_t bytes, std::uint64_t reservation) {
  room.reservation = room.unspent_bytes == 0 ? reservation : std::min(room.reservation, reservation);
  room.unspent_bytes += bytes;
  room.free_bytes += bytes;
}

void Allocation::allocated(std::uint64_t number, GroupId group, const wire::Reply& reply) {
  Room& room = rooms_[group];
  if (reply.code == Code::kOk || reply.code == Code::kQuota) {
    room.known = true;
    room.free_bytes = reply.amount + room.unspent_bytes;
  }
  if (!jobs_.contains(number)) return;
  if (reply.code == Code::kOk) return finish(number, reply.block);
  if (reply.code != Code::kQuota) return refuse(number, reply.code, reply.detail);
  use_group(number, group);
}

// One reservation at a time for a group; it covers all that wait.
void Allocation::reserve(GroupId group) {
  Room& room = rooms_[group];
  if (room.reserving || room.waiting.empty()) return;
  room.reserving = true;
  std::uint64_t needed = 0;
  for (const std::uint64_t number : room.waiting) needed += jobs_.at(number).bytes;
  request_reservation(group, std::max(kStepBytes, needed - std::min(needed - 1, room.free_bytes)));
}

void Allocation::request_reservation(GroupId group, std::uint64_t bytes) {
  TimeNs limit = 0;
  for (const std::uint64_t number : rooms_[group].waiting) limit = std::max(limit, jobs_.at(number).call.limit);
  context_.links.link(kRootGroup)
      .submit(wire::Reserve{.group = group, .bytes = bytes}, {}, limit,
              [this, group, bytes](const wire::Executed& answer) { reserved(group, bytes, answer.reply); });
}

void Allocation::reserved(GroupId group, std::uint64_t bytes, const wire::Reply& reply) {
  Room& room = rooms_[group];
  const std::uint64_t first_needs = jobs_.at(room.waiting.front()).bytes;
  const std::uint64_t least = first_needs - std::min(first_needs, room.free_bytes);
  if (reply.code == Code::kNoSpace && least > 0 && bytes > least) return request_reservation(group, least);
  room.reserving = false;
  std::deque<std::uint64_t> waiting;
  waiting.swap(room.waiting);
  if (reply.code == Code::kOk) {
    add_reservation(room, bytes, reply.version);
    for (const std::uint64_t number : waiting) use_group(number, group);
    return;
  }
  for (const std::uint64_t number : waiting) {
    if (reply.code != Code::kNoSpace)
      refuse(number, reply.code, reply.detail);
    else if (room.free_bytes >= jobs_.at(number).bytes)
      use_group(number, group);
    else
      next_group(number, group);
  }
}

// ---- what a client has ------------------------------------------------------------------------------------------------

Status Allocation::count(std::uint64_t client, std::uint64_t bytes) {
  const auto known = usage_.find(client);
  const std::uint64_t blocks = known == usage_.end() ? 0 : known->second.blocks;
  const std::uint64_t used = known == usage_.end() ? 0 : known->second.bytes;
  if (blocks >= limits_.client_blocks_max) {
    return fail(Code::kLimit, "this client has " + std::to_string(blocks) + " blocks, as many as one may; free some");
  }
  if (bytes > limits_.client_memory_max - std::min(used, limits_.client_memory_max)) {
    return fail(Code::kLimit, "this client's blocks have " + std::to_string(used) + " bytes; " + std::to_string(bytes) +
                                  " more are beyond its limit of " + std::to_string(limits_.client_memory_max));
  }
  Usage& usage = usage_[client];
  ++usage.blocks;
  usage.bytes += bytes;
  return {};
}

void Allocation::uncount(std::uint64_t client, std::uint64_t bytes) {
  const auto known = usage_.find(client);
  if (known == usage_.end() || known->second.blocks == 0) return;
  --known->second.blocks;
  known->second.bytes -= std::min(known->second.bytes, bytes);
  if (known->second.blocks == 0 && known->second.made.empty()) usage_.erase(known);
}

void Allocation::client_gone(std::uint64_t client) {
  const auto known = usage_.find(client);
  if (known == usage_.end()) return;
  for (const auto& [block, bytes] : known->second.made) made_by_.erase(block);
  usage_.erase(known);
}

// ---- memory given back ----------------------------------------------------------------------------------------------

void Allocation::freed(BlockId block) {
  if (const auto made = made_by_.find(block); made != made_by_.end()) {
    const std::uint64_t client = made->second;
    made_by_.erase(made);
    const auto bytes = usage_.at(client).made.extract(block);
    uncount(client, bytes.mapped());
  }
  const GroupId group = group_of(block);
  Room& room = rooms_[group];
  if (room.shrink.number != 0) return;
  room.shrink = context_.timers.at(after_ms(context_.now(), kShrinkAfterMs), [this, group] {
    rooms_[group].shrink = {};
    give_back(group, kStepBytes, kNever, [] {});
  });
}

// The group lets go first, then the root: in between the memory is nobody's, never twice somebody's.
void Allocation::give_back(GroupId group, std::uint64_t keep_bytes, TimeNs limit, std::function<void()> done) {
  context_.links.link(group).submit(wire::ShrinkQuota{.keep_bytes = keep_bytes}, {}, limit,
                                    [this, group, done = std::move(done)](const wire::Executed& answer) {
                                      const std::uint64_t given = answer.reply.code == Code::kOk ? answer.reply.amount : 0;
                                      Room& room = rooms_[group];
                                      room.free_bytes -= std::min(room.free_bytes, given);
                                      if (given == 0) return done();
                                      context_.links.link(kRootGroup)
                                          .submit(
                                              wire::Unreserve{.group = group, .bytes = given, .at = answer.reply.version},
                                              {}, kNever, [done](const wire::Executed&) { done(); });
                                    });
}

// Before the grid is called full, every group gives back what it does not use.
void Allocation::squeeze(std::uint64_t number) {
  Job& job = jobs_.at(number);
  job.stage = Stage::kSqueezed;
  job.full.clear();
  const TimeNs limit = std::min(job.call.limit, after_ms(context_.now(), kSqueezeMs));
  const auto groups = context_.host.catalog().groups();
  auto open = std::make_shared<std::size_t>(groups.size() + 1);
  const auto one_done = [this, number, open] {
    if (--*open > 0 || !jobs_.contains(number)) return;
    Job& squeezed = jobs_.at(number);
    const GroupKind kind{squeezed.request.shape, squeezed.request.durability};
    std::vector<std::uint64_t>& waiting = creating_[kind];
    waiting.push_back(number);
    if (waiting.size() == 1) create_group(kind, squeezed.bytes);
  };
  for (const wire::CatalogGroup& group : groups) give_back(group.group, 0, limit, one_done);
  one_done();
}

// ---- ends -----------------------------------------------------------------------------------------------------------

void Allocation::refuse(std::uint64_t number, Code code, std::string detail) {
  const RequestKey key = jobs_.at(number).call.key;
  uncount(key.client, jobs_.at(number).bytes);
  jobs_.erase(number);
  context_.answers.refuse(key, code == Code::kQuota ? Code::kNoSpace : code, std::move(detail));
}

void Allocation::finish(std::uint64_t number, BlockId block) {
  wire::ClientAnswer answer;
  answer.block = block;
  answer.size_bytes = jobs_.at(number).request.size_bytes;
  const RequestKey key = jobs_.at(number).call.key;
  const std::uint64_t bytes = jobs_.at(number).bytes;
  // The block of a repeated allocation is counted already.
  if (const auto usage = usage_.find(key.client); usage != usage_.end()) {
    const bool is_new = made_by_.emplace(block, key.client).second;
    if (is_new)
      usage->second.made.emplace(block, bytes);
    else
      uncount(key.client, bytes);
  }
  jobs_.erase(number);
  context_.answers.answer(key, std::move(answer));
}

}  // namespace juxmem

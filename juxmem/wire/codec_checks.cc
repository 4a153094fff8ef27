#include "juxmem/wire/codec_checks.h"

#include "juxmem/wire/limits.h"

namespace juxmem::wire::codec {
namespace {

// A command's largest part is its list of ranges; what else is in it fits in the rest.
constexpr std::size_t kCommandBytesMax = kRangesMax * sizeof(Range) + kMetaBytesMax + 4 * kTextBytesMax;

const char* check_name(const std::string& name) {
  return name.size() > kNameBytesMax ? "a name longer than the limit" : nullptr;
}

const char* check_meta(const Buffer& meta) {
  return meta.size() > kMetaBytesMax ? "block metadata longer than the limit" : nullptr;
}

const char* check_entry(const Buffer& command, const Buffer& data) {
  if (command.size() > kCommandBytesMax) return "a command longer than the limit";
  if (data.size() > kEntryBytesMax) return "an entry's data longer than the limit";
  return nullptr;
}

const char* check_data(const std::vector<Range>& ranges, const std::vector<Buffer>& data) {
  if (ranges.size() != data.size()) return "not as many ranges as pieces of data";
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].size_bytes != data[i].size()) return "a range and its data differ in size";
  }
  return nullptr;
}

}  // namespace

const char* check(const StreamId& stream) {
  return stream.group > kGroupIdMax ? "a group's number beyond the limit" : nullptr;
}

const char* check(const OpId& op) { return op.slot >= kSlotsPerSessionMax ? "a session's slot beyond the limit" : nullptr; }

const char* check(const Range& range) {
  if (range.offset > kBlockBytesMax || range.size_bytes > kBlockBytesMax - range.offset) {
    return "a range beyond the largest block";
  }
  return nullptr;
}

const char* check(const Entry& entry) { return check_entry(entry.command, entry.data); }

const char* check(const Allocate& allocate) { return check_meta(allocate.meta); }
const char* check(const PublishName& publish) { return check_name(publish.name); }
const char* check(const UnpublishName& unpublish) { return check_name(unpublish.name); }

const char* check(const DrainRequest& drain) { return check_name(drain.provider); }
const char* check(const MoveRequest& move) {
  if (const char* problem = check_name(move.from)) return problem;
  return check_name(move.to);
}
const char* check(const ManagerList& list) {
  if (const char* problem = check_name(list.provider)) return problem;
  return list.nodes.size() != list.addresses.size() ? "not as many managers as addresses" : nullptr;
}
const char* check(const Propose& propose) { return check_entry(propose.command, propose.data); }
const char* check(const PagesReply& reply) { return check_data(reply.ranges, reply.data); }
const char* check(const BlockFacts& facts) { return check_meta(facts.meta); }
const char* check(const WatchBlock& watch) {
  return watch.for_ms > kTimeoutMsMax ? "a time limit beyond the limit" : nullptr;
}
const char* check(const ReadNames& read) {
  if (const char* problem = check_name(read.name)) return problem;
  return check_name(read.after);
}
const char* check(const NameRow& row) { return check_name(row.name); }
const char* check(const NamesReply& reply) {
  return reply.rows.size() > kNamesPerReplyMax ? "more names than one answer may have" : nullptr;
}

const char* check(const SnapshotReply& reply) {
  if (reply.percent > 100) return "more than all of a state";
  return reply.data.size() > kSnapshotPieceBytesMax ? "a snapshot's piece longer than the limit" : nullptr;
}
const char* check(const SlotRow& row) {
  return row.slot >= kSlotsPerSessionMax || row.counter == 0 ? "a session's slot that cannot be" : nullptr;
}
const char* check(const SessionRow& row) {
  return row.slots.size() > kSlotsPerSessionMax ? "more slots than a session has" : nullptr;
}
const char* check(const BlockRow& row) {
  if (row.size_bytes == 0 || row.size_bytes > kBlockBytesMax) return "a block's size beyond the limits";
  return check_meta(row.meta);
}
const char* check(const PagesRow& row) {
  return row.data.size() != row.versions.size() * kPageBytes ? "not as much data as pages" : nullptr;
}
const char* check(const LedgerRow& row) {
  return row.open_numbers.size() != row.open_bytes.size() ? "not as many reservations as numbers" : nullptr;
}
const char* check(const CatalogGroup& group) {
  return group.vacant.size() != group.vacant_until.size() ? "not as many vacant seats as epochs" : nullptr;
}
const char* check(const StagedRow& row) {
  if (row.slot >= kSlotsPerSessionMax) return "a session's slot beyond the limit";
  return row.data.size() > kEntryBytesMax ? "an entry's data longer than the limit" : nullptr;
}

const char* check(const MallocRequest& request) { return check_meta(request.meta); }
const char* check(const ReleaseRequest& request) { return check_data(request.ranges, request.data); }
const char* check(const NameRequest& request) { return check_name(request.name); }
const char* check(const LookupRequest& request) {
  if (const char* problem = check_name(request.name)) return problem;
  return check_name(request.after);
}
const char* check(const ClientRequest& request) {
  return request.limit_ms > kTimeoutMsMax ? "a time limit beyond the limit" : nullptr;
}
const char* check(const ClientAnswer& answer) {
  if (const char* problem = check_meta(answer.meta)) return problem;
  if (answer.names.size() != answer.blocks.size()) return "not as many names as blocks";
  for (const std::string& name : answer.names) {
    if (const char* problem = check_name(name)) return problem;
  }
  return check_data(answer.ranges, answer.data);
}

}  // namespace juxmem::wire::codec

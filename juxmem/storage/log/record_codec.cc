#include "juxmem/storage/log/record_codec.h"

#include <fmt/format.h>

#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"
#include "juxmem/storage/log/byte_codec.h"
#include "juxmem/storage/log/format.h"

namespace juxmem::wal {
namespace {

constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kSizeOffset = 8;
constexpr std::size_t kAcceptedFixedBytes = 8 + 8 + 4 + 4 + 4;

enum class Kind : std::uint8_t { kOpened = 1, kPromise, kAccepted, kDecided, kCheckpoint, kReleased, kRemoved };

// A value of every alternative, in the order of the kinds' numbers.
Kind kind_of(const LogBody& body) { return static_cast<Kind>(body.index() + 1); }

struct BodySize {
  std::size_t operator()(const OpenedRecord& r) const { return r.configuration.size(); }
  std::size_t operator()(const PromiseRecord&) const { return 12; }
  std::size_t operator()(const AcceptedRecord& r) const { return kAcceptedFixedBytes + r.entry.size_bytes(); }
  std::size_t operator()(const DecidedRecord&) const { return 16; }
  std::size_t operator()(const CheckpointRecord&) const { return 24; }
  std::size_t operator()(const ReleasedRecord&) const { return 8; }
  std::size_t operator()(const RemovedRecord&) const { return 0; }
};

struct WriteBody {
  ByteWriter& out;
  void ballot(const Ballot& b) const {
    out.number(b.round);
    out.number(b.node);
  }
  void operator()(const OpenedRecord& r) const { out.raw(r.configuration.bytes()); }
  void operator()(const PromiseRecord& r) const { ballot(r.ballot); }
  void operator()(const AcceptedRecord& r) const {
    out.number(r.instance);
    ballot(r.entry.ballot);
    out.number(static_cast<std::uint32_t>(r.entry.kind));
    out.number(static_cast<std::uint32_t>(r.entry.command.size()));
    out.raw(r.entry.command.bytes());
    out.raw(r.entry.data.bytes());
  }
  void operator()(const DecidedRecord& r) const {
    out.number(r.decided);
    out.number(r.keep_from);
  }
  void operator()(const CheckpointRecord& r) const {
    out.number(r.instance);
    out.number(r.size_bytes);
    out.number(r.digest);
  }
  void operator()(const ReleasedRecord& r) const { out.number(r.before); }
  void operator()(const RemovedRecord&) const {}
};

Ballot read_ballot(ByteReader& in) {
  Ballot ballot;
  ballot.round = in.number<std::uint64_t>();
  ballot.node = in.number<std::uint32_t>();
  return ballot;
}

Result<LogBody> read_accepted(const Buffer& bytes) {
  ByteReader in(bytes.bytes());
  AcceptedRecord record;
  record.instance = in.number<std::uint64_t>();
  record.entry.ballot = read_ballot(in);
  const auto kind = in.number<std::uint32_t>();
  const auto command_bytes = in.number<std::uint32_t>();
  if (!in.ok() || command_bytes > bytes.size() - in.at()) return fail(Code::kIo, "an accepted entry is cut off");
  if (kind > static_cast<std::uint32_t>(wire::EntryKind::kStop))
    return fail(Code::kIo, fmt::format("unknown kind of entry {}", kind));
  record.entry.kind = static_cast<wire::EntryKind>(kind);
  record.entry.command = bytes.slice(in.at(), command_bytes);
  record.entry.data = bytes.slice(in.at() + command_bytes, bytes.size() - in.at() - command_bytes);
  return record;
}

// The body, if its fields were the whole of it.
template <typename Body>
Result<LogBody> whole(const ByteReader& in, const Body& body) {
  if (!in.ended_well()) return fail(Code::kIo, "a record has the wrong size for its kind");
  return LogBody(body);
}

Result<LogBody> read_body(Kind kind, const Buffer& bytes) {
  ByteReader in(bytes.bytes());
  switch (kind) {
    case Kind::kOpened:
      return OpenedRecord{bytes};
    case Kind::kAccepted:
      return read_accepted(bytes);
    case Kind::kPromise: {
      const PromiseRecord record{read_ballot(in)};
      return whole(in, record);
    }
    case Kind::kDecided: {
      DecidedRecord record{in.number<std::uint64_t>()};
      record.keep_from = in.number<std::uint64_t>();
      return whole(in, record);
    }
    case Kind::kCheckpoint: {
      CheckpointRecord record{in.number<std::uint64_t>()};
      record.size_bytes = in.number<std::uint64_t>();
      record.digest = in.number<std::uint64_t>();
      return whole(in, record);
    }
    case Kind::kReleased: {
      const ReleasedRecord record{in.number<std::uint64_t>()};
      return whole(in, record);
    }
    case Kind::kRemoved:
      return whole(in, RemovedRecord{});
  }
  return fail(Code::kIo, fmt::format("unknown kind of record {}", static_cast<unsigned>(kind)));
}

}  // namespace

std::size_t record_bytes(const LogRecord& record) { return kRecordHeadBytes + std::visit(BodySize{}, record.body); }

std::vector<std::byte> encode_record(const PlacedRecord& placed) {
  std::vector<std::byte> bytes;
  bytes.reserve(record_bytes(placed.record));
  ByteWriter out(bytes);
  out.number(std::uint64_t{0});
  out.number(static_cast<std::uint32_t>(record_bytes(placed.record)));
  out.number(static_cast<std::uint32_t>(kind_of(placed.record.body)));
  out.number(placed.lsn);
  out.number(placed.previous);
  out.number(placed.record.stream.group);
  out.number(placed.record.stream.epoch);
  std::visit(WriteBody{out}, placed.record.body);
  put_number(std::span(bytes), 0, digest_of(std::span(bytes).subspan(kChecksumBytes)));
  return bytes;
}

std::size_t stated_record_bytes(std::span<const std::byte> bytes) {
  return bytes.size() < kRecordHeadBytes ? 0 : number_at<std::uint32_t>(bytes, kSizeOffset);
}

Result<DecodedRecord> decode_record(const Buffer& bytes, std::size_t offset) {
  const Buffer rest = bytes.slice(offset, bytes.size() - offset);
  const std::size_t size = stated_record_bytes(rest.bytes());
  if (size < kRecordHeadBytes || size > rest.size()) return fail(Code::kIo, "a record is cut off");
  ByteReader in(rest.bytes().first(size));
  const auto checksum = in.number<std::uint64_t>();
  const std::uint64_t found = digest_of(rest.bytes().subspan(kChecksumBytes, size - kChecksumBytes));
  if (checksum != found && !mutant("ignore_tail_checksum")) {
    return fail(Code::kIo, "a record's checksum is wrong");
  }
  in.number<std::uint32_t>();
  const auto kind = in.number<std::uint32_t>();
  DecodedRecord decoded;
  decoded.size_bytes = size;
  decoded.placed.lsn = in.number<std::uint64_t>();
  decoded.placed.previous = in.number<std::uint64_t>();
  decoded.placed.record.stream.group = in.number<std::uint32_t>();
  decoded.placed.record.stream.epoch = in.number<std::uint32_t>();
  if (kind > UINT8_MAX) return fail(Code::kIo, fmt::format("unknown kind of record {}", kind));
  auto body = read_body(static_cast<Kind>(kind), rest.slice(in.at(), size - in.at()));
  if (!body) return std::unexpected(body.error());
  decoded.placed.record.body = std::move(*body);
  return decoded;
}

}  // namespace juxmem::wal

namespace juxmem {

std::string to_string(const LogIdentity& identity) {
  return fmt::format("grid {:016x}, node {}, incarnation {}", identity.grid, identity.node, identity.incarnation);
}

std::string to_string(const LogRecord& record) {
  struct Describe {
    std::string operator()(const OpenedRecord& r) const { return fmt::format("opened, {} bytes", r.configuration.size()); }
    std::string operator()(const PromiseRecord& r) const { return fmt::format("promise {}", to_string(r.ballot)); }
    std::string operator()(const AcceptedRecord& r) const {
      return fmt::format("accepted instance {} under {}, {} bytes", r.instance, to_string(r.entry.ballot),
                         r.entry.size_bytes());
    }
    std::string operator()(const DecidedRecord& r) const {
      return fmt::format("decided up to {}, kept from {}", r.decided, r.keep_from);
    }
    std::string operator()(const CheckpointRecord& r) const {
      return fmt::format("checkpoint of instance {}, {} bytes", r.instance, r.size_bytes);
    }
    std::string operator()(const ReleasedRecord& r) const { return fmt::format("released before {}", r.before); }
    std::string operator()(const RemovedRecord&) const { return "removed"; }
  };
  return to_string(record.stream) + " " + std::visit(Describe{}, record.body);
}

}  // namespace juxmem

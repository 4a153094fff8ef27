#include "juxmem/storage/log/checkpoint_codec.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "juxmem/base/digest.h"
#include "juxmem/storage/log/byte_codec.h"

namespace juxmem::wal {
namespace {

constexpr std::uint32_t kMagic = 0x5043584A;  // "JXCP"
constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kEndBytes = 16;

template <typename T>
bool take_hex(std::string_view& text, std::size_t digits, T& number) {
  if (text.size() < digits) return false;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + digits, number, 16);
  const bool whole = error == std::errc() && stop == text.data() + digits;
  text.remove_prefix(digits);
  return whole;
}

bool take_dash(std::string_view& text) {
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string checkpoint_name(const CheckpointId& id) {
  return fmt::format("{}{:08x}-{:08x}-{:016x}", kPrefix, id.stream.group, id.stream.epoch, id.instance);
}

std::optional<CheckpointId> checkpoint_of(std::string_view name) {
  std::string_view rest = name;
  if (!rest.starts_with(kPrefix)) return std::nullopt;
  rest.remove_prefix(kPrefix.size());
  CheckpointId id;
  const bool whole = take_hex(rest, 8, id.stream.group) && take_dash(rest) && take_hex(rest, 8, id.stream.epoch) &&
                     take_dash(rest) && take_hex(rest, 16, id.instance);
  if (!whole || checkpoint_name(id) != name) return std::nullopt;
  return id;
}

bool is_unfinished_checkpoint(std::string_view name) {
  if (!name.ends_with(kUnfinishedSuffix)) return false;
  name.remove_suffix(kUnfinishedSuffix.size());
  return checkpoint_of(name).has_value();
}

Buffer encode_checkpoint_header(const CheckpointHeader& header) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.number(std::uint64_t{0});
  out.number(kMagic);
  out.number(kCheckpointVersion);
  out.number(header.identity.grid);
  out.number(header.identity.incarnation);
  out.number(header.identity.node);
  out.number(header.id.stream.group);
  out.number(header.id.stream.epoch);
  out.number(std::uint32_t{0});
  out.number(header.id.instance);
  bytes.resize(kCheckpointHeaderBytes);
  put_number(std::span(bytes), 0, digest_of(std::span(bytes).subspan(kChecksumBytes)));
  return Buffer::take(std::move(bytes));
}

Result<CheckpointHeader> decode_checkpoint_header(std::span<const std::byte> bytes) {
  if (bytes.size() != kCheckpointHeaderBytes) return fail(Code::kIo, "the header is cut off");
  ByteReader in(bytes);
  if (in.number<std::uint64_t>() != digest_of(bytes.subspan(kChecksumBytes)) || in.number<std::uint32_t>() != kMagic) {
    return fail(Code::kIo, "the header is damaged");
  }
  const auto version = in.number<std::uint32_t>();
  if (version != kCheckpointVersion) {
    return fail(Code::kNotSupported,
                fmt::format("written in version {} of the checkpoints' format; this program reads version {}", version,
                            kCheckpointVersion));
  }
  CheckpointHeader header;
  header.identity.grid = in.number<std::uint64_t>();
  header.identity.incarnation = in.number<std::uint64_t>();
  header.identity.node = in.number<std::uint32_t>();
  header.id.stream.group = in.number<std::uint32_t>();
  header.id.stream.epoch = in.number<std::uint32_t>();
  in.number<std::uint32_t>();
  header.id.instance = in.number<std::uint64_t>();
  return header;
}

Buffer encode_piece(std::uint32_t index, std::span<const std::byte> bytes) {
  std::vector<std::byte> piece;
  piece.reserve(kPieceHeadBytes + bytes.size());
  ByteWriter out(piece);
  out.number(std::uint64_t{0});
  out.number(index);
  out.number(static_cast<std::uint32_t>(bytes.size()));
  out.raw(bytes);
  put_number(std::span(piece), 0, digest_of(std::span(piece).subspan(kChecksumBytes)));
  return Buffer::take(std::move(piece));
}

PieceHead decode_piece_head(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  PieceHead head;
  head.checksum = in.number<std::uint64_t>();
  head.index = in.number<std::uint32_t>();
  head.size_bytes = in.number<std::uint32_t>();
  return head;
}

bool is_sound(const PieceHead& head, std::span<const std::byte> bytes) {
  const Buffer again = encode_piece(head.index, bytes);
  return head.size_bytes == bytes.size() &&
         head.checksum == decode_piece_head(again.bytes().first(kPieceHeadBytes)).checksum;
}

Buffer encode_checkpoint_end(const CheckpointEnd& end) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.number(end.pieces);
  out.number(end.digest);
  return encode_piece(kEndIndex, bytes);
}

CheckpointEnd decode_checkpoint_end(std::span<const std::byte> bytes) {
  ByteReader in(bytes.first(std::min(bytes.size(), kEndBytes)));
  CheckpointEnd end;
  end.pieces = in.number<std::uint64_t>();
  end.digest = in.number<std::uint64_t>();
  return end;
}

}  // namespace juxmem::wal

#include "juxmem/storage/log/headers.h"

#include <fmt/format.h>

#include <vector>

#include "juxmem/base/digest.h"
#include "juxmem/storage/log/byte_codec.h"
#include "juxmem/storage/log/format.h"

namespace juxmem::wal {
namespace {

constexpr std::uint32_t kMagic = 0x474C584A;  // "JXLG"
constexpr std::size_t kVersionOffset = 12;

}  // namespace

Buffer encode_header(const SegmentHeader& header) {
  std::vector<std::byte> sector;
  ByteWriter out(sector);
  out.number(std::uint64_t{0});
  out.number(kMagic);
  out.number(kLogVersion);
  out.number(header.identity.grid);
  out.number(header.identity.incarnation);
  out.number(header.identity.node);
  out.number(tag_of(header.identity));
  out.number(header.number);
  out.number(header.segment_bytes);
  sector.resize(kSectorBytes);
  put_number(std::span(sector), 0, digest_of(std::span(sector).subspan(8)));
  std::vector<std::byte> block;
  for (std::size_t i = 0; i < kSectorsPerBlock; ++i) block.insert(block.end(), sector.begin(), sector.end());
  return Buffer::take(std::move(block));
}

Result<SegmentHeader> decode_header(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at + kSectorBytes <= bytes.size() && at < kBlockBytes; at += kSectorBytes) {
    const std::span<const std::byte> sector = bytes.subspan(at, kSectorBytes);
    ByteReader in(sector);
    if (in.number<std::uint64_t>() != digest_of(sector.subspan(8)) || in.number<std::uint32_t>() != kMagic) continue;
    const auto version = number_at<std::uint32_t>(sector, kVersionOffset);
    if (version != kLogVersion) {
      return fail(
          Code::kNotSupported,
          fmt::format("written in version {} of the log's format; this program reads version {}", version, kLogVersion));
    }
    in.number<std::uint32_t>();
    SegmentHeader header;
    header.identity.grid = in.number<std::uint64_t>();
    header.identity.incarnation = in.number<std::uint64_t>();
    header.identity.node = in.number<std::uint32_t>();
    const auto tag = in.number<std::uint32_t>();
    header.number = in.number<std::uint64_t>();
    header.segment_bytes = in.number<std::uint64_t>();
    if (tag == tag_of(header.identity)) return header;
  }
  return fail(Code::kIo, "no copy of the header is good");
}

}  // namespace juxmem::wal

#include "juxmem/storage/log/batch_reader.h"

#include <cstring>
#include <utility>

#include "juxmem/storage/log/record_codec.h"

namespace juxmem::wal {
namespace {

Buffer payload_of(const FoundBatch& batch) {
  std::vector<std::byte> payload(batch.good.size() * kSectorPayloadBytes);
  for (std::size_t i = 0; i < batch.good.size(); ++i) {
    if (!batch.good[i]) continue;
    std::memcpy(payload.data() + i * kSectorPayloadBytes, batch.image.data() + i * kSectorBytes + kSectorHeadBytes,
                kSectorPayloadBytes);
  }
  return Buffer::take(std::move(payload));
}

// Whether all sectors with payload bytes [offset, offset + size) are good.
bool readable(const FoundBatch& batch, std::size_t offset, std::size_t size) {
  for (std::size_t i = offset / kSectorPayloadBytes; i * kSectorPayloadBytes < offset + size; ++i) {
    if (i >= batch.good.size() || !batch.good[i]) return false;
  }
  return true;
}

// Where the first record begins that begins in a good sector after the one with `offset`; the payload's end if there is
// none.
std::size_t next_beginning(const FoundBatch& batch, std::size_t offset) {
  for (std::size_t i = offset / kSectorPayloadBytes + 1; i < batch.good.size(); ++i) {
    if (!batch.good[i]) continue;
    SectorHead head;
    read_sector(batch.image.bytes().subspan(i * kSectorBytes, kSectorBytes), head);
    if (head.first_record != kNoRecord) return i * kSectorPayloadBytes + head.first_record;
  }
  return batch.good.size() * kSectorPayloadBytes;
}

}  // namespace

BatchContents read_batch(const FoundBatch& batch) {
  BatchContents contents;
  const Buffer payload = payload_of(batch);
  std::size_t end = payload.size();
  if (batch.good[0]) {
    if (const auto head = decode_batch_head(payload.bytes())) {
      contents.head = *head;
      end = head->payload_bytes;
    }
  }
  std::size_t offset = kBatchHeadBytes;
  if (!batch.good[0]) offset = next_beginning(batch, 0);
  while (offset < end) {
    const std::size_t head_bytes = std::min(kRecordHeadBytes, end - offset);
    const std::size_t size =
        readable(batch, offset, head_bytes) ? stated_record_bytes(payload.bytes().subspan(offset, end - offset)) : 0;
    // The padding behind the last record is zeros; without the batch's head its beginning is not known.
    if (size == 0 && !contents.head && readable(batch, offset, head_bytes)) break;
    if (size == 0 || size > end - offset || !readable(batch, offset, size)) {
      if (readable(batch, offset, std::max<std::size_t>(size, 1)) || size > end - offset) ++contents.bad_records;
      offset = next_beginning(batch, offset);
      continue;
    }
    auto decoded = decode_record(payload, offset);
    if (!decoded) {
      ++contents.bad_records;
      offset = next_beginning(batch, offset);
      continue;
    }
    contents.records.push_back(std::move(decoded->placed));
    offset += decoded->size_bytes;
  }
  return contents;
}

}  // namespace juxmem::wal

// Checkpoints as they may stand on a disk: refused with a name, or pieces and an end that fit.
#include <cstring>
#include <memory>
#include <vector>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/storage/log/checkpoint_store.h"
#include "tests/fuzz/fuzz_disk.h"

namespace {

using namespace juxmem;

// Reads until the end or an error; every piece must be one that a writer could have written.
class Reading {
 public:
  explicit Reading(std::span<const std::byte> bytes) {
    const std::string name = wal::checkpoint_name({{1, 2}, 3});
    disk_.put(name, bytes);
    reader_ = std::make_unique<CheckpointReader>(*disk_, name);
    reader_->open([this](const Result<wal::CheckpointHeader>& header) {
      if (header) next();
    });
    disk_.drain();
  }

 private:
  void next() {
    reader_->next([this](const Result<std::optional<Buffer>>& piece) {
      if (!piece || !*piece) return;
      JUXMEM_CHECK((*piece)->size() <= wal::kCheckpointPieceBytesMax);
      next();
    });
  }

  fuzz::FuzzDisk disk_;
  std::unique_ptr<CheckpointReader> reader_;
};

}  // namespace

// The checksums of header and pieces are put right, so that damage behind them is reached; one input in eight stays as it
// is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  if (size > wal::kCheckpointHeaderBytes && data[size - 1] % 8 != 7) {
    const auto put_right = [&](std::size_t at, std::size_t length) {
      const std::uint64_t checksum = digest_of(std::span(bytes).subspan(at + 8, length - 8));
      std::memcpy(bytes.data() + at, &checksum, sizeof checksum);
    };
    put_right(0, wal::kCheckpointHeaderBytes);
    std::size_t at = wal::kCheckpointHeaderBytes;
    while (at + wal::kPieceHeadBytes <= size) {
      const std::size_t length = wal::kPieceHeadBytes + wal::decode_piece_head(std::span(bytes).subspan(at)).size_bytes;
      if (length > size - at) break;
      put_right(at, length);
      at += length;
    }
  }
  Reading reading(bytes);
  return 0;
}

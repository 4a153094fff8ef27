// The file of contacts as it may stand on a disk: nothing, or addresses that come back when they are kept again.
#include <cstring>
#include <string>
#include <vector>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/provider/contact_file.h"
#include "tests/fuzz/fuzz_disk.h"

namespace {

using namespace juxmem;

std::vector<std::string> read(fuzz::FuzzDisk& disk, ContactFile& file) {
  std::vector<std::string> found;
  file.read([&found](std::vector<std::string> addresses) { found = std::move(addresses); });
  disk.drain();
  return found;
}

}  // namespace

// The checksum is put right, so that damage behind it is reached; one input in eight stays as it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  if (size > sizeof(std::uint64_t) && data[0] % 8 != 7) {
    const std::uint64_t checksum = digest_of(input.subspan(sizeof checksum));
    std::memcpy(bytes.data(), &checksum, sizeof checksum);
  }
  fuzz::FuzzDisk disk;
  disk.put("contacts", bytes);
  ContactFile file(*disk);
  const std::vector<std::string> addresses = read(disk, file);
  JUXMEM_CHECK(addresses.size() <= ContactFile::kContactsMax);
  if (addresses.empty()) return 0;
  file.remember(addresses);
  disk.drain();
  JUXMEM_CHECK(read(disk, file) == addresses);
  return 0;
}

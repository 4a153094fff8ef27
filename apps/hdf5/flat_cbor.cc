#include "apps/hdf5/flat_cbor.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace juxmem {
namespace {

enum Major : unsigned { kPositive, kNegative, kBytes, kText, kArray, kMap, kTag, kSimple };

struct Head {
  unsigned major = 0;
  std::uint64_t argument = 0;
};

// Takes it off the bytes; nullopt: it is cut off, or leaves its length open.
std::optional<Head> take_head(std::span<const std::byte>& bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto first = std::to_integer<unsigned>(bytes.front());
  bytes = bytes.subspan(1);
  const unsigned info = first & 31U;
  if (info < 24) return Head{first >> 5U, info};
  if (info > 27) return std::nullopt;
  const std::size_t size = std::size_t{1} << (info - 24);
  if (bytes.size() < size) return std::nullopt;
  std::uint64_t argument = 0;
  for (const std::byte byte : bytes.first(size)) argument = argument << 8U | std::to_integer<std::uint64_t>(byte);
  bytes = bytes.subspan(size);
  return Head{first >> 5U, argument};
}

}  // namespace

bool is_flat_cbor(std::span<const std::byte> bytes, std::size_t depth_max) {
  std::vector<std::uint64_t> missing{1};  // items, per level
  while (!missing.empty()) {
    if (missing.back() == 0) {
      missing.pop_back();
      continue;
    }
    --missing.back();
    const std::optional<Head> head = take_head(bytes);
    if (!head || head->major == kTag) return false;
    if (head->major == kBytes || head->major == kText) {
      if (head->argument > bytes.size()) return false;
      bytes = bytes.subspan(head->argument);
    } else if (head->major == kArray || head->major == kMap) {
      if (missing.size() > depth_max || head->argument > bytes.size()) return false;
      missing.push_back(head->major == kMap ? 2 * head->argument : head->argument);
    }
  }
  return bytes.empty();
}

}  // namespace juxmem

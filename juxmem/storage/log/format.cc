#include "juxmem/storage/log/format.h"

#include <charconv>
#include <cstdio>

#include "juxmem/base/digest.h"

namespace juxmem::wal {
namespace {

constexpr std::string_view kSegmentPrefix = "log-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::size_t kDigits = 16;

std::string numbered(std::string_view prefix, std::uint64_t number) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return std::string(prefix) + digits;
}

}  // namespace

std::string segment_name(std::uint64_t number) { return numbered(kSegmentPrefix, number); }
std::string spare_name(std::uint64_t number) { return numbered(kSparePrefix, number); }
bool is_spare_name(std::string_view name) { return name.starts_with(kSparePrefix); }

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (!name.starts_with(kSegmentPrefix) || name.size() != kSegmentPrefix.size() + kDigits) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kSegmentPrefix.size(), end, number, 16);
  if (error != std::errc() || stop != end || segment_name(number) != name) return std::nullopt;
  return number;
}

std::uint32_t tag_of(const LogIdentity& identity) {
  const std::uint64_t digest = digest_with(digest_with(digest_with(0, identity.grid), identity.node), identity.incarnation);
  return static_cast<std::uint32_t>(digest);
}

}  // namespace juxmem::wal

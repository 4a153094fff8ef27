#include "consistency/paxos/digest_check.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

namespace juxmem {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers in digest entries are little-endian");

}  // namespace

Buffer DigestCheck::encode(Instance instance, std::uint64_t digest) {
  const std::array<std::uint64_t, 2> numbers{instance, digest};
  return Buffer::copy_of(std::as_bytes(std::span(numbers)));
}

void DigestCheck::add_own(Instance instance, std::uint64_t digest) {
  own_[instance] = digest;
  if (own_.size() > kKept) own_.erase(own_.begin());
  compare(instance);
}

void DigestCheck::add_logged(const Buffer& command) {
  std::array<std::uint64_t, 2> numbers{};
  if (command.size() != sizeof numbers) return;
  std::memcpy(numbers.data(), command.data(), sizeof numbers);
  logged_[numbers[0]] = numbers[1];
  if (logged_.size() > kKept) logged_.erase(logged_.begin());
  compare(numbers[0]);
}

void DigestCheck::compare(Instance instance) {
  const auto own = own_.find(instance);
  const auto logged = logged_.find(instance);
  if (own == own_.end() || logged == logged_.end()) return;
  if (own->second != logged->second) mismatch_ = DigestMismatch{instance, logged->second, own->second};
  logged_.erase(logged);
}

std::optional<DigestMismatch> DigestCheck::take_mismatch() { return std::exchange(mismatch_, std::nullopt); }

}  // namespace juxmem

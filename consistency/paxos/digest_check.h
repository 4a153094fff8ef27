// Digest check: do all replicas reach the same state at the same place of the log?
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "consistency/paxos/stream.h"
#include "juxmem/base/buffer.h"

namespace juxmem {

// What for: compares this replica's digests with those that coordinators have put into the log (S3).
// Thread safety: none. Invariants: keeps at most kKept digests of each kind, the newest.
// Ownership: none. Failure: a digest that cannot be decoded counts as no digest.
class DigestCheck {
 public:
  // The command of a kDigest entry: instance and digest.
  static Buffer encode(Instance instance, std::uint64_t digest);

  // This replica's own digest after applying `instance`.
  void add_own(Instance instance, std::uint64_t digest);
  // The command of a decided kDigest entry.
  void add_logged(const Buffer& command);

  std::optional<DigestMismatch> take_mismatch();

 private:
  static constexpr std::size_t kKept = 16;

  void compare(Instance instance);

  std::map<Instance, std::uint64_t> own_;
  std::map<Instance, std::uint64_t> logged_;
  std::optional<DigestMismatch> mismatch_;
};

}  // namespace juxmem

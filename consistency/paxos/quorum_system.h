// Which sets of acceptors are quorums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem {

struct StreamMember {
  NodeId node = 0;
  SiteId site = 0;
  bool operator==(const StreamMember&) const = default;
};

inline constexpr std::size_t kMembersMax = 64;

// What for: hierarchical quorums: a majority of the sites, each with a majority of its members. With one site, the
//   plain majority. Garcia-Molina and Barbara, "How to assign votes in a distributed system", 1985; Kumar, "Hierarchical
//   quorum consensus", 1991.
// Thread safety: immutable. Invariants: any two quorums share a member.
// Failure: at most kMembersMax members, no node twice (checked).
class QuorumSystem {
 public:
  explicit QuorumSystem(std::vector<StreamMember> members);

  std::size_t size() const { return members_.size(); }
  NodeId node(std::size_t index) const { return members_[index].node; }
  // The member's place in the list given; nothing for a stranger.
  std::optional<std::size_t> index_of(NodeId node) const;

  // The members of this member's site, itself included, as a set.
  std::uint64_t site_of(std::size_t index) const;
  // How many of a site's members count for the site.
  static std::size_t majority_of(std::size_t count);

  // Bit i of `set` stands for the i-th member.
  bool is_quorum(std::uint64_t set) const;

  // The greatest value that all members of some quorum have reached; values[i] is the i-th member's.
  std::uint64_t reached(std::span<const std::uint64_t> values) const;

 private:
  struct Site {
    SiteId site = 0;
    std::vector<std::size_t> members;
    std::uint64_t set = 0;
  };

  std::vector<StreamMember> members_;
  std::vector<Site> sites_;
};

}  // namespace juxmem

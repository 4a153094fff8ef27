#include "consistency/paxos/quorum_system.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

std::size_t QuorumSystem::majority_of(std::size_t count) {
  if (mutant("quorums_do_not_intersect")) return (count + 1) / 2;
  return count / 2 + 1;
}

QuorumSystem::QuorumSystem(std::vector<StreamMember> members) : members_(std::move(members)) {
  JUXMEM_CHECK(!members_.empty() && members_.size() <= kMembersMax);
  for (std::size_t i = 0; i < members_.size(); ++i) {
    JUXMEM_CHECK(members_[i].node != 0 && index_of(members_[i].node) == i);
    auto site =
        std::find_if(sites_.begin(), sites_.end(), [&](const Site& known) { return known.site == members_[i].site; });
    if (site == sites_.end()) {
      sites_.push_back({members_[i].site, {}, 0});
      site = std::prev(sites_.end());
    }
    site->members.push_back(i);
    site->set |= 1ULL << i;
  }
}

std::optional<std::size_t> QuorumSystem::index_of(NodeId node) const {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].node == node) return i;
  }
  return std::nullopt;
}

std::uint64_t QuorumSystem::site_of(std::size_t index) const {
  const std::uint64_t bit = std::uint64_t{1} << index;
  return std::ranges::find_if(sites_, [bit](const Site& site) { return (site.set & bit) != 0; })->set;
}

bool QuorumSystem::is_quorum(std::uint64_t set) const {
  std::size_t sites = 0;
  for (const Site& site : sites_) {
    if (static_cast<std::size_t>(std::popcount(set & site.set)) >= majority_of(site.members.size())) ++sites;
  }
  return sites >= majority_of(sites_.size());
}

std::uint64_t QuorumSystem::reached(std::span<const std::uint64_t> values) const {
  JUXMEM_CHECK(values.size() == members_.size());
  std::array<std::uint64_t, kMembersMax> of_sites;
  std::array<std::uint64_t, kMembersMax> of_members;
  // The k-th greatest of n values is what k of them have reached.
  for (std::size_t s = 0; s < sites_.size(); ++s) {
    const Site& site = sites_[s];
    for (std::size_t i = 0; i < site.members.size(); ++i) of_members[i] = values[site.members[i]];
    if (mutant("count_node_twice") && site.members.size() > 1) of_members[0] = of_members[1];
    const auto nth = of_members.begin() + static_cast<std::ptrdiff_t>(majority_of(site.members.size()) - 1);
    std::nth_element(of_members.begin(), nth, of_members.begin() + static_cast<std::ptrdiff_t>(site.members.size()),
                     std::greater<>());
    of_sites[s] = *nth;
  }
  const auto nth = of_sites.begin() + static_cast<std::ptrdiff_t>(majority_of(sites_.size()) - 1);
  std::nth_element(of_sites.begin(), nth, of_sites.begin() + static_cast<std::ptrdiff_t>(sites_.size()), std::greater<>());
  return *nth;
}

}  // namespace juxmem

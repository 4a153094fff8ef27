#include "consistency/paxos/routes.h"

#include <algorithm>
#include <bit>

namespace juxmem {

Routes::Routes(const StreamConfig& config, const QuorumSystem& quorums, std::size_t self)
    : config_(config), members_(quorums.size()) {
  if (config.timing.relay_ms == 0) return;
  std::uint64_t seen = quorums.site_of(self);
  for (std::size_t i = 0; i < quorums.size(); ++i) {
    const std::uint64_t site = quorums.site_of(i);
    if ((seen >> i & 1) == 0 && std::popcount(site) > 1) sites_.push_back({site, kNobody});
    seen |= site;
  }
}

void Routes::begin() {
  members_.assign(members_.size(), Member{});
  for (Site& site : sites_) site.relay = kNobody;
}

std::size_t Routes::choose(std::size_t site, TimeNs now, std::uint64_t ready) {
  Site& row = sites_[site];
  std::uint64_t usable = row.members & ready;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (rests(i, now)) usable &= ~(std::uint64_t{1} << i);
  }
  if (std::popcount(usable) < 2) return kNobody;
  if (row.relay == kNobody || (usable >> row.relay & 1) == 0) row.relay = static_cast<std::size_t>(std::countr_zero(usable));
  return row.relay;
}

bool Routes::is_relay(std::size_t member) const { return std::ranges::find(sites_, member, &Site::relay) != sites_.end(); }

TimeNs Routes::limit(std::size_t site) const {
  TimeNs direct = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const TimeNs answer = (sites_[site].members >> i & 1) != 0 ? members_[i].answer_ns : 0;
    if (answer != 0 && (direct == 0 || answer < direct)) direct = answer;
  }
  if (direct == 0) direct = ms_to_ns(config_.timing.retransmit_ms);
  return direct + ms_to_ns(config_.timing.relay_ms);
}

void Routes::give_up(std::size_t member, TimeNs now) {
  members_[member].rests_until = now + ms_to_ns(config_.timing.stall_ms);
  for (Site& site : sites_) {
    if (site.relay == member) site.relay = kNobody;
  }
}

}  // namespace juxmem

#include "consistency/paxos/writers.h"

namespace juxmem {

void Writers::begin(TimeNs now) {
  window_ends_ = now + window_ns_;
  total_ = 0;
  counts_.clear();
  favourite_ = due_ = 0;
  share_ = {};
}

void Writers::proposed(TimeNs now, SiteId site) {
  if (window_ns_ == 0 || site == 0) return;
  roll(now);
  ++total_;
  ++counts_[site];
}

SiteId Writers::due(TimeNs now) {
  if (window_ns_ == 0) return 0;
  roll(now);
  const SiteId site = due_;
  due_ = 0;
  return site;
}

void Writers::roll(TimeNs now) {
  if (now < window_ends_) return;
  const bool was_idle_since =
      now >= window_ends_ + window_ns_;  // the window after this one has passed, too, with nothing in it
  share_ = {};
  SiteId favourite = 0;
  for (const auto& [site, count] : counts_) {
    const auto percent = static_cast<std::uint32_t>(count * 100 / total_);
    if (percent > share_.percent) share_ = {site, percent};
    if (total_ >= kProposalsMin && count * 3 >= total_ * 2 && site != own_) favourite = site;
  }
  due_ = favourite != 0 && favourite == favourite_ && !was_idle_since ? favourite : 0;
  favourite_ = was_idle_since ? 0 : favourite;
  if (was_idle_since) share_ = {};
  total_ = 0;
  counts_.clear();
  window_ends_ = now + window_ns_;
}

}  // namespace juxmem

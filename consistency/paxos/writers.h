// Writers: where a stream's proposals come from, and when the coordinator's role should go there.
#pragma once

#include <cstdint>
#include <map>

#include "juxmem/base/types.h"

namespace juxmem {

// What for: the coordinator follows the writers (DESIGN section 4). Proposals are counted in windows of Timing::follow_ms. When two
//   windows in a row had kProposalsMin proposals or more, two thirds of them from the same other site, the role should move there. So a
//   burst moves nothing, writers of equal strength move nothing, and between two moves lie two windows at least.
// Thread safety: none.
// Invariants: counts of one time of coordinatorship only. Ownership: a value.
// Failure: advice only; whoever follows it too late or not at all loses speed, never safety.
class Writers {
 public:
  static constexpr std::uint64_t kProposalsMin = 8;

  // What the last full window showed.
  struct Share {
    SiteId site = 0;  // most proposals came from there; 0 = there were none
    std::uint32_t percent = 0;
  };

  // `window_ns` 0: nobody is followed. `own`: the coordinator's site.
  Writers(TimeNs window_ns, SiteId own) : window_ns_(window_ns), own_(own) {}

  // The role was taken: counting begins anew.
  void begin(TimeNs now);
  // A proposal came from this site; 0 = not known from where.
  void proposed(TimeNs now, SiteId site);
  // The site that the role should move to now; 0: it stays. An answer is given once.
  SiteId due(TimeNs now);
  Share share() const { return share_; }

 private:
  void roll(TimeNs now);

  const TimeNs window_ns_;
  const SiteId own_;
  TimeNs window_ends_ = 0;
  std::uint64_t total_ = 0;
  std::map<SiteId, std::uint64_t> counts_;  // of this window
  SiteId favourite_ = 0;                    // of the last full window, if it is another site and strong enough
  SiteId due_ = 0;
  Share share_;
};

}  // namespace juxmem

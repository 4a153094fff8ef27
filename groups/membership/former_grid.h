// FormerGrid: whether somebody still belongs to a grid of which the managers that are to begin one know nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"

namespace juxmem {

// What for: managers that keep nothing on disk and are all started anew would begin a second, empty grid while providers of the first one
//   still run. So each listens for listen_ms before it agrees to begin, and for provider_dead_ms after it has heard of such a provider.
// Thread safety: none. Pure: time comes as an argument.
// Invariants: may_begin() is never true while a provider of another grid has been heard within provider_dead_ms.
// Ownership: a value; lives until the managers have met. Failure: problem() says what was lost, who is left and what people must do.
class FormerGrid {
 public:
  // Listening begins.
  FormerGrid(TimeNs now, const Timing& timing);

  // This provider belongs to another grid. True if nobody was known to.
  bool on_provider(TimeNs now, const std::string& provider);

  bool may_begin(TimeNs now) const { return now >= begin_at_; }
  // When that may change.
  TimeNs next() const { return begin_at_; }
  // Empty if nobody was heard lately.
  std::string problem(TimeNs now) const;

 private:
  static constexpr std::size_t kNamesMax = 64;

  TimeNs dead_ns_ = 0;
  TimeNs begin_at_ = 0;
  std::map<std::string, TimeNs> heard_;  // by name: when last
};

}  // namespace juxmem

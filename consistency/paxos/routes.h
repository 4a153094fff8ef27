// Routes: over which member of a remote site entries travel.
#pragma once

#include <cstdint>
#include <vector>

#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"

namespace juxmem {

// What for: the coordinator's choice of one relay per remote site (DESIGN section 4), and when a relay is given up: when what went
//   over it is not acknowledged Timing::relay_ms after the time that a direct answer from its site takes at present and its bytes may
//   take. Then nothing goes over it for Timing::stall_ms. Choosing and bypassing touch no safety: entries may reach a member on any way, any number
//   of times.
// Thread safety: none.
// Invariants: a site keeps its relay as long as that one can be used; a member that rests is neither relay nor reached by one.
// Ownership: borrows configuration and quorum system. Failure: without a usable relay a site's members are reached directly.
class Routes {
 public:
  struct Site {
    std::uint64_t members = 0;
    std::size_t relay = kNobody;
  };
  static constexpr std::size_t kNobody = kMembersMax;

  Routes(const StreamConfig& config, const QuorumSystem& quorums, std::size_t self);

  // A new ballot: nothing is known of anybody.
  void begin();

  // Remote sites of more than one member; none if relays are switched off.
  const std::vector<Site>& sites() const { return sites_; }

  // The site's relay among those that entries can be sent to now; kNobody if fewer than two of them can be used.
  std::size_t choose(std::size_t site, TimeNs now, std::uint64_t ready);
  // It is reached directly for a while.
  bool rests(std::size_t member, TimeNs now) const { return now < members_[member].rests_until; }
  bool is_relay(std::size_t member) const;

  // A message that went to the member directly was answered.
  void answered(std::size_t member, TimeNs took) { members_[member].answer_ns = took; }
  // What so many bytes under way may take: 10 MB/s are enough for a relay.
  static TimeNs transfer_time(std::uint64_t bytes) { return static_cast<TimeNs>(bytes / 1024) * 100'000; }
  // How long an acknowledgement over the site's relay may take, beside that.
  TimeNs limit(std::size_t site) const;
  // The member did not acknowledge in time what went over a relay, or the relay itself was late.
  void give_up(std::size_t member, TimeNs now);

 private:
  struct Member {
    TimeNs rests_until = 0;
    TimeNs answer_ns = 0;  // the last direct answer took so long; 0 = not known
  };

  const StreamConfig& config_;
  std::vector<Site> sites_;
  std::vector<Member> members_;
};

}  // namespace juxmem

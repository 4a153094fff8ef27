// How entries cross to remote sites: once each, over a relay.
#include <algorithm>

#include "consistency/paxos/replication.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

void Replication::on_accepted(TimeNs now, std::size_t from, const wire::SiteAccepted& message) {
  if (message.ballot != ballot_) return;
  const std::uint64_t site = quorums_.site_of(from);
  for (const wire::MemberAccepted& row : message.members) {
    const std::optional<std::size_t> member = quorums_.index_of(row.node);
    if (!member || *member == self_ || (site >> *member & 1) == 0) continue;
    if (row.up_to > last() || row.sent_at > now) continue;
    const wire::Accepted answer{config_.stream, message.ballot, row.up_to, row.decided, row.sent_at};
    take_in(now, *member, answer);
    for (std::size_t i = 0; mutant("count_relay_for_its_site") && i < peers_.size(); ++i) {
      if ((site >> i & 1) != 0) take_in(now, i, answer);
    }
  }
}

// Those of the site that lack what the relay lacks go with it. One that lacks more is served directly, and goes with it again
// once both have got everything.
void Replication::send_over_relay(TimeNs now, std::size_t site, std::uint64_t& due, std::vector<Outgoing>& out) {
  const std::uint64_t members = routes_.sites()[site].members;
  std::uint64_t ready = 0;
  std::uint64_t lacking = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if ((members & bit) == 0 || !is_ready(i)) continue;
    ready |= bit;
    if (peers_[i].next <= last()) lacking |= bit;
  }
  if ((lacking & due) == 0) return;
  const std::size_t relay = routes_.choose(site, now, ready);
  if (relay == Routes::kNobody) return;
  Peer& first = peers_[relay];
  std::uint64_t reached = 0;
  while (first.next <= last() && first.unacked_bytes < config_.limits.window_bytes) {
    std::uint64_t others = 0;
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      const bool fits = peers_[i].next == first.next && peers_[i].unacked_bytes < config_.limits.window_bytes;
      if (i != relay && (ready >> i & 1) != 0 && fits && !routes_.rests(i, now)) others |= std::uint64_t{1} << i;
    }
    const std::uint64_t all = others | std::uint64_t{1} << relay;
    if (others == 0 || (all & (due | reached)) == 0) break;
    send_batch(now, relay, others, now + routes_.limit(site), out);
    reached |= all;
  }
  due &= ~reached;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if ((reached >> i & 1) != 0) sent_all(now, peers_[i]);
  }
}

void Replication::check_relays(TimeNs now, std::vector<Outgoing>& out) {
  const auto is_late = [&](std::size_t member) {
    const Peer& peer = peers_[member];
    return peer.mode == Mode::kStream && !peer.unacked.empty() && peer.unacked.front().due != 0 &&
           now >= peer.unacked.front().due;
  };
  for (std::size_t site = 0; site < routes_.sites().size(); ++site) {
    const std::size_t relay = routes_.sites()[site].relay;
    if (relay != Routes::kNobody && is_late(relay)) bypass(now, site, out);
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if ((routes_.sites()[site].members >> i & 1) == 0 || !is_late(i)) continue;
      routes_.give_up(i, now);  // the relay has answered, and not for this one
      probe(now, i, out);
    }
  }
}

// The relay was late: the others get directly what they have not acknowledged.
void Replication::bypass(TimeNs now, std::size_t site, std::vector<Outgoing>& out) {
  const std::size_t relay = routes_.sites()[site].relay;
  routes_.give_up(relay, now);
  if (!peers_[relay].spare) need_everybody();
  for (Batch& batch : peers_[relay].unacked) batch.due = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    if (i == relay || (routes_.sites()[site].members >> i & 1) == 0 || !is_ready(i)) continue;
    if (peer.unacked.empty() || peer.unacked.front().due == 0) continue;
    peer.unacked.clear();
    peer.unacked_bytes = 0;
    peer.next = peer.acked + 1;
    send_directly(now, i, out);
  }
}

}  // namespace juxmem

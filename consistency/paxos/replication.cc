#include "consistency/paxos/replication.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();
constexpr std::int64_t kMillion = 1'000'000;
// More than this never waits.
constexpr std::uint64_t kThriftBytesMax = 32U << 10;

}  // namespace

Replication::Replication(const StreamConfig& config, const QuorumSystem& quorums, Acceptor& acceptor)
    : config_(config),
      quorums_(quorums),
      self_(*quorums.index_of(config.self)),
      acceptor_(acceptor),
      lease_ns_(ms_to_ns(config.timing.lease_ms) / kMillion * (kMillion - config.timing.clock_drift_ppm)),
      routes_(config, quorums, self_),
      peers_(quorums.size()),
      scratch_(quorums.size()) {}

void Replication::begin(TimeNs now, Elected elected) {
  ballot_ = elected.ballot;
  undecided_bytes_ = 0;
  for (Instance i = std::max(elected.first, acceptor_.decided() + 1); i < elected.first + elected.entries.size(); ++i) {
    wire::Entry& entry = elected.entries[i - elected.first];
    const bool forgotten = entry.kind == wire::EntryKind::kStop && mutant("forget_accepted_stop");
    if (EntryLog::is_hole(entry) || forgotten || mutant("propose_noops_again")) entry = wire::Entry{};
    const bool stops = entry.kind == wire::EntryKind::kStop;
    entry.ballot = ballot_;
    undecided_bytes_ += cost_bytes(entry);
    acceptor_.append_own(i, std::move(entry));
    if (stops) break;
  }
  first_own_ = is_stopping() ? last() : append(wire::EntryKind::kNoop, {}, {});
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const PromisedMember& member = elected.members[i];
    Peer peer;
    peer.heard = peer.progress = now;
    if (member.promised) {
      peer.mode = Mode::kStream;
      peer.known = true;
      peer.acked = peer.decided = member.decided;
      peer.next = peer.acked + 1;
      peer.granted = member.granted;
    }
    peers_[i] = std::move(peer);
  }
  has_chosen_ = false;
  routes_.begin();
  lease_base_ = 0;
  renew_lease();
  decide(elected.decided);
  beat_at_ = now;
  notice_at_ = kNever;
}

bool Replication::overloaded() const {
  return undecided_bytes_ >= config_.limits.undecided_bytes ||
         acceptor_.log().bytes() >= config_.limits.kept_bytes + config_.limits.undecided_bytes;
}

bool Replication::is_stopping() const {
  const wire::Entry* end = acceptor_.log().at(last());
  return end != nullptr && end->kind == wire::EntryKind::kStop;
}

Instance Replication::append(wire::EntryKind kind, Buffer command, Buffer data) {
  const Instance instance = last() + 1;
  wire::Entry entry{ballot_, kind, std::move(command), std::move(data)};
  const std::uint64_t cost = cost_bytes(entry);
  undecided_bytes_ += cost;
  for (Peer& peer : peers_) {
    if (peer.spare) peer.waiting_bytes += cost;
  }
  acceptor_.append_own(instance, std::move(entry));
  return instance;
}

// ---- acknowledgements -----------------------------------------------------------------------------------------

void Replication::on_accepted(TimeNs now, std::size_t from, const wire::Accepted& message) {
  if (message.ballot != ballot_) return;
  if (message.up_to > last() || message.sent_at > now) return;
  if (message.sent_at != 0) routes_.answered(from, now - message.sent_at);
  peers_[from].full = message.is_full;
  take_in(now, from, message);
}

void Replication::take_in(TimeNs now, std::size_t member, const wire::Accepted& message) {
  Peer& peer = peers_[member];
  peer.heard = now;
  peer.granted = std::max(peer.granted, mutant("lease_from_answer") ? now : message.sent_at);
  renew_lease();
  peer.known = true;
  peer.decided = std::max(peer.decided, std::min(message.decided, message.up_to));
  const bool progress = acknowledge(now, peer, message.up_to);
  if (peer.mode != Mode::kProbe) return;
  if (message.sent_at >= peer.probe_since) {
    // It answers the probe: what it has not acknowledged by now is lost.
    peer.unacked.clear();
    peer.unacked_bytes = 0;
    peer.next = peer.acked + 1;
    peer.mode = Mode::kStream;
  } else if (progress) {
    peer.mode = Mode::kStream;  // slow, but what was sent still arrives
  }
}

bool Replication::acknowledge(TimeNs now, Peer& peer, Instance up_to) {
  if (up_to <= peer.acked) {
    if (peer.acked == last()) peer.progress = now;
    return false;
  }
  peer.acked = up_to;
  peer.next = std::max(peer.next, up_to + 1);
  peer.progress = now;
  peer.resend_at = now + ms_to_ns(config_.timing.retransmit_ms);
  while (!peer.unacked.empty() && peer.unacked.front().last <= up_to) {
    peer.unacked_bytes -= peer.unacked.front().bytes;
    peer.unacked.pop_front();
  }
  if (!peer.unacked.empty()) peer.resend_at = std::max(peer.resend_at, peer.unacked.front().due);
  return true;
}

void Replication::renew_lease() {
  for (std::size_t i = 0; i < peers_.size(); ++i) scratch_[i] = static_cast<std::uint64_t>(peers_[i].granted);
  scratch_[self_] = static_cast<std::uint64_t>(kNever);
  lease_base_ = std::max(lease_base_, quorums_.reached(scratch_));
}

TimeNs Replication::lease_until(TimeNs now) const {
  const TimeNs since = lease_since(now);
  return since == 0 ? 0 : since + lease_ns_;
}

void Replication::advance() {
  for (std::size_t i = 0; i < peers_.size(); ++i) scratch_[i] = peers_[i].acked;
  scratch_[self_] = mutant("vote_before_stable") ? acceptor_.matched() : acceptor_.voted_up_to();
  const Instance before = acceptor_.decided();
  decide(quorums_.reached(scratch_));
  if (!has_chosen_ && acceptor_.decided() > before && config_.timing.thrift_ms > 0) choose_quorum();
}

void Replication::choose_quorum() {
  std::uint64_t chosen = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (i == self_ || peers_[i].acked >= acceptor_.decided()) chosen |= std::uint64_t{1} << i;
  }
  if (!quorums_.is_quorum(chosen)) return;
  for (std::size_t i = peers_.size(); i-- > 0;) {
    const std::uint64_t without = chosen & ~(std::uint64_t{1} << i);
    if (i != self_ && quorums_.is_quorum(without)) chosen = without;
  }
  for (std::size_t i = 0; i < peers_.size(); ++i) peers_[i].spare = (chosen >> i & 1) == 0;
  has_chosen_ = true;
}

void Replication::need_everybody() {
  has_chosen_ = false;
  for (Peer& peer : peers_) peer.spare = false;
}

void Replication::decide(Instance instance) {
  for (Instance i = acceptor_.decided() + 1; i <= instance; ++i) undecided_bytes_ -= cost_bytes(*acceptor_.log().at(i));
  acceptor_.decide(instance);
}

// ---- sending --------------------------------------------------------------------------------------------------

bool Replication::is_left_behind(const Peer& peer) const { return peer.known && peer.acked + 1 < acceptor_.log().first(); }

bool Replication::can_wait(TimeNs now, Peer& peer) {
  if (!peer.spare || peer.hurried || peer.waiting_bytes > kThriftBytesMax) return false;
  if (peer.wait_ends == 0) {
    peer.wait_ends = now + ms_to_ns(config_.timing.thrift_ms);
    peer.wait_last = last();
  }
  if (now < peer.wait_ends) return true;
  // The chosen quorum has not decided it meanwhile: somebody in it is slow.
  if (acceptor_.decided() < peer.wait_last) need_everybody();
  return false;
}

bool Replication::is_ready(std::size_t member) const {
  return member != self_ && peers_[member].mode == Mode::kStream && !is_left_behind(peers_[member]);
}

void Replication::send_entries(TimeNs now, std::vector<Outgoing>& out) {
  std::uint64_t due = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    if (!is_ready(i)) {
      peer.wait_ends = 0;
    } else if (peer.next > last() || !can_wait(now, peer)) {
      due |= std::uint64_t{1} << i;
    }
  }
  for (std::size_t site = 0; site < routes_.sites().size(); ++site) send_over_relay(now, site, due, out);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if ((due >> i & 1) != 0) send_directly(now, i, out);
  }
}

void Replication::send_directly(TimeNs now, std::size_t to, std::vector<Outgoing>& out) {
  Peer& peer = peers_[to];
  while (peer.next <= last() && peer.unacked_bytes < config_.limits.window_bytes) send_batch(now, to, 0, 0, out);
  sent_all(now, peer);
}

void Replication::sent_all(TimeNs now, Peer& peer) {
  peer.hurried = false;
  peer.wait_ends = 0;
  peer.waiting_bytes = 0;
  if (peer.told < acceptor_.decided()) notice_at_ = std::min(notice_at_, now + ms_to_ns(config_.timing.notice_ms));
}

void Replication::send_batch(TimeNs now, std::size_t to, std::uint64_t others, TimeNs due, std::vector<Outgoing>& out) {
  const EntryLog& log = acceptor_.log();
  const Instance first = peers_[to].next;
  wire::Accept accept{config_.stream, ballot_, first, {}, acceptor_.decided(), log.first(), now};
  Instance end = first;
  std::uint64_t bytes = 0;
  for (; end <= log.last() && end - first < config_.limits.batch_entries; ++end) {
    const std::uint64_t cost = cost_bytes(*log.at(end));
    if (end != first && bytes + cost > config_.limits.batch_bytes) break;
    bytes += cost;
  }
  accept.entries.reserve(end - first);
  for (Instance i = first; i < end; ++i) accept.entries.push_back(*log.at(i));
  if (due != 0) due += Routes::transfer_time(peers_[to].unacked_bytes + bytes);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (i != to && (others >> i & 1) == 0) continue;
    Peer& peer = peers_[i];
    if (peer.unacked.empty()) peer.resend_at = std::max(now + ms_to_ns(config_.timing.retransmit_ms), due);
    peer.unacked.push_back({end - 1, bytes, due});
    peer.unacked_bytes += bytes;
    peer.next = end;
    peer.told = accept.decided;
    if (i != to) accept.pass_to.push_back(quorums_.node(i));
  }
  out.push_back({quorums_.node(to), std::move(accept), Durable::kNothing});
}

void Replication::send_heartbeat(std::size_t to, TimeNs sent_at, std::vector<Outgoing>& out) {
  peers_[to].told = acceptor_.decided();
  out.push_back({quorums_.node(to),
                 wire::Heartbeat{config_.stream, ballot_, acceptor_.decided(), last(), acceptor_.log().first(), sent_at},
                 Durable::kNothing});
}

void Replication::probe(TimeNs now, std::size_t to, std::vector<Outgoing>& out) {
  Peer& peer = peers_[to];
  if (!peer.spare) need_everybody();
  peer.mode = Mode::kProbe;
  peer.probe_since = now;
  send_heartbeat(to, now, out);
}

void Replication::tick(TimeNs now, std::vector<Outgoing>& out) {
  const bool beat = now >= beat_at_;
  const bool notice = now >= notice_at_;
  check_relays(now, out);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (i == self_) continue;
    Peer& peer = peers_[i];
    if (peer.mode == Mode::kStream && !peer.unacked.empty() && now >= peer.resend_at && !mutant("never_send_again")) {
      probe(now, i, out);
    } else if (beat) {
      send_heartbeat(i, now, out);
    } else if (notice && peer.mode == Mode::kStream && peer.told < acceptor_.decided()) {
      send_heartbeat(i, 0, out);
    }
  }
  // Beats fall on the same times in all streams of a provider, so that they share packets.
  const TimeNs every = ms_to_ns(config_.timing.heartbeat_ms);
  if (beat) beat_at_ = (now / every + 1) * every;
  if (notice) notice_at_ = kNever;
}

TimeNs Replication::next_wakeup() const {
  TimeNs at = std::min(beat_at_, notice_at_);
  for (const Peer& peer : peers_) {
    if (peer.mode != Mode::kStream) continue;
    if (!peer.unacked.empty()) at = std::min(at, peer.resend_at);
    if (!peer.unacked.empty() && peer.unacked.front().due != 0) at = std::min(at, peer.unacked.front().due);
    if (peer.wait_ends != 0) at = std::min(at, peer.wait_ends);
  }
  return at;
}

// ---- what is kept -----------------------------------------------------------------------------------------------

bool Replication::is_heard(TimeNs now, const Peer& peer) const {
  return now - peer.heard < ms_to_ns(config_.timing.election_min_ms + config_.timing.lease_ms);
}

bool Replication::is_live(TimeNs now, const Peer& peer) const {
  if (!is_heard(now, peer)) return false;
  return peer.acked >= last() || now - peer.progress < ms_to_ns(config_.timing.stall_ms);
}

void Replication::truncate(TimeNs now, Instance learners_have) {
  const EntryLog& log = acceptor_.log();
  Instance all_have = std::min(acceptor_.decided(), learners_have);
  Instance live_have = acceptor_.decided();
  bool is_anybody_returning = false;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const Peer& peer = peers_[i];
    if (i == self_) continue;
    if (is_left_behind(peer)) {
      is_anybody_returning |= is_heard(now, peer);
      continue;
    }
    const Instance told = mutant("forget_when_accepted") ? peer.acked : peer.decided;
    const Instance have = peer.known ? told : log.first() - 1;
    all_have = std::min(all_have, have);
    if (is_live(now, peer)) live_have = std::min(live_have, have);
  }
  if (mutant("forget_what_members_lack")) all_have = acceptor_.decided();
  if (!is_anybody_returning) acceptor_.drop_before(all_have + 1);
  while (log.bytes() > config_.limits.kept_bytes + undecided_bytes_ && log.first() <= live_have) {
    acceptor_.drop_before(log.first() + 1);
  }
}

bool Replication::is_caught_up(std::size_t member) const { return peers_[member].acked == last(); }

std::vector<std::optional<Instance>> Replication::held() const {
  std::vector<std::optional<Instance>> held;
  for (const Peer& peer : peers_) held.push_back(peer.known ? std::optional(peer.acked) : std::nullopt);
  return held;
}

std::uint64_t Replication::with_room() const {
  std::uint64_t set = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (!peers_[i].full) set |= std::uint64_t{1} << i;
  }
  return set;
}

std::vector<MemberStatus> Replication::members(TimeNs now) const {
  std::vector<MemberStatus> result;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const Peer& peer = peers_[i];
    if (i == self_) {
      result.push_back({.node = config_.self, .live = true, .in_time = true, .up_to = last()});
    } else {
      result.push_back({.node = quorums_.node(i),
                        .live = peer.known && is_live(now, peer),
                        .in_time = peer.granted != 0 && now < peer.granted + lease_ns_,
                        .full = peer.full,
                        .left_behind = is_left_behind(peer),
                        .relays = routes_.is_relay(i),
                        .up_to = peer.acked,
                        .lag = last() - peer.acked});
    }
  }
  return result;
}

}  // namespace juxmem

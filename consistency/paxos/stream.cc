#include "consistency/paxos/stream.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "consistency/paxos/stream_parts.h"
#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

const char* to_string(StreamRole role) {
  switch (role) {
    case StreamRole::kFollower:
      return "follower";
    case StreamRole::kCandidate:
      return "candidate";
    case StreamRole::kCoordinator:
      return "coordinator";
  }
  return "invalid";
}

// ---- the public face ----------------------------------------------------------------------------------------------

Stream::Stream(StreamConfig config) : parts_(std::make_unique<Parts>(std::move(config))) {}
Stream::Stream(StreamConfig config, HardState recovered)
    : parts_(std::make_unique<Parts>(std::move(config), std::move(recovered))) {}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

StreamConfig next_config(const StreamConfig& config, Instance stop, const StopSign& next) {
  StreamConfig result = config;
  result.stream.epoch = next.next_epoch;
  result.members = next.members;
  result.base = mutant("begin_before_stop") ? stop - 1 : stop;
  result.round_floor = next.round;
  result.preferred = next.members.front().node;
  return result;
}

void Stream::tick(TimeNs now) {
  parts_->advance_to(now);
  if (parts_->ending) return parts_->ending->tick(now, parts_->out.messages);
  if (parts_->role == StreamRole::kCoordinator) {
    parts_->tick_coordinator();
  } else {
    parts_->tick_elections();
  }
}

Result<Instance> Stream::propose(TimeNs now, wire::Entry entry, SiteId writer) {
  parts_->advance_to(now);
  if (parts_->ending) return fail(Code::kStopping);
  if (parts_->role != StreamRole::kCoordinator) return fail(Code::kNotCoordinator);
  if (parts_->replication.is_stopping() && !mutant("propose_after_stop")) return fail(Code::kStopping);
  if (parts_->handover || parts_->replication.overloaded()) return fail(Code::kOverloaded);
  parts_->writers.proposed(parts_->now, writer);
  return parts_->replication.append(wire::EntryKind::kCommand, std::move(entry.command), std::move(entry.data));
}

Result<Instance> Stream::propose_stop(TimeNs now, std::vector<StreamMember> members) {
  parts_->advance_to(now);
  if (parts_->ending) return fail(Code::kStopping);
  if (parts_->role != StreamRole::kCoordinator) return fail(Code::kNotCoordinator);
  if (Status ok = check_members(members); !ok) return std::unexpected(ok.error());
  if (parts_->replication.is_stopping()) return fail(Code::kStopping);
  if (parts_->handover || parts_->replication.overloaded()) return fail(Code::kOverloaded);
  const StopSign sign{parts_->config.stream.epoch + 1, parts_->acceptor.promised().round, std::move(members)};
  return parts_->replication.append(wire::EntryKind::kStop, encode(sign), {});
}

Status Stream::request_read(TimeNs now, std::uint64_t tag) {
  parts_->advance_to(now);
  if (parts_->ending) return fail(Code::kStopping);
  if (parts_->readers.full()) return fail(Code::kOverloaded, "too many reads wait for their place in the log");
  parts_->readers.add(tag);
  return {};
}

Status Stream::transfer(TimeNs now, NodeId to) {
  parts_->advance_to(now);
  if (parts_->role != StreamRole::kCoordinator) return fail(Code::kNotCoordinator);
  const std::optional<std::size_t> member = parts_->quorums.index_of(to);
  if (!member || to == parts_->config.self) return fail(Code::kInvalid, "the role is handed to another member only");
  parts_->begin_handover(*member);
  return {};
}

TimeNs Stream::lend(TimeNs now) {
  parts_->advance_to(now);
  parts_->acceptor.lent(parts_->now);
  return parts_->replication.lease_since(parts_->now);
}

TimeNs Stream::borrowed_before() const { return parts_->borrowed_before; }

void Stream::hurry(NodeId member) {
  const std::optional<std::size_t> index = parts_->quorums.index_of(member);
  if (index && parts_->role == StreamRole::kCoordinator) parts_->replication.hurry(*index);
}

void Stream::keep_for_learners(Instance have) { parts_->learners_have = have; }

void Stream::learn_decided(TimeNs now, const Ballot& ballot, Instance instance) {
  parts_->advance_to(now);
  parts_->acceptor.learn_decided(ballot, instance);
}

void Stream::applied(TimeNs now, Instance instance) {
  parts_->advance_to(now);
  JUXMEM_CHECK(instance <= parts_->handed_out);
  if (instance <= parts_->applied) return;
  parts_->applied = instance;
  parts_->applied_moved = now;
}

void Stream::persisted(TimeNs now, std::uint64_t mark) {
  Parts& parts = *parts_;
  parts.advance_to(now);
  while (!parts.unstable.empty() && parts.unstable.front().mark <= mark) {
    parts.acceptor.kept(parts.unstable.front().promised, parts.unstable.front().matched);
    parts.unstable.pop_front();
  }
}

void Stream::storage(TimeNs now, StorageHealth health) {
  parts_->advance_to(now);
  parts_->storage = health;
}

bool Stream::lacks_room() const {
  const Parts& parts = *parts_;
  if (parts.role != StreamRole::kCoordinator) return false;
  std::uint64_t with_room = parts.replication.with_room();
  const std::uint64_t own = std::uint64_t{1} << *parts.quorums.index_of(parts.config.self);
  if (parts.storage.is_full) with_room &= ~own;
  return !parts.quorums.is_quorum(with_room);
}

void Stream::await_snapshot(TimeNs now) {
  Parts& parts = *parts_;
  parts.advance_to(now);
  parts.awaits_snapshot = true;
  if (parts.role == StreamRole::kFollower) return;
  parts.election.fail(parts.now);
  parts.become(StreamRole::kFollower, 0);
}

Status Stream::install_snapshot(TimeNs now, Instance at) {
  Parts& parts = *parts_;
  parts.advance_to(now);
  if (at < parts.handed_out || !parts.acceptor.can_continue_after(at)) {
    return fail(Code::kStale,
                "a snapshot at " + std::to_string(at) + " does not reach as far as this member's log has forgotten");
  }
  if (mutant("install_at_wrong_instance")) ++at;
  parts.acceptor.skip_to(at);
  parts.handed_out = parts.applied = at;
  parts.applied_moved = parts.now;
  parts.awaits_snapshot = false;
  return {};
}

void Stream::report_digest(TimeNs now, Instance instance, std::uint64_t digest) {
  parts_->advance_to(now);
  parts_->digests.add_own(instance, digest);
  if (parts_->role == StreamRole::kCoordinator && !parts_->handover && !parts_->replication.is_stopping()) {
    parts_->replication.append(wire::EntryKind::kDigest, DigestCheck::encode(instance, digest), {});
  }
}

StreamOutput Stream::take() {
  Parts& parts = *parts_;
  if (parts.role == StreamRole::kCoordinator) parts.replication.advance();
  // Before anything is forgotten.
  if (!mutant("forget_before_keeping")) parts.give_to_keep();
  parts.hand_out();
  if (parts.role == StreamRole::kCoordinator) {
    parts.replication.send_entries(parts.now, parts.out.messages);
    parts.continue_handover();
    parts.replication.truncate(parts.now, parts.learners_have);
  } else if (!parts.ending) {
    parts.acceptor.drop_before(parts.keep_from);
  }
  parts.send_answers();
  if (mutant("forget_before_keeping")) parts.give_to_keep();
  if (!parts.ending) parts.place_reads();
  parts.readers.take_answered(parts.handed_out, parts.out.reads);
  parts.out.mismatch = parts.digests.take_mismatch();
  return std::exchange(parts.out, {});
}

TimeNs Stream::next_wakeup(TimeNs now) const { return parts_->started ? parts_->next_wakeup() : now; }
NodeId Stream::coordinator() const { return parts_->coordinator; }
bool Stream::is_coordinator() const { return parts_->role == StreamRole::kCoordinator; }
bool Stream::is_left_behind() const {
  return parts_->role != StreamRole::kCoordinator && parts_->keep_from > parts_->acceptor.decided() + 1;
}
bool Stream::is_kept_on_disk() const { return parts_->config.durability == Durability::kDisk; }
bool Stream::has_ended() const { return parts_->ending.has_value(); }
bool Stream::serves(TimeNs now) const {
  parts_->advance_to(now);
  return parts_->serves();
}
Ballot Stream::ballot() const { return parts_->acceptor.promised(); }
Instance Stream::decided() const { return parts_->acceptor.decided(); }
const wire::Entry* Stream::entry_at(Instance instance) const { return parts_->acceptor.log().at(instance); }

Instance Stream::last() const { return parts_->acceptor.log().last(); }

StreamStatus Stream::status(TimeNs now) const {
  const Parts& parts = *parts_;
  const EntryLog& log = parts.acceptor.log();
  StreamStatus status{.role = parts.role,
                      .coordinator = parts.coordinator,
                      .ballot = parts.acceptor.promised(),
                      .left_behind = is_left_behind(),
                      .awaits_snapshot = parts.awaits_snapshot,
                      .keep_from = parts.keep_from,
                      .unstable_since = parts.unstable.empty() ? 0 : parts.unstable.front().since,
                      .ended = parts.ending.has_value(),
                      .end_is_known = parts.ending && parts.ending->everybody_knows(),
                      .decided = parts.acceptor.decided(),
                      .applied = parts.applied,
                      .log_first = log.first(),
                      .log_last = log.last(),
                      .log_bytes = log.bytes(),
                      .members = {}};
  if (parts.role == StreamRole::kCoordinator) {
    status.lease_until = parts.replication.lease_until(now);
    status.serving = parts.acceptor.decided() >= parts.replication.first_own();
    status.members = parts.replication.members(now);
    status.writers_site = parts.writers.share().site;
    status.writers_percent = parts.writers.share().percent;
  }
  return status;
}

// ---- time ---------------------------------------------------------------------------------------------------------

Stream::Parts::Parts(StreamConfig stream_config)
    : config(std::move(stream_config)),
      quorums(config.members),
      acceptor(config.base, ms_to_ns(config.timing.lease_ms), config.limits.batch_bytes, config.limits.batch_entries),
      election(config, quorums),
      replication(config, quorums, acceptor),
      relay(config, quorums),
      readers(config),
      writers(ms_to_ns(config.timing.follow_ms), config.members[*quorums.index_of(config.self)].site),
      keep_from(config.base + 1),
      handed_out(config.base),
      applied(config.base) {
  if (config.durability == Durability::kDisk) acceptor.keep_on_disk();
}

Stream::Parts::Parts(StreamConfig stream_config, HardState recovered) : Parts(std::move(stream_config)) {
  is_recovered = true;
  handed_out = applied = recovered.applied;
  keep_from = recovered.base + 1;
  acceptor.recover(std::move(recovered));
}

void Stream::Parts::advance_to(TimeNs time) {
  now = std::max(now, time);
  if (started) return;
  started = true;
  contact = now;
  election.stand_back(now);
  if (is_recovered) acceptor.grant_again(now);
  if (config.preferred == config.self && !is_recovered) campaign({});
}

void Stream::Parts::tick_coordinator() {
  if (handover && now >= handover->deadline) handover.reset();
  if (now >= lease_lost_at() || is_stalled()) return step_down();
  replication.tick(now, out.messages);
  leave_bad_storage();
  follow_writers();
}

void Stream::Parts::tick_elections() {
  if (now >= election.deadline()) {
    if (role == StreamRole::kFollower && is_late() && !is_stalled()) {
      election.stand_back(now);
      become(StreamRole::kFollower, 0);
    } else if (role == StreamRole::kCandidate || !may_lead()) {
      election.fail(now);
      become(StreamRole::kFollower, 0);
    } else if (quorums.size() == 1) {
      campaign({});
    } else {
      election.ask(now, acceptor, out.messages);
      become(StreamRole::kCandidate, 0);
    }
  } else if (role == StreamRole::kCandidate && now >= election.resend_at()) {
    election.resend(now, out.messages);
  }
}

TimeNs Stream::Parts::next_wakeup() const {
  if (ending) return ending->next_wakeup();
  const bool may_ask = role == StreamRole::kFollower && coordinator != 0;
  TimeNs at = may_ask ? readers.next_wakeup() : std::numeric_limits<TimeNs>::max();
  if (role == StreamRole::kCoordinator) {
    at = std::min({at, replication.next_wakeup(), lease_lost_at()});
    if (handover) at = std::min(at, handover->deadline);
    if (applied < handed_out) at = std::min(at, applied_moved + ms_to_ns(config.timing.stall_ms));
    if (!unstable.empty()) at = std::min(at, unstable.front().since + ms_to_ns(config.timing.stall_ms));
  } else {
    at = std::min({at, election.deadline(), relay.next_wakeup()});
    if (role == StreamRole::kCandidate) at = std::min(at, election.resend_at());
  }
  return at;
}

bool Stream::Parts::is_stalled() const {
  const TimeNs limit = ms_to_ns(config.timing.stall_ms);
  return (applied < handed_out && now - applied_moved >= limit) ||
         (!unstable.empty() && now - unstable.front().since >= limit);
}

bool Stream::Parts::is_late() const {
  const TimeNs limit = ms_to_ns(config.timing.disk_late_ms);
  return storage.is_late || (!unstable.empty() && now - unstable.front().since >= limit);
}

// ---- roles --------------------------------------------------------------------------------------------------------

void Stream::Parts::become(StreamRole new_role, NodeId new_coordinator) {
  const bool same = role == new_role && coordinator == new_coordinator;
  const bool was_coordinator = role == StreamRole::kCoordinator;
  role = new_role;
  coordinator = new_coordinator;
  if (was_coordinator) handover.reset();
  if (same && new_role == StreamRole::kFollower) return;
  const bool leads = role == StreamRole::kCoordinator;
  out.roles.push_back({role, role == StreamRole::kCandidate ? election.ballot() : acceptor.promised(), coordinator,
                       leads ? replication.first_own() : 0});
}

void Stream::Parts::step_down() {
  election.stand_back(now);
  become(StreamRole::kFollower, 0);
}

void Stream::Parts::campaign(const Ballot& released) {
  if (!election.prepare(now, acceptor, released, out.messages)) {
    election.fail(now);
    return become(StreamRole::kFollower, 0);
  }
  become(StreamRole::kCandidate, 0);
  if (election.has_quorum()) coordinate();
}

void Stream::Parts::coordinate() {
  Elected elected = election.elected(acceptor);
  borrowed_before = elected.others_granted;
  replication.begin(now, std::move(elected));
  coordinator_since = now;
  writers.begin(now);
  become(StreamRole::kCoordinator, config.self);
  replication.tick(now, out.messages);
}

void Stream::Parts::follow(const Ballot& ballot) {
  contact = now;
  election.stand_back(now);
  become(StreamRole::kFollower, ballot.node);
}

bool Stream::Parts::has_lease() const { return now < replication.lease_until(now) || mutant("serve_without_lease"); }

bool Stream::Parts::serves() const {
  return role == StreamRole::kCoordinator && has_lease() &&
         (acceptor.decided() >= replication.first_own() || mutant("serve_before_first_own"));
}

// The lease may come back under the same ballot as long as nobody else was elected, so that a short pause of this process costs
// no election; until then nothing is served.
TimeNs Stream::Parts::lease_lost_at() const {
  const TimeNs lease_ns = ms_to_ns(config.timing.lease_ms);
  return std::max(replication.lease_until(now), coordinator_since + lease_ns) + lease_ns;
}

// ---- one turn's output --------------------------------------------------------------------------------------------

// What was matched before the last mark was given becomes stable with it.
void Stream::Parts::give_to_keep() {
  if (config.durability != Durability::kDisk) return;
  if (acceptor.take_unkept(out.persist)) {
    out.persist.mark = ++marks;
    unstable.push_back({marks, acceptor.promised(), acceptor.matched(), now});
  } else if (unstable.empty()) {
    acceptor.kept(acceptor.promised(), acceptor.matched());
  }
}

void Stream::Parts::hand_out() {
  if (applied == handed_out) applied_moved = now;
  if (awaits_snapshot) return;
  const Instance decided = acceptor.decided();
  if (handed_out < decided) out.decided.reserve(decided - handed_out);
  while (handed_out < decided) {
    JUXMEM_CHECK_MSG(!ending, "S4: an entry is decided after the Stop");
    const wire::Entry* entry = acceptor.log().at(++handed_out);
    JUXMEM_CHECK(entry != nullptr);
    out.decided.push_back({handed_out, *entry});
    if (entry->kind == wire::EntryKind::kStop) end_at(out.decided.back());
    if (entry->kind == wire::EntryKind::kDigest) digests.add_logged(entry->command);
  }
}

void Stream::Parts::send_answers() {
  for (const DueAnswer& due : due_answers) {
    if (due.ballot != acceptor.promised()) continue;
    send(due.to,
         wire::Accepted{config.stream, due.ballot, acceptor.matched(), acceptor.decided(), due.sent_at, storage.is_full},
         Durable::kState);
  }
  due_answers.clear();
  if (role != StreamRole::kCoordinator && !ending) relay.send_due(now, acceptor, out.messages);
}

void Stream::Parts::end_at(const DecidedEntry& stop) {
  JUXMEM_CHECK_MSG(stop.instance == acceptor.decided(), "S4: an entry is decided after the Stop");
  std::optional<StopSign> next = decode_stop_sign(config.stream, stop.entry.command);
  JUXMEM_CHECK(next.has_value());
  ending.emplace(config, quorums, acceptor);
  if (role == StreamRole::kCoordinator) ending->announce(now, replication.held(), out.messages);
  become(StreamRole::kFollower, 0);
  out.end = StreamEnd{stop.instance, std::move(*next), readers.take_unplaced()};
}

void Stream::Parts::begin_handover(std::size_t to) {
  handover = {to, now + ms_to_ns(config.timing.transfer_ms)};
  replication.hurry(to);
}

namespace {

// The role would be in good hands, as far as the coordinator can see.
bool can_take_over(const MemberStatus& member) {
  return member.live && member.in_time && !member.left_behind && !member.full;
}

}  // namespace

// To the member of that site that is closest behind.
void Stream::Parts::follow_writers() {
  const SiteId site = writers.due(now);
  if (site == 0 || handover || replication.is_stopping() || !serves()) return;
  const std::vector<MemberStatus> members = replication.members(now);
  const MemberStatus* best = nullptr;
  std::size_t to = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (config.members[i].site != site || !can_take_over(members[i])) continue;
    if (best != nullptr && members[i].up_to <= best->up_to) continue;
    best = &members[i];
    to = i;
  }
  if (best != nullptr) begin_handover(to);
}

// Entries are decided without the own vote meanwhile. Not caught up in time, the member is not asked again at once: what is proposed
// waits during a hand-over. The own site comes first: there the writers are.
void Stream::Parts::leave_bad_storage() {
  if ((!is_late() && !storage.is_full) || mutant("lead_on_bad_disk")) return;
  if (handover || now < leave_at || replication.is_stopping() || !serves()) return;
  const std::vector<MemberStatus> members = replication.members(now);
  const SiteId own_site = config.members[*quorums.index_of(config.self)].site;
  const auto rank = [&](std::size_t i) { return std::pair(config.members[i].site == own_site, members[i].up_to); };
  std::optional<std::size_t> to;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].node == config.self || !can_take_over(members[i])) continue;
    if (!to || rank(i) > rank(*to)) to = i;
  }
  if (!to) return;
  leave_at = now + ms_to_ns(config.timing.stall_ms);
  begin_handover(*to);
}

void Stream::Parts::continue_handover() {
  if (!handover || !replication.is_caught_up(handover->to)) return;
  send(quorums.node(handover->to), wire::Transfer{config.stream, acceptor.promised()}, Durable::kNothing);
  handover.reset();
  if (!mutant("serve_after_handover")) step_down();
}

void Stream::Parts::place_reads() {
  if (!readers.has_unplaced()) return;
  if (serves()) {
    readers.place_all(acceptor.decided());
  } else if (role == StreamRole::kFollower) {
    readers.ask(now, coordinator, out.messages);
  }
}

}  // namespace juxmem

#include "tests/sim/stream/stream_world.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "consistency/paxos/describe.h"
#include "juxmem/base/digest.h"
#include "juxmem/base/mutant.h"

namespace juxmem::sim {
namespace {

constexpr TimeNs kFaultsNs = ms_to_ns(6'000);
constexpr TimeNs kWorkAfterNs = ms_to_ns(500);
constexpr TimeNs kFinishNs = ms_to_ns(30'000);
constexpr TimeNs kLendingSlackNs = ms_to_ns(5);  // the rates of clocks differ
constexpr TimeNs kHourNs = ms_to_ns(3'600'000);

}  // namespace

StreamWorld::StreamWorld(std::uint64_t seed, bool keep_trace)
    : seed_(seed), keep_trace_(keep_trace), random_(seed * 0x9E3779B97F4A7C15ULL + 1) {
  choose_shape();
  choose_network();
  open_epoch(config_, 0, 0);
  for (Node& node : nodes_) {
    node.clock_offset = kHourNs + random_.between(0, kHourNs);
    node.clock_ppm = random_.between(-config_.timing.clock_drift_ppm / 2, config_.timing.clock_drift_ppm / 2);
  }
  for (const StreamMember& member : config_.members) {
    const std::size_t index = index_of(member.node);
    schedule(random_.between(0, ms_to_ns(20)), [this, index] { start_part(index, config_); });
  }
}

void StreamWorld::run() {
  clients_work();
  faults_strike();
  while (violation_.empty() && now_ < kFaultsNs && step()) {
  }
  heal();
  while (violation_.empty() && now_ < kFaultsNs + kWorkAfterNs && step()) {
  }
  clients_on_ = false;
  while (violation_.empty() && !finished()) {
    if (now_ >= kFaultsNs + kWorkAfterNs + kFinishNs) {
      fail("liveness: not every live replica finished in time after the faults had stopped");
    } else if (!step()) {
      fail("liveness: nothing happens any more, and not every live replica has finished");
    }
  }
}

// ---- events -----------------------------------------------------------------------------------------------------

void StreamWorld::schedule(TimeNs at, std::function<void()> action) {
  events_.push({std::max(at, now_), ++event_number_, std::move(action)});
}

bool StreamWorld::step() {
  if (events_.empty()) return false;
  Event event = events_.top();
  events_.pop();
  now_ = event.at;
  event.action();
  if (event.number % 16 == 0) check();
  return true;
}

TimeNs StreamWorld::clock_of(const Node& node) const { return node.clock_offset + now_ + now_ / 1'000'000 * node.clock_ppm; }

// A paused node takes its inputs in when it goes on.
void StreamWorld::with(std::size_t index, std::uint32_t epoch, const std::function<void(Stream&, TimeNs)>& input) {
  Node& node = nodes_[index];
  const auto part = node.parts.find(epoch);
  if (part == node.parts.end()) return;
  if (now_ < node.paused_until) {
    schedule(node.paused_until, [this, index, epoch, input] { with(index, epoch, input); });
    return;
  }
  input(*part->second.stream, clock_of(node));
  carry_out(index, epoch);
}

void StreamWorld::carry_out(std::size_t index, std::uint32_t epoch) {
  Node& node = nodes_[index];
  Stream& stream = *node.parts.at(epoch).stream;
  bool coordinates = stream.is_coordinator();
  StreamOutput out = stream.take();
  coordinates = coordinates || stream.is_coordinator();
  check_relayed(node, epoch, out);
  keep(index, epoch, out);
  for (Outgoing& outgoing : out.messages) send(index, std::move(outgoing));
  for (DecidedEntry& decided : out.decided) {
    if (keep_trace_) note(fmt::format("{} decided {} {}", node.id, decided.instance, describe(decided.entry)));
    if (auto broken = epochs_.at(epoch).invariants->on_decided(node.id, decided)) fail(*broken);
    node.handed_out = decided.instance;
    if (coordinates) acknowledged_ = std::max(acknowledged_, decided.instance);
    node.unapplied.push_back(std::move(decided));
  }
  for (const AnsweredRead& read : out.reads) check_read(node, read);
  check_lending(node, epoch, out);
  for (const RoleChange& role : out.roles) {
    if (keep_trace_) {
      note(fmt::format("{} is {} of {} coordinator {}", node.id, to_string(role.role), to_string(role.ballot),
                       role.coordinator));
    }
  }
  if (out.mismatch) fail(fmt::format("S3: the digest of node {} differs at {}", node.id, out.mismatch->instance));
  if (out.end) node.end = std::move(out.end);
  arm(index, epoch);
  apply(index);
}

// Nothing that a coordinator lends, before or after a later one was elected, counts from later than that one believes.
void StreamWorld::check_lending(const Node& node, std::uint32_t epoch, const StreamOutput& out) {
  Stream& stream = *node.parts.at(epoch).stream;
  const TimeNs clock = clock_of(node);
  const auto by_world = [&](TimeNs time) { return now_ - (clock - time); };
  for (const RoleChange& role : out.roles) {
    const std::pair place(epoch, role.ballot);
    if (role.role != StreamRole::kCoordinator || place < newest_.place) continue;
    newest_ = {place, by_world(stream.borrowed_before())};
    if (lent_ > newest_.borrowed_before + kLendingSlackNs) fail(fmt::format("{} does not know what was lent", node.id));
  }
  if (!stream.serves(clock)) return;
  const TimeNs since = by_world(stream.lend(clock));
  if (std::pair(epoch, stream.ballot()) < newest_.place && since > newest_.borrowed_before + kLendingSlackNs) {
    fail(fmt::format("{} lends what its successor does not know of", node.id));
  }
  lent_ = std::max(lent_, since);
}

void StreamWorld::apply(std::size_t index) {
  Node& node = nodes_[index];
  if (node.unapplied.empty() || now_ < node.hung_until) return;
  const std::uint32_t epoch = node.parts.rbegin()->first;
  Stream& stream = *node.parts.rbegin()->second.stream;
  for (const DecidedEntry& decided : std::exchange(node.unapplied, {})) {
    if (decided.entry.kind == wire::EntryKind::kCommand) {
      node.digest = digest_of(decided.entry.command.bytes(), node.digest);
    }
    node.applied = decided.instance;
    stream.applied(clock_of(node), node.applied);
    if (node.applied % config_.timing.digest_every == 0) {
      stream.report_digest(clock_of(node), node.applied, node.digest);
    }
  }
  carry_out(index, epoch);
  if (node.end && node.applied == node.end->stop) end_epoch(index);
}

void StreamWorld::check_read(Node& node, const AnsweredRead& read) {
  const auto asked = node.reads.find(read.tag);
  if (asked == node.reads.end()) return fail(fmt::format("node {} answered read {} twice", node.id, read.tag));
  if (keep_trace_) note(fmt::format("{} read {} at {}", node.id, read.tag, read.instance));
  if (read.instance < asked->second.acknowledged) {
    fail(fmt::format("S6: node {} answered a read at {}, but {} was acknowledged before it began", node.id, read.instance,
                     asked->second.acknowledged));
  }
  if (read.instance > node.handed_out) fail(fmt::format("node {} answered a read beyond its own state", node.id));
  acknowledged_ = std::max(acknowledged_, read.instance);
  node.reads.erase(asked);
}

// A relay tells what the members of its site have said themselves, under the ballot they said it under, which is the one it has promised.
void StreamWorld::check_relayed(const Node& node, std::uint32_t epoch, const StreamOutput& out) {
  auto& acknowledged = epochs_.at(epoch).acknowledged;
  for (const Outgoing& outgoing : out.messages) {
    if (const auto* own = std::get_if<wire::Accepted>(&outgoing.message)) {
      Instance& up_to = acknowledged[{node.id, own->ballot}];
      up_to = std::max(up_to, own->up_to);
    }
    const auto* relayed = std::get_if<wire::SiteAccepted>(&outgoing.message);
    if (relayed == nullptr) continue;
    const Ballot promised = node.parts.at(epoch).stream->ballot();
    if (relayed->ballot != promised) {
      fail(fmt::format("S2: relay {} answers under {} and has promised {}", node.id, to_string(relayed->ballot),
                       to_string(promised)));
    }
    for (const wire::MemberAccepted& row : relayed->members) {
      if (row.node == node.id || row.up_to <= acknowledged[{row.node, relayed->ballot}]) continue;
      fail(fmt::format("S2: relay {} says that {} has accepted {} under {}", node.id, row.node, row.up_to,
                       to_string(relayed->ballot)));
    }
  }
}

void StreamWorld::arm(std::size_t index, std::uint32_t epoch) {
  Node& node = nodes_[index];
  Part& part = node.parts.at(epoch);
  const TimeNs local = clock_of(node);
  const TimeNs wake_at = part.stream->next_wakeup(local);
  if (wake_at - local > kHourNs) return;
  const TimeNs wait = std::max<TimeNs>(wake_at - local, 0);
  // A little late rather than early, whatever the clock's rate.
  const TimeNs at = now_ + wait + wait / 100 + 1'000;
  if (part.wake_at > now_ && part.wake_at <= at) return;
  part.wake_at = at;
  schedule(at, [this, index, epoch, at] {
    const Node& node = nodes_[index];
    auto part = node.parts.find(epoch);
    if (part == node.parts.end() || part->second.wake_at != at) return;
    with(index, epoch, [](Stream& stream, TimeNs now) { stream.tick(now); });
    part = node.parts.find(epoch);
    if (part == node.parts.end() || now_ < node.paused_until) return;
    if (part->second.stream->next_wakeup(clock_of(node)) <= clock_of(node)) {
      fail(fmt::format("node {} wants to be woken for ever", node.id));
    }
  });
}

// ---- network ----------------------------------------------------------------------------------------------------

void StreamWorld::send(std::size_t from, Outgoing outgoing) {
  const auto to = static_cast<std::size_t>(
      std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.id == outgoing.to; }) - nodes_.begin());
  if (to >= nodes_.size() || to == from) return fail(fmt::format("node {} sends to {}", nodes_[from].id, outgoing.to));
  if (network_.blocked[from][to] || random_.chance(network_.loss_ppm)) return;
  const int copies = random_.chance(network_.repeat_ppm) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    const bool late = random_.chance(network_.late_ppm) || now_ < nodes_[from].slow_until;
    const TimeNs delay = random_.between(network_.delay_min, late ? network_.late_max : network_.delay_max);
    schedule(now_ + delay, [this, from, to, message = outgoing.message] { deliver(from, to, message); });
  }
}

void StreamWorld::deliver(std::size_t from, std::size_t to, wire::StreamMessage message) {
  Node& node = nodes_[to];
  std::uint32_t epoch = std::visit([](const auto& kind) { return kind.stream.epoch; }, message);
  if (mutant("count_votes_of_other_epochs") && !node.parts.empty()) epoch = node.parts.rbegin()->first;
  if (!node.parts.contains(epoch)) return;
  if (keep_trace_) note(fmt::format("{} -> {} epoch {} {}", nodes_[from].id, node.id, epoch, describe(message)));
  with(to, epoch, [from_node = nodes_[from].id, message = std::move(message)](Stream& stream, TimeNs now) {
    stream.receive(now, from_node, message);
  });
}

// ---- verdict ----------------------------------------------------------------------------------------------------

void StreamWorld::check() {
  for (Node& node : nodes_) check_late_disk(node);
  for (auto& [number, epoch] : epochs_) {
    std::vector<const Stream*> streams;
    for (const StreamMember& member : epoch.members) {
      const Node& node = nodes_[index_of(member.node)];
      const auto part = node.parts.find(number);
      streams.push_back(part == node.parts.end() ? nullptr : part->second.stream.get());
    }
    if (auto broken = epoch.invariants->check(streams)) fail(*broken);
  }
}

void StreamWorld::fail(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = fmt::format("{} (at {} us)", what, now_ / 1000);
  note("VIOLATION " + violation_);
}

void StreamWorld::note(const std::string& line) {
  if (keep_trace_) trace_ += fmt::format("{:>10} {}\n", now_ / 1000, line);
}

}  // namespace juxmem::sim

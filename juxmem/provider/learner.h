// Learner: a provider that is to be a member of a group's next epoch, and follows the present one until it ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consistency/paxos/stop_sign.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/snapshot_fetch.h"
#include "juxmem/provider/state_machine.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: gets the group's state from a member, then what is decided after it, entry by entry, up to the Stop: so the next epoch can begin
//   with members that have everything. Lamport, Malkhi and Zhou, "Stoppable Paxos", 2008, section 2; Ongaro's dissertation, 2014, section 4.2.1.
// Thread safety: none; the provider's event loop.
// Invariants: applies decided entries only, in order, each once; votes in nothing and promises nothing.
// Ownership: owns the state until take_state().
// Failure: a member that does not answer, or does not keep what is needed any more, is left for the next one; what is missing is fetched again, of a
//   state that is there only the changes.
//   It never gives up by itself.
class Learner {
 public:
  using Send = std::function<void(NodeId to, wire::GroupMessage message)>;
  using MachineMaker = std::function<std::unique_ptr<StateMachine>()>;

  // `servers`: the epoch's members, the nearest first.
  Learner(const StreamId& stream, std::vector<NodeId> servers, const Timing& timing, Send send, MachineMaker make_machine);

  void start(TimeNs now);
  void on_snapshot(TimeNs now, NodeId from, wire::SnapshotReply reply);
  void on_log(TimeNs now, NodeId from, const wire::LogReply& reply);
  void tick(TimeNs now);
  TimeNs next_tick() const;

  const StreamId& stream() const { return stream_; }
  // The Stop, once it has been applied.
  const std::optional<StopSign>& end() const { return end_; }
  Instance applied() const { return machine_ ? machine_->applied() : 0; }
  // The state after the Stop; the learner is good for nothing more.
  std::unique_ptr<StateMachine> take_state() { return std::move(machine_); }

  // Nobody has given anything of this epoch for a while, or all have said that they cannot.
  bool is_forsaken(TimeNs now) const;
  // Of the state; 100 once it follows the log.
  std::uint32_t percent() const { return is_following_ ? 100 : fetch_.percent(); }
  // What went wrong with a snapshot, for people; once.
  std::string take_trouble() { return std::exchange(trouble_, {}); }

 private:
  NodeId server() const { return servers_[turn_ % servers_.size()]; }
  void fetch_anew(TimeNs now);
  void begin_state(const SnapshotFetch::Piece& piece);
  void take_in(TimeNs now, const SnapshotFetch::Piece& piece);
  void ask(TimeNs now);
  void tell_position();
  void next_server(TimeNs now);

  const StreamId stream_;
  const std::vector<NodeId> servers_;
  const Timing timing_;
  Send send_;
  const MachineMaker make_machine_;
  SnapshotFetch fetch_;
  std::unique_ptr<StateMachine> machine_;
  Instance fetched_at_ = 0;  // the place of the snapshot that is being fetched
  bool is_following_ = false;
  std::size_t turn_ = 0;        // whose turn it is among the servers
  std::uint32_t refusals_ = 0;  // one after the other
  TimeNs given_at_ = 0;         // when somebody gave something
  TimeNs ask_at_ = 0;
  TimeNs give_up_at_ = 0;  // the present server
  TimeNs tell_at_ = 0;
  std::optional<StopSign> end_;
  std::string trouble_;
};

}  // namespace juxmem

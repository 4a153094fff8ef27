// A simulated world of one stream and its epochs: replicas, a bad network, clients and faults, all from one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "consistency/paxos/quorum_system.h"
#include "consistency/paxos/stream.h"
#include "consistency/paxos/stream_invariants.h"
#include "juxmem/base/random.h"

namespace juxmem::sim {

// What for: runs replicas of one stream against delay, loss, repetition, reordering, partitions (also one-way), crashes,
//   pauses, hanging state machines, clocks of different rates and changes of members; where the stream is kept on disk, also against
//   restarts of any or all nodes, of which each finds again what was stable; checks S1 to S6 on the way, that nobody leads on a disk that
//   keeps nothing, that relays tell nothing but what their site has said, and once the faults have stopped, that every live replica finishes.
// Thread safety: none. Invariants: everything follows from the seed; the last epoch, the one before as long as not everybody has left
//   it, and every next one that was proposed keep a quorum. Ownership: owns all replicas.
// Failure: violation() tells the first broken rule.
class StreamWorld {
 public:
  StreamWorld(std::uint64_t seed, bool keep_trace);

  // Faults and work, then healing, then everybody must finish.
  void run();

  const std::string& violation() const { return violation_; }
  const std::string& trace() const { return trace_; }

 private:
  struct Read {
    Instance acknowledged = 0;  // when it began
  };
  // A node's part in one epoch.
  struct Part {
    std::unique_ptr<Stream> stream;
    StreamConfig config;
    TimeNs wake_at = 0;  // of the scheduled tick
  };
  // What a node's log has of one epoch, and what waits for it.
  struct Disk {
    StreamConfig config;
    Instance base = 0;  // the state that the epoch began with, or a later one
    std::uint64_t digest = 0;
    std::vector<Persist> kept;                             // in order
    std::size_t stable = 0;                                // of these
    std::vector<std::pair<std::uint64_t, Outgoing>> held;  // with the mark waited for
  };
  struct Node {
    NodeId id = 0;
    SiteId site = 0;
    bool crashed = false;
    std::map<std::uint32_t, Part> parts;  // by epoch
    std::map<std::uint32_t, Disk> disks;  // by epoch
    bool down = false;                    // and will be started again
    std::uint64_t lives = 0;
    TimeNs disk_hung_until = 0;
    TimeNs last_sync_ends = 0;
    TimeNs could_leave_since = 0;  // its disk is late, and all others could lead; 0: not so
    std::optional<StreamEnd> end;  // told by the last part, and not applied yet
    TimeNs clock_offset = 0;
    std::int64_t clock_ppm = 0;
    TimeNs paused_until = 0;
    TimeNs hung_until = 0;  // its state machine does not apply
    TimeNs slow_until = 0;  // what it sends takes long
    Instance applied = 0;
    Instance handed_out = 0;
    std::uint64_t digest = 0;
    std::vector<DecidedEntry> unapplied;
    std::map<std::uint64_t, Read> reads;
  };
  struct Successor {
    std::pair<std::uint32_t, Ballot> place;  // epoch, ballot
    TimeNs borrowed_before = 0;              // by the world's clock
  };
  struct Event {
    TimeNs at = 0;
    std::uint64_t number = 0;
    std::function<void()> action;
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : number > other.number; }
  };
  struct Network {
    std::uint32_t loss_ppm = 0;
    std::uint32_t repeat_ppm = 0;
    std::uint32_t late_ppm = 0;  // messages that take up to late_max
    TimeNs delay_min = 0;
    TimeNs delay_max = 0;
    TimeNs late_max = 0;
    std::vector<std::vector<bool>> blocked;  // from, to
  };

  struct Epoch {
    StreamConfig config;
    std::vector<StreamMember> members;
    Instance base = 0;
    std::uint64_t digest = 0;  // of the state at the base
    std::unique_ptr<StreamInvariants> invariants;
    std::map<std::pair<NodeId, Ballot>, Instance> acknowledged;  // how far a member has said itself, under each ballot
  };

  // stream_world.cc: the machine.
  void schedule(TimeNs at, std::function<void()> action);
  bool step();
  TimeNs clock_of(const Node& node) const;
  void with(std::size_t index, std::uint32_t epoch, const std::function<void(Stream&, TimeNs)>& input);
  void carry_out(std::size_t index, std::uint32_t epoch);
  void check_lending(const Node& node, std::uint32_t epoch, const StreamOutput& out);
  void apply(std::size_t index);
  void check_read(Node& node, const AnsweredRead& read);
  void send(std::size_t from, Outgoing outgoing);
  void deliver(std::size_t from, std::size_t to, wire::StreamMessage message);
  void check_relayed(const Node& node, std::uint32_t epoch, const StreamOutput& out);
  void arm(std::size_t index, std::uint32_t epoch);
  void check();
  void fail(const std::string& what);
  void note(const std::string& line);

  // stream_disks.cc: what nodes find again.
  void keep(std::size_t index, std::uint32_t epoch, StreamOutput& out);
  void sync(std::size_t index, std::uint32_t epoch);
  void release_held(std::size_t index, std::uint32_t epoch, std::uint64_t mark);
  void take_checkpoint(std::size_t index);
  void stop_node(std::size_t index);
  void start_node(std::size_t index);
  bool anybody_down() const;
  void check_late_disk(Node& node);

  // stream_epochs.cc: members change.
  Stream* present(std::size_t index);  // of the last epoch the node takes part in; nullptr: none, or crashed
  void start_part(std::size_t index, StreamConfig config);
  void end_epoch(std::size_t index);
  void open_epoch(const StreamConfig& config, Instance base, std::uint64_t digest);
  void learn(std::size_t index, StreamConfig config);
  void change_members(std::size_t index);
  bool is_able(const Node& node, std::uint32_t epoch) const;
  bool has_quorum(const std::vector<StreamMember>& members, std::uint32_t epoch, const Node* without) const;
  bool bears_loss_of(const Node& node) const;
  std::size_t index_of(NodeId node) const;

  // stream_faults.cc: what happens to it.
  void choose_shape();
  void choose_network();
  void clients_work();
  void client_step();
  void faults_strike();
  void strike();
  void heal();
  void crash(std::size_t index);
  SiteId writers_site();
  std::size_t relay_or(std::size_t other);
  bool finished();
  std::size_t any_node() { return random_.below(nodes_.size()); }

  const std::uint64_t seed_;
  const bool keep_trace_;
  Random random_;
  TimeNs now_ = 0;
  std::uint64_t event_number_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Node> nodes_;
  StreamConfig config_;
  Network network_;
  std::map<std::uint32_t, Epoch> epochs_;
  std::vector<std::vector<StreamMember>> proposed_;  // for the epoch after the last one
  std::uint32_t change_ppm_ = 0;
  TimeNs sync_max_ = 0;  // of a sync; 0: not kept on disk
  bool faults_on_ = true;
  bool clients_on_ = true;
  TimeNs client_pause_max_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t tags_ = 0;
  Instance acknowledged_ = 0;  // the highest that any client knows of
  Successor newest_;           // of all coordinators
  TimeNs lent_ = 0;            // the latest time from which something lent counts
  std::string violation_;
  std::string trace_;
};

}  // namespace juxmem::sim

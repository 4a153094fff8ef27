// SnapshotFetch: gets a snapshot of a group's state from another member, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: asks the nearest member that has a state far enough, keeps a few pieces in flight, and hands them on in their order.
// Thread safety: none; the provider's event loop.
// Invariants: pieces handed on between two beginnings are of one snapshot, from 0, each once; what is in flight or has come too
//   early is bounded by kWindow pieces.
// Ownership: a value; knows the pieces only until it hands them on.
// Failure: lost questions and answers are repeated; a server that is silent, has given the snapshot up, or whose pieces are not sound is
//   left for the next one, from the beginning. It never gives up by itself: stop() ends it.
class SnapshotFetch {
 public:
  using Send = std::function<void(NodeId to, const wire::ReadSnapshot& request)>;

  // A piece in its turn.
  struct Piece {
    bool is_first = false;  // of a snapshot: what came before is void
    bool is_last = false;
    Instance at = 0;
    Instance since = 0;  // it brings what has changed since then; 0: everything
    Buffer data;
  };

  // `servers`: the other members, the nearest first.
  SnapshotFetch(GroupId group, std::vector<NodeId> servers, const Timing& timing, Send send);

  // Begins, or begins again if what is being fetched does not reach so far. Goes on otherwise. `since`: the state that is there and may be
  // changed; 0: none. It counts for all snapshots until stop() or refuse(), of which none is then older than one that was begun before.
  void want(TimeNs now, Instance at_least, Instance since = 0);
  // The group has other members now. Not while it is active.
  void use_servers(std::vector<NodeId> servers);
  // The pieces cannot be used: from another server, from the beginning, after a pause.
  void refuse(TimeNs now);
  void stop();
  bool is_active() const { return phase_ != Phase::kIdle; }

  // The pieces whose turn has come.
  std::vector<Piece> on_reply(TimeNs now, NodeId from, wire::SnapshotReply reply);
  void tick(TimeNs now);
  TimeNs next_tick() const { return next_tick_; }

  std::uint32_t percent() const { return percent_; }
  NodeId server() const { return servers_.empty() ? 0 : servers_[turn_ % servers_.size()]; }

 private:
  enum class Phase : std::uint8_t { kIdle, kAsking, kFetching };

  void ask_first(TimeNs now);
  void next_server(TimeNs now);
  void ask_ahead(TimeNs now);
  void ask(std::uint64_t piece);
  void repeat_questions();

  const GroupId group_;
  std::vector<NodeId> servers_;
  const Timing timing_;
  Send send_;
  Phase phase_ = Phase::kIdle;
  Instance at_least_ = 0;
  Instance since_ = 0;
  std::size_t turn_ = 0;             // whose turn it is among the servers
  std::uint32_t silent_rounds_ = 0;  // questions repeated since the server answered last
  std::uint64_t snapshot_ = 0;
  Instance at_ = 0;
  std::uint64_t next_ = 0;   // piece to be handed on
  std::uint64_t asked_ = 0;  // pieces before this one have been asked for
  bool last_is_known_ = false;
  std::map<std::uint64_t, wire::SnapshotReply> early_;
  std::uint32_t percent_ = 0;
  TimeNs next_tick_ = 0;
};

}  // namespace juxmem

// GridChecks: what must be true of all replicas of all groups, seen at once.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consistency/paxos/stream_invariants.h"
#include "juxmem/provider/provider.h"
#include "tests/sim/grid/sim_world.h"
#include "tests/sim/grid/told_checks.h"

namespace juxmem::sim {

// What for: S1 to S4 by the stream's own invariants, S3 also by the digests of equal places, C1 over all agents whose sessions
//   live in the log; no group has more memory than the root has reserved for it.
//   Incremental: looks only at what a step may have changed.
// Thread safety: none. Ownership: borrows the world; providers tell when they end.
// Failure: a violation of the world.
class GridChecks {
 public:
  explicit GridChecks(SimWorld& world) : world_(world) {}

  // The root's members: the nodes 1 to `count`.
  void set_managers(std::size_t count);
  // The managers have data folders.
  void root_is_on_disk() { kept_on_disk_.insert(kRootGroup); }
  ToldChecks& told() { return told_; }
  // To be called after every turn of a provider, and once before it ends.
  void after_turn(const Provider& provider);
  // The provider's life is over; its acceptors are lost.
  void ended(const Provider& provider);

  // Whether the `living` nodes hold a quorum of the group. False for an unknown group.
  bool has_quorum(GroupId group, const std::set<NodeId>& living) const;
  // Whether every group of which the living hold a quorum would still have one without this node.
  bool can_spare(NodeId node, std::set<NodeId> living) const;
  // Whether every group on disk would still have a quorum that remembers if this node had forgotten everything.
  bool can_forget(NodeId node) const;
  // Its data folder is damaged.
  void may_have_forgotten(NodeId node);
  // Nodes that were seen for the first time in a later epoch of a group on disk since the last call.
  std::vector<NodeId> take_begun() { return std::exchange(has_begun_, {}); }
  // Every group of which the living hold a quorum, the root, too, has living members only, each with the whole state.
  bool all_whole(const std::set<NodeId>& living) const;
  std::vector<GroupId> groups() const;
  // By members that were left behind.
  std::uint64_t snapshots_installed() const { return snapshots_installed_; }
  // Whether the root has reserved exactly what the groups have, of which the living hold a quorum.
  bool quotas_are_settled(const std::set<NodeId>& living) const;

 private:
  struct Member {
    const Stream* stream = nullptr;
    Instance handed_out = 0;
    Ballot promised;
    Instance last = 0;
    std::uint64_t installed = 0;  // snapshots
    bool complete = true;         // all it applied was seen; false once it has dropped an entry in the turn that decided it
    bool is_able = false;         // has the state that the epoch began with
    bool was_ended = false;       // and if it is kept on disk, it may come back
    bool may_be_absent = false;   // since before the group was made
    bool has_forgotten = false;   // what it voted in this epoch: the node has another life now
  };
  struct Epoch {
    Epoch(std::vector<StreamMember> list, Instance base);
    std::vector<StreamMember> list;
    Instance base = 0;
    QuorumSystem quorums;
    StreamInvariants invariants;
    std::map<NodeId, Member> members;
  };
  struct Group {
    std::map<std::uint32_t, Epoch> epochs;
    std::set<NodeId> followed;                  // have had the whole state as learners
    std::map<Instance, std::uint64_t> digests;  // of the state right after
    Instance newest = 0;                        // the furthest any replica has applied, and
    std::set<SessionId> live;                   // the sessions that lived then
    std::uint64_t quota_bytes = 0;              // and the group's memory
  };

  void learn_groups(const Provider& provider);
  void look_at(const Provider& provider, GroupId number, const Replica& replica, Group& group);
  void look_at_end(GroupId number, const Replica& replica, Group& group);
  void look_at_entries(const Provider& provider, GroupId number, const Replica& replica, Epoch& epoch);
  void look_at_state(const Provider& provider, GroupId number, const Replica& replica, Group& group);
  void look_at_learner(const Provider& provider, GroupId number, Group& group) const;
  // Those that an epoch begins with have the state.
  void check_beginning(GroupId number, const Group& group, const Epoch& before, const Epoch& begun);
  void check_told(const Provider& provider);
  void forget_streams(NodeId node, const Provider* provider);
  void forget_votes(const Provider& provider);
  void check_streams(Epoch& epoch);
  void note_state(const Replica& replica, Group& group);
  void check_quotas(const Provider& provider);
  void check_holdings(const Provider& provider);
  static std::uint64_t able_of(const Group& group, const std::set<NodeId>& living);
  static bool quorum_of(const Group& group, const std::set<NodeId>& living);
  // The last epoch has begun, and its new members are still learning how the one before ended.
  static bool is_beginning(const Group& group, const std::set<NodeId>& living);

  SimWorld& world_;
  ToldChecks told_;
  std::uint64_t snapshots_installed_ = 0;
  std::map<GroupId, Group> groups_;
  std::set<const Provider*> providers_;  // that live
  std::set<NodeId> joined_;              // ever
  std::vector<NodeId> has_begun_;
  std::set<GroupId> kept_on_disk_;
  std::map<GroupId, std::uint64_t> reserved_;  // at the root's newest state
};

}  // namespace juxmem::sim

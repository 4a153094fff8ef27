// ToldChecks: what members of groups on disk have told others, they remember after any restart.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/provider/provider.h"
#include "juxmem/wire/message.h"

namespace juxmem::sim {

// What for: S2 from outside: a promise or an acceptance that has left a node is there when it comes back, and so is the state that its epoch
//   began with; who has forgotten it takes no part. Sees every packet when it is sent, and every replica when it appears.
// Thread safety: none. Invariants: knows the most that each node has told in each epoch. Ownership: none.
// Failure: returns what is broken, for the simulator to report.
class ToldChecks {
 public:
  using Broken = std::optional<std::string>;

  void sent(const wire::Packet& packet);
  // Nodes that have told something of a later epoch than their group's first one, for the first time since the last call.
  std::vector<NodeId> take_first_votes() { return std::exchange(first_votes_, {}); }
  // `base`: where the replica's epoch begins; 0: not known.
  Broken look_at(const Provider& provider, const Replica& replica, Instance base);
  // To be called after look_at() for all replicas: those that are not there.
  Broken look_at_missing(const Provider& provider);
  void ended(NodeId node);
  // Its data folder is damaged: it may take no part any more where it has voted.
  void may_have_forgotten(NodeId node);

 private:
  struct Told {
    Ballot promised;
    std::map<Instance, Ballot> accepted;  // of what it did not know decided
    bool is_seen = false;                 // the replica, in this life
  };
  Told& told_by(NodeId node, const StreamId& stream);
  static void note_accepted(Told& told, const Ballot& under, Instance decided, Instance up_to);
  static Broken compare(const Told& told, const Replica& replica, Instance base);

  std::map<NodeId, std::map<StreamId, Told>> told_;
  std::set<NodeId> may_be_absent_;
  std::vector<NodeId> first_votes_;
};

}  // namespace juxmem::sim

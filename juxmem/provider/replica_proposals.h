// Proposals: what a coordinator has put into the log and somebody waits for.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// A command with whoever wants to hear its reply: an agent (by node and tag), or this provider itself.
struct Proposal {
  NodeId from = 0;  // 0: this provider itself
  std::uint64_t tag = 0;
  wire::Command command;
  Buffer encoded;
  Buffer data;
  std::function<void(const wire::Reply&)> done;  // of own ones; may be empty
  std::uint64_t size_bytes() const { return encoded.size() + data.size() + 256; }
};

// What for: remembers proposals by the place they were given, so that their replies find their way; a request that is sent again
//   while it is under way is not put into the log again.
// Thread safety: none; the provider's event loop.
// Invariants: an instance has one proposal; (from, tag) occurs once, waiting or placed; what waits is bounded in bytes.
// Ownership: a value; lives for one time of coordinatorship and is emptied at its end.
// Failure: beyond the bound a proposal is not taken: its agent asks again.
class Proposals {
 public:
  bool contains(NodeId from, std::uint64_t tag) const { return from != 0 && known_.contains({from, tag}); }

  // What was placed there before, under a lower ballot, is forgotten: its agent asks again.
  void place(Instance instance, const Ballot& ballot, Proposal proposal);
  // Takes out what was placed there under that ballot.
  std::optional<Proposal> applied(Instance instance, const Ballot& ballot);

  // For those the stream has no room for now. False: no room here either.
  bool wait(Proposal proposal);
  bool has_waiting() const { return !waiting_.empty(); }
  Proposal& first_waiting() { return waiting_.front(); }
  Proposal take_first_waiting();

  // Everything, oldest first; nothing is known afterwards.
  std::vector<Proposal> take_all();

 private:
  struct Placed {
    Ballot ballot;
    Proposal proposal;
  };

  void forget(const Proposal& proposal);

  std::map<Instance, Placed> placed_;
  std::deque<Proposal> waiting_;
  std::uint64_t waiting_bytes_ = 0;
  std::set<std::pair<NodeId, std::uint64_t>> known_;
};

}  // namespace juxmem

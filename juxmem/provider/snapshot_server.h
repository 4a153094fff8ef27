// SnapshotServer: gives the pieces of a replica's snapshots to members that ask for them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/provider/state_machine.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: opens snapshots of the replica's state when members ask for one, and answers for their pieces, in the order asked. Nothing is
//   remembered of the askers: a piece may be asked for again, or by another member.
// Thread safety: none; the provider's event loop.
// Invariants: at most kOpenMax snapshots are open; at most kBytesPerServing leave at once, with a pause before more, which is longer the more
//   entries the replica applies meanwhile, unless that fills the log; one that nobody asks for any more is closed after a while.
// Ownership: a value; the machine is the caller's and may be replaced after clear().
// Failure: what cannot be given is answered by a code (kTryAgain, kSnapshotGone); the asker turns elsewhere. Questions beyond a bound
//   are dropped: they come again.
class SnapshotServer {
 public:
  using Send = std::function<void(NodeId to, wire::SnapshotReply reply)>;

  explicit SnapshotServer(Send send) : send_(std::move(send)) {}

  // What is kept of the log here: an older snapshot is of no use to a new asker, and the asker will need all that comes after its own.
  struct Log {
    Instance first = 1;
    Instance last = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = ~std::uint64_t{0};
  };

  void on_request(TimeNs now, NodeId from, const wire::ReadSnapshot& request, StateMachine& machine, const Log& log);
  void tick(TimeNs now, StateMachine& machine);
  TimeNs next_tick() const;
  // The machine is about to end.
  void clear(StateMachine& machine);

  std::size_t open_count() const { return open_.size(); }

 private:
  struct Open {
    Instance since = 0;                         // what has not changed since then is left out
    std::vector<wire::SnapshotCursor> cursors;  // of the pieces known so far; one more with each that is read
    std::optional<std::uint64_t> last;          // piece
    TimeNs opened_at = 0;
    TimeNs asked_at = 0;
  };
  struct Question {
    NodeId from = 0;
    wire::ReadSnapshot request;
  };

  std::optional<SnapshotNumber> find_or_open(TimeNs now, const wire::ReadSnapshot& request, StateMachine& machine,
                                             Instance log_first);
  void serve(TimeNs now, StateMachine& machine);
  // The bytes sent.
  TimeNs pause(const StateMachine& machine);
  // Whether entries after this one take up so much of the log that they may soon not be kept any more.
  bool must_hurry(Instance at) const;
  std::uint64_t answer(TimeNs now, const Question& question, StateMachine& machine);
  void refuse(const Question& question, Code code);

  Send send_;
  std::map<SnapshotNumber, Open> open_;
  std::deque<Question> questions_;
  TimeNs serve_at_ = 0;
  std::optional<Instance> served_at_;  // what was applied at the last serving
  Log log_;                            // when it was asked last
  bool hurries_ = false;               // for the piece served last
};

}  // namespace juxmem

// One block in the directory: its holders and who waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "juxmem/base/types.h"

namespace juxmem {

struct DirectoryHolder {
  Mode mode = Mode::kNone;
  Grant grant;
};

struct DirectoryRequest {
  SessionId session = 0;
  Mode mode = Mode::kNone;
  std::uint64_t number = 0;  // the agent's
  bool try_only = false;
};

// What for: the rules of who may hold a block together with whom, apart from messages and time.
// Thread safety: none. Invariants: check() holds; a session has at most one request in the queue.
// Ownership: a plain value. Failure: none.
struct DirectoryRecord {
  std::map<SessionId, DirectoryHolder> holders;
  std::deque<DirectoryRequest> queue;  // in order of arrival
  bool freed = false;                  // the block is gone; holders are asked to forget it
  TimeNs recall_at = 0;                // when recalls are repeated; 0 = nothing to repeat

  // The mode in which the session holds the block.
  Mode held_by(SessionId session) const;
  // Whether `session` may have the block in `mode` beside all other holders.
  bool compatible(SessionId session, Mode mode) const;
  // The holders other than `session` that stand in the way of `mode`.
  std::vector<SessionId> in_the_way(SessionId session, Mode mode) const;
  // Puts a request at its place: a repetition changes nothing, a newer one of the same session replaces the older and goes to the
  // end. Returns whether the queue changed.
  bool enqueue(const DirectoryRequest& request);
  bool waits(SessionId session) const;
  // Removes the session's request, if any.
  void dequeue(SessionId session);
  bool unused() const { return holders.empty() && queue.empty(); }
  // D1: one exclusive holder or any number of shared ones.
  bool check() const;
};

}  // namespace juxmem

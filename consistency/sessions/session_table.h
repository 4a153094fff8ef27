// SessionTable: who may change a group's state, and what was already executed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/base/snapshot_map.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/snapshot_filler.h"

namespace juxmem {

// What is to be done with an operation that arrives.
enum class OpState : std::uint8_t {
  kExecute,   // new: execute it, then finish()
  kRepeated,  // executed before: answer with the kept reply
  kStale,     // its slot has gone on to a later operation: the client had confirmed the answer
  kExpired,   // its session is not alive (expired, or never opened)
  kInvalid,   // no operation at all: counter 0, or a slot beyond the limit
};

struct OpLookup {
  OpState state = OpState::kInvalid;
  const wire::Reply* reply = nullptr;  // kRepeated only; valid until the table changes
};

// What became of an operation.
enum class OutcomeState : std::uint8_t {
  kPending,    // its session lives and has not executed it: it may still come
  kExecuted,   // `reply` is its answer
  kNever,      // its session has expired without it: it never will
  kForgotten,  // so long ago that nobody knows: its slot went on, or its session left the list of expired ones
};

struct OpOutcome {
  OutcomeState state = OutcomeState::kForgotten;
  const wire::Reply* reply = nullptr;  // kExecuted only; valid until the table changes
};

struct LiveSession {
  SessionId session = 0;
  NodeId node = 0;
  std::uint64_t incarnation = 0;
};

// What for: the part of a group's replicated state that makes operations happen exactly once (PROTOCOLS section 2).
//   An operation is (session, slot, counter). A slot has one operation outstanding and keeps the reply of its last one, in
//   the manner of the slot tables of NFSv4.1 (RFC 5661, section 2.10.6): memory is bounded by concurrency, and nothing
//   that may still be asked for is forgotten.
// Thread safety: none. Deterministic: equal calls make equal tables and digests.
// Invariants: T1 a session's number is never used twice. T2 counters of a slot only grow. T3 an expired session
//   executes nothing. T4 the slots kept for expired sessions are bounded.
// Ownership: a value.
// Failure: none; whatever is asked has an answer.
class SessionTable {
 public:
  static constexpr std::size_t kExpiredKept = 1024;            // sessions whose last replies are still known
  static constexpr std::size_t kExpiredSlotsKept = 64 * 1024;  // and slots of all of these together

  // The session of this life of this node: the one it has, or a new one with the number `instance`.
  SessionId open(Instance instance, NodeId node, std::uint64_t incarnation);

  // Whether the session was alive until now.
  bool expire(SessionId session);

  // Changes nothing: a coordinator asks it before it puts an operation into the log, a replica before it executes one.
  OpLookup begin(const OpId& op) const;

  // Keeps the reply of an operation for which begin() says kExecute.
  void finish(const OpId& op, wire::Reply reply);

  OpOutcome outcome(const OpId& op) const;

  bool is_alive(SessionId session) const;
  // In the order of their numbers.
  std::vector<LiveSession> live() const;
  std::size_t live_count() const { return live_.size(); }
  std::size_t expired_count() const { return expired_.size(); }

  // Over the whole table; constant time.
  std::uint64_t digest() const;

  // ---- snapshots; opening one costs nothing ----

  void open_snapshot(SnapshotNumber number);
  void close_snapshot(SnapshotNumber number);
  // Adds rows to the piece from the cursor on; true once all are read. First the living, then the expired.
  bool read_living(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  bool read_expired(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const;
  std::uint64_t kept_bytes() const { return live_.kept_bytes() + expired_.kept_bytes(); }
  // Into a table that nothing has changed but earlier rows of the same snapshot at `at`. Error: kProtocol for what no table has.
  Status restore(const wire::SessionRow& row, Instance at);

 private:
  struct Slot {
    std::uint64_t counter = 0;  // 0: never used
    wire::Reply reply;          // of the operation `counter`
    std::uint64_t digest = 0;   // what this slot contributes to the table's
  };
  struct Session {
    NodeId node = 0;
    std::uint64_t incarnation = 0;
    std::vector<Slot> slots;  // as far as used
    std::uint64_t cost_bytes() const { return sizeof(Session) + slots.size() * sizeof(Slot); }
  };
  struct Expired {
    SessionId session = 0;
    Session state;
    std::uint64_t cost_bytes() const { return sizeof(Expired) + state.cost_bytes(); }
  };

  const Session* expired_session(SessionId session) const;
  void expire_last(SessionId session, Session ended);
  void forget_oldest_expired();
  static bool read_session(SessionId number, const Session& session, bool alive, wire::SnapshotCursor& cursor,
                           wire::SnapshotFiller& filler);
  Result<Session*> restored_session(const wire::SessionRow& row, Instance at);

  SnapshotMap<SessionId, Session> live_;
  std::map<std::pair<NodeId, std::uint64_t>, SessionId> by_opener_;  // live ones
  SnapshotMap<std::uint64_t, Expired> expired_;                      // in the order of their ends
  std::map<SessionId, std::uint64_t> expired_places_;
  std::uint64_t last_place_ = 0;
  std::size_t expired_slots_ = 0;
  std::uint64_t digest_ = 0;  // sum over slots and sessions
};

}  // namespace juxmem

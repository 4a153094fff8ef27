// StateMachine: what a replica runs its group's log on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "consistency/sessions/session_table.h"
#include "juxmem/base/buffer.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/commands.h"
#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// What applying one entry did, for those who wait for it.
struct Applied {
  Instance instance = 0;
  OpId op;                // empty (counter 0) if the entry was no operation
  wire::Reply reply;      // to send as Executed
  bool executed = false;  // false: repeated, refused, or nothing to execute
  SessionId opened = 0;   // this session is alive now (it may have been before)
  SessionId expired = 0;  // this session was alive until now
  BlockId changed = 0;    // its content has a new version: reply.version
  BlockId freed = 0;      // it exists no more
  bool catalog_changed = false;  // providers or groups: watchers want to know
};

// What for: runs a group's decided entries: sessions and exactly-once are the same for every group, what commands do is the
//   derived class's.
// Thread safety: none; the provider's event loop.
// Invariants: M1 deterministic: machines of the same kind that applied the same entries have equal state and digest.
//   M2 an operation is executed at most once, and only while its session is alive. M3 instances only grow.
// Ownership: owns its state; derived classes may borrow storage that outlives them.
// Failure: a command that cannot be executed changes nothing and says why in its reply; so does one that cannot be decoded.
class StateMachine {
 public:
  StateMachine() = default;
  virtual ~StateMachine() = default;
  StateMachine(const StateMachine&) = delete;
  StateMachine& operator=(const StateMachine&) = delete;

  // Runs the next decided entry. Entries that are no commands (noop, digest, stop) only move the place.
  Applied apply(Instance instance, const wire::Entry& entry);
  // The same for a command that is decoded already.
  Applied apply(Instance instance, const wire::Command& command, const Buffer& data);

  Instance applied() const { return applied_; }
  const SessionTable& sessions() const { return sessions_; }

  // Over the whole state. Replicas that applied the same entries have the same.
  std::uint64_t digest() const;

 protected:
  // Executes a command for the first time. `op.counter` is 0 for those that are idempotent by themselves.
  virtual wire::Reply execute(Instance instance, const OpId& op, const wire::Action& action, const Buffer& data,
                              Applied& applied) = 0;
  // Whether the action may come without an operation.
  virtual bool is_idempotent(const wire::Action& action) const = 0;
  // Whether the action belongs to an operation without being it: executed each time until its operation has been executed.
  virtual bool is_preparation(const wire::Action& action) const = 0;
  virtual void on_session_expired(SessionId session) = 0;
  virtual std::uint64_t state_digest() const = 0;

 private:
  wire::Reply run(Instance instance, const wire::Command& command, const Buffer& data, Applied& applied);
  wire::Reply run_operation(Instance instance, const wire::Command& command, const Buffer& data, Applied& applied);

  SessionTable sessions_;
  Instance applied_ = 0;
};

}  // namespace juxmem

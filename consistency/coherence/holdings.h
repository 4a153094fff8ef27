// Holdings: what an agent owns of all groups' blocks, and who uses it (PROTOCOLS section 3).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "consistency/coherence/local_queue.h"
#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

// A user's wish to take a block. `deadline` on the agent's clock; `try_only`: kBusy rather than wait for users of the block.
struct AcquireWish {
  BlockId block = 0;
  Mode mode = Mode::kNone;
  Token token = 0;  // not 0; unique among the agent's users
  TimeNs deadline = 0;
  bool try_only = false;
};

// A user's answer. kOk: it has the block in `mode` under `grant`; the block's content is that of `version` or later.
struct AcquireAnswer {
  Token token = 0;
  BlockId block = 0;
  Mode mode = Mode::kNone;
  Code code = Code::kOk;  // kBusy, kTimedOut, kTryAgain (no lease within the time limit), kNotFound
  Grant grant;
  Version version = 0;
  std::uint64_t size_bytes = 0;
  Ballot ballot;  // under which everything up to `version` was decided; empty: not known
};

using HoldingsMessage = std::variant<wire::RequestOwnership, wire::Yield, wire::HoldingsReply>;

struct HoldingsOutput {
  std::vector<std::pair<GroupId, HoldingsMessage>> messages;  // to the group's coordinator, in this order
  std::vector<AcquireAnswer> answers;
};

// One block as the agent holds it.
struct HeldBlock {
  Mode mode = Mode::kNone;
  Grant grant;  // of the last ownership taken
  Version version = 0;
  std::uint64_t size_bytes = 0;
  Ballot ballot;

  LocalQueue local;

  // An ownership request on its way; number 0 = none.
  std::uint64_t request = 0;
  Mode request_mode = Mode::kNone;
  bool request_try = false;
  TimeNs request_at = 0;     // when it is sent again
  TimeNs request_pause = 0;  // the present distance between two sendings

  // The directory wants it back.
  bool recalled = false;
  Mode recall_keep = Mode::kNone;
  std::uint32_t passes = 0;  // local users admitted since

  TimeNs wake_at = 0;  // place in the timer set; 0 = not there
};

// The agent's side of ownership, for all groups it uses.
// Thread safety: none; pure core, driven by one event loop.
// Invariants: H1 a user is inside only while the agent holds the block in a mode that allows it, or its session has ended and the user is
//   marked lost; H2 nobody is let in while the session's lease has run out; H3 after a re-registration nothing granted under a
//   lower ballot is taken; H4 an ownership once given away is not taken again by a late message; H5 local users are let in
//   in their arrival order, readers together; H6 a recalled block leaves after at most `local_passes_max` further users.
// Ownership: owns its records; the caller owns sections and sessions and names them by numbers.
// Failure: late, repeated and foreign messages change nothing; what was lost is told by session_ended() and is_lost().
class Holdings {
 public:
  // Holds at most about `held_per_group_max` blocks of a group: idle ones beyond are given back.
  explicit Holdings(const Timing& timing, std::uint64_t held_per_group_max = wire::kListMax / 2);

  // ---- sessions: one per group --------------------------------------------------------------------------------

  // A session is open, and its lease holds until `lease_until`.
  void session_opened(TimeNs now, GroupId group, SessionId session, TimeNs lease_until);
  // The same session's lease was renewed, perhaps after it had run out.
  void lease_renewed(TimeNs now, GroupId group, SessionId session, TimeNs lease_until);
  // The session is gone: everything held of the group is lost. Returns the users that were inside; they stay known, as lost, until
  // they release. Those that wait go on waiting for the next session.
  std::vector<Token> session_ended(TimeNs now, GroupId group);
  // Another coordinator is followed: requests on their way are sent again.
  void coordinator_changed(TimeNs now, GroupId group);

  // ---- users ------------------------------------------------------------------------------------------------------

  // The answer comes in take_output(), perhaps at once.
  void acquire(TimeNs now, const AcquireWish& wish);
  // Ends a section after its publishes are decided (or given up), or withdraws a waiter. False if the token is unknown; a
  // lost one is forgotten.
  bool release(TimeNs now, Token token);
  // Whether the user's section was lost with its session.
  bool is_lost(Token token) const;
  // A publish of this agent was decided, when the coordinator of `ballot` knew everything up to it (empty: not known which).
  void published(BlockId block, Version version, const Ballot& ballot);

  // ---- messages of coordinators -----------------------------------------------------------------------------------

  void on_granted(TimeNs now, const wire::Granted& granted);
  void on_recall(TimeNs now, const wire::Recall& recall);
  void on_reregister(TimeNs now, const wire::Reregister& question);

  // Time limits and repetitions. next_tick(): when to call it at the latest.
  void tick(TimeNs now);
  TimeNs next_tick() const;

  HoldingsOutput take_output();

  // For observers. nullptr: nothing is held, wanted or used of this block.
  const HeldBlock* find(BlockId block) const;
  const std::map<BlockId, HeldBlock>& blocks() const { return blocks_; }
  bool lease_holds(TimeNs now, GroupId group) const;
  SessionId session_of(GroupId group) const;  // 0 = none

 private:
  struct GroupRow {
    SessionId session = 0;  // 0 = none
    TimeNs lease_until = 0;
    Ballot ballot_floor;  // of the last re-registration
    Grant grant_floor;    // nothing up to here is taken for a block without a record
    std::uint64_t held_count = 0;
    BlockId shed_hand = 0;  // where shedding goes on
  };

  GroupRow* row_of(GroupId group, SessionId session);
  std::vector<BlockId> blocks_of(GroupId group) const;
  static bool wants_more(const HeldBlock& held);

  void advance(TimeNs now, BlockId block);
  void admit_users(TimeNs now, BlockId block, HeldBlock& held);
  void yield_if_due(BlockId block, HeldBlock& held, GroupRow& row);
  void request_if_needed(TimeNs now, BlockId block, HeldBlock& held, const GroupRow& row);
  void resend_if_due(TimeNs now, BlockId block, HeldBlock& held, const GroupRow& row);
  void send_yield(BlockId block, SessionId session, const Grant& grant, Mode keep);
  void refuse(BlockId block, const LocalWaiter& waiter, Code code);
  void rearm(BlockId block, HeldBlock& held);
  void forget_if_unused(BlockId block);

  bool takes(const wire::Granted& granted, const GroupRow& row, const HeldBlock* held) const;
  void on_refused(TimeNs now, const wire::Granted& granted);
  bool recall_of_unseen_grant(TimeNs now, const wire::Recall& recall, GroupRow& row);
  void shed_idle(GroupRow& row, GroupId group);

  const Timing& timing_;
  const std::uint64_t held_per_group_max_;
  std::map<GroupId, GroupRow> groups_;
  std::map<BlockId, HeldBlock> blocks_;
  std::map<Token, BlockId> tokens_;  // waiters and users
  std::set<Token> lost_;
  std::set<std::pair<TimeNs, BlockId>> timers_;
  std::uint64_t request_counter_ = 0;
  HoldingsOutput output_;
};

}  // namespace juxmem

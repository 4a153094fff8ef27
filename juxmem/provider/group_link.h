// GroupLink: an agent's way to one group.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "consistency/sessions/session_leases.h"
#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/agent_host.h"
#include "juxmem/provider/agent_timers.h"

namespace juxmem {

class GroupLink;

// What a link tells its agent.
class GroupLinkEvents {
 public:
  virtual ~GroupLinkEvents() = default;
  // The session is open and its lease runs.
  virtual void on_session_opened(GroupLink& link) = 0;
  // The session has expired in the log: what was held under it is gone. The link has no session now.
  virtual void on_session_lost(GroupLink& link, SessionId lost) = 0;
  // The lease of the living session was extended.
  virtual void on_session_renewed(GroupLink& link) = 0;
  // Another node leads the group.
  virtual void on_coordinator(GroupLink& link) = 0;
};

// What for: the agent's session with a group, its slots, and its operations until they are decided.
// Thread safety: none; the agent's event loop.
// Invariants: an operation keeps its OpId while its session lives, so it executes at most once however often it is sent; a slot
//   has one operation outstanding; the lease counts from when the renewal was sent, so it ends before the coordinator's view of it.
// Ownership: owned by the agent; borrows host, timers and events, which outlive it.
// Failure: an operation ends by its answer, its time limit (kTryAgain: outcome unknown) or, when its OpId was fixed, the end of its
//   session (kOwnerDead: not executed).
class GroupLink {
 public:
  // The reply and the instance it was made at; `code` is kTryAgain when the limit passed.
  using OpDone = std::function<void(const wire::Executed& answer)>;
  using AskDone = std::function<void(Result<wire::GroupMessage> answer)>;

  GroupLink(AgentHost& host, const Timing& timing, AgentTimers& timers, GroupLinkEvents& events, GroupId group);
  ~GroupLink();
  GroupLink(const GroupLink&) = delete;
  GroupLink& operator=(const GroupLink&) = delete;

  GroupId group() const { return group_; }
  SessionId session() const { return session_; }
  // The session lives and its lease has not run out at this agent.
  bool lease_holds() const;
  // When the lease ends at this agent; 0 = no session.
  TimeNs lease_until() const { return session_ == 0 ? 0 : lease_.until(); }
  // Whom messages for the coordinator go to now; 0 if the group's members are not known.
  NodeId coordinator();

  // Opens the session if there is none; on_session_opened tells.
  void want_session();

  // A place for one operation, reserved until freed. Nothing while the session is not open or all slots are taken.
  std::optional<OpId> reserve_slot();
  void free_slot(const OpId& op);
  // The next operation in the slot of a reserved one that has ended; the slot stays reserved. Nothing if the session has ended.
  std::optional<OpId> next_in_slot(const OpId& op);
  // Whether the operation is one that the present session reserved once.
  bool has_issued(const OpId& op) const;

  // Proposes an operation in a slot of its own; opens the session first and again if need be.
  void submit(wire::Action action, Buffer data, TimeNs limit, OpDone done);
  // Proposes an operation (or a Stage part) under a reserved OpId. `limit` may be kNever.
  void submit_as(const OpId& op, wire::Action action, Buffer data, TimeNs limit, OpDone done);
  // Asks the coordinator something that changes nothing: Outcome, ReadBlock, ReadNames,
  // ReadCatalogVersion. Their `tag` is filled in.
  void ask(wire::GroupMessage question, TimeNs limit, AskDone done);
  // Sends the coordinator a message whose sender repeats it himself (RequestOwnership, Yield, ...).
  void tell(wire::GroupMessage message);

  // From the network, for this group.
  void on_executed(NodeId from, wire::Executed answer);
  void on_answer(NodeId from, std::uint64_t tag, wire::GroupMessage answer);
  void on_redirect(NodeId from, const wire::Redirect& redirect);
  void on_renewed(NodeId from, const wire::SessionRenewed& renewed);
  // `node` acts as the group's coordinator.
  void heard_coordinator(NodeId node);
  // The local replica follows this node (0 = nobody).
  void on_local_coordinator(NodeId node);
  // The catalog may know the group now.
  void on_news();

  std::size_t pending() const { return pending_.size(); }

 private:
  enum class Kind : std::uint8_t { kOpen, kOwnSlot, kFixed, kAsk };
  static bool has_op(Kind kind) { return kind == Kind::kOwnSlot || kind == Kind::kFixed; }
  struct Pending {
    Kind kind = Kind::kAsk;
    std::uint64_t tag = 0;
    OpId op;
    wire::Action action;  // kOwnSlot: to encode again under another session
    Buffer command;
    Buffer data;
    wire::GroupMessage question;  // kAsk
    NodeId sent_to = 0;
    TimeNs sent_at = 0;
    std::uint32_t sendings = 0;
    std::uint32_t copies = 0;     // sent and not sent back: they may still be executed
    std::uint32_t redirects = 0;  // since the last timer
    bool in_window = false;
    AgentTimers::Id resend;
    TimeNs limit_at = kNever;
    AgentTimers::Id limit;
    OpDone op_done;
    AskDone ask_done;
  };
  struct Slot {
    std::uint64_t counter = 0;
    bool taken = false;
  };

  void suspect(NodeId node);
  bool set_coordinator(NodeId node);
  void open_session();
  void renew();
  void send_renewal();
  void on_renew_time();
  void session_lost(SessionId lost);
  void start(Pending pending);
  void place(Pending& pending);
  void admit_waiting();
  void send(Pending& pending);
  void resend_all();
  void learn_outcome(Pending pending);
  void submit_again(Pending pending);
  void on_resend_time(std::uint64_t tag);
  void on_limit(std::uint64_t tag);
  void retire_slot(Pending& pending);
  Pending take(std::map<std::uint64_t, Pending>::iterator it);

  AgentHost& host_;
  const Timing& timing_;
  AgentTimers& timers_;
  GroupLinkEvents& events_;
  const GroupId group_;

  NodeId coordinator_ = 0;                  // as believed
  TimeNs heard_at_ = 0;                     // when a coordinator last gave a sign of life
  std::map<NodeId, TimeNs> redirected_at_;  // when a node last said that it does not lead
  NodeId local_hint_ = 0;                   // the last that the local replica told of
  NodeId suspected_ = 0;                    // gave no answer last
  std::size_t next_member_ = 0;             // whom to try when nothing is known

  SessionId session_ = 0;
  SessionId slots_of_ = 0;  // the session that `slots_` belong to
  SessionLease lease_;
  bool opening_ = false;
  TimeNs open_sent_ = 0;
  TimeNs renewed_ = 0;                     // when the last answered renewal was sent
  std::uint32_t renewals_redirected_ = 0;  // since the last timer
  AgentTimers::Id renew_timer_;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;

  std::uint64_t last_tag_ = 0;
  std::map<std::uint64_t, Pending> pending_;  // by tag
  std::deque<std::uint64_t> slotless_;        // tags that wait for a session and a slot, in order
  std::deque<std::uint64_t> windowless_;      // tags that wait until less is on its way, in order
  std::uint64_t window_bytes_ = 0;            // on their way
};

}  // namespace juxmem

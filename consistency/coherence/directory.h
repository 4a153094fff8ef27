// Directory: who owns which block of a group in which mode (PROTOCOLS section 3).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "consistency/coherence/directory_record.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

using DirectoryMessage = std::variant<wire::Granted, wire::Recall, wire::Reregister>;

// What the caller has to do, in this order. Before a Granted with code kOk is sent, the caller fills in `version` and `size_bytes` from
// the state it has applied, and may send it only while the coordinator's lease holds.
struct DirectoryOutput {
  std::vector<DirectoryMessage> messages;  // each to the agent of its `session`
  std::vector<SessionId> expire;           // propose ExpireSession for these
};

// The directory of one group, at its coordinator, for one time of coordinatorship.
// Thread safety: none; pure core, driven by one event loop.
// Invariants: D1 a block has one exclusive holder or any number of shared ones; D2 grant numbers grow per block, also across
//   coordinators (the ballot is their high part); D3 nothing is granted before recovered(); D4 the queue of a block is served in the
//   order in which the requests arrived; D5 a holder is forgotten only by its own yield or by the end of its session in the log.
// Ownership: owns its records; soft state, thrown away with the coordinatorship.
// Failure: messages that are late, repeated or of unknown sessions change nothing.
class Directory {
 public:
  Directory(GroupId group, const Timing& timing);

  // Starts a coordinatorship: to be called when an entry of `ballot` has been applied, with the sessions alive in the state at that
  // point. Asks each for its holdings. No agent's lease from former coordinators counts from later than `borrowed_before`: those that
  // told nothing are given up when such a lease has ended, and not before they had half a lease to answer.
  void begin_recovery(TimeNs now, Ballot ballot, std::span<const SessionId> live, TimeNs borrowed_before);
  bool recovered() const { return recovered_; }

  // Entries applied since: a session was opened, has expired; a block was freed.
  void session_opened(SessionId session);
  void session_expired(TimeNs now, SessionId session);
  void block_freed(TimeNs now, BlockId block);

  // Whether the coordinator may renew the lease of this session: it is alive, has told what it holds, and its expiry was not proposed
  // by this directory.
  bool may_renew(SessionId session) const;

  // Messages of agents. `on_request` is for blocks that exist; the caller answers kNotFound for others by itself.
  void on_request(TimeNs now, const wire::RequestOwnership& request);
  void on_yield(TimeNs now, const wire::Yield& yield);
  void on_holdings(TimeNs now, const wire::HoldingsReply& reply);

  // Repeats recalls and questions, and gives up on sessions that told nothing in time. next_tick(): when to call it at the latest.
  void tick(TimeNs now);
  TimeNs next_tick() const;

  DirectoryOutput take_output();

  // For observers.
  const std::map<BlockId, DirectoryRecord>& records() const { return records_; }
  Ballot ballot() const { return ballot_; }

 private:
  struct SessionRow {
    bool registered = false;     // has told what it holds, or was opened under this coordinator
    bool expiry_wanted = false;  // told nothing in time
    std::set<BlockId> blocks;    // with a holding or a request of this session
  };

  DirectoryRecord& record_of(BlockId block);
  Grant next_grant();
  void serve(TimeNs now, BlockId block, bool new_head);
  void grant(BlockId block, DirectoryRecord& record, const DirectoryRequest& request);
  void recall(BlockId block, const DirectoryRecord& record);
  void answer(BlockId block, const DirectoryRequest& request, Code code);
  void arm(BlockId block, DirectoryRecord& record, TimeNs when);
  void drop_if_unused(BlockId block);
  void finish_recovery_if_complete(TimeNs now);
  void ask_unregistered();

  const GroupId group_;
  const Timing& timing_;
  Ballot ballot_;
  bool started_ = false;
  bool recovered_ = false;
  TimeNs recovery_deadline_ = 0;  // sessions that told nothing until then are given up
  TimeNs ask_again_at_ = 0;
  std::uint64_t grant_counter_ = 0;
  std::map<SessionId, SessionRow> sessions_;
  std::map<BlockId, DirectoryRecord> records_;
  std::set<std::pair<TimeNs, BlockId>> recall_times_;  // blocks whose recalls are to be repeated, and when
  DirectoryOutput output_;
};

}  // namespace juxmem

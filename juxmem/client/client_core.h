// ClientCore: a client's side of the block service, asynchronous and deterministic over Env.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "juxmem/base/buffer.h"
#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/client/agent_list.h"
#include "juxmem/client/client_types.h"
#include "juxmem/env/env.h"
#include "juxmem/wire/client_messages.h"

namespace juxmem {

// What for: talks to one agent at a time, goes to another one when it falls silent, and keeps the promise that every call
//   ends and that a release happens once or not at all.
// Thread safety: none; one event loop calls it (it is the loop's Handler). Completions run inside on_packet, on_timer or the
//   call itself, and may call the core again. Who calls it from outside the loop calls end_turn() afterwards.
// Invariants: a request keeps its number however often it is sent; a section granted by an agent that was given up is lost and
//   publishes nothing after its release was answered so; an agent's answer counts only while that agent is the one in use.
// Ownership: borrows the environment, which outlives it. Owns everything it was handed until the completion has run.
// Failure: every completion runs exactly once: with the answer, with kTimedOut or kBusy (the lock or version did not come),
//   kTryAgain (no agent or no quorum answered in time), kOwnerDead (the section is lost), kKeyRefused (by every
//   agent, before anything was sent), or kClosed after stop().
class ClientCore final : public Handler {
 public:
  struct Options {
    std::vector<std::string> addresses;  // agents to begin with, preferred first
    std::uint64_t client = 0;            // random uid of this client's life, not 0
    std::string program;                 // for people: name and pid
    Timing timing;
  };

  ClientCore(Env& env, Options options);
  ~ClientCore() override;
  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;

  // Every call below has a limit in milliseconds: negative = Timing::call_limit_ms; more than wire::kTimeoutMsMax is cut. The
  // completion runs at the latest kGraceMs after the limit, or twice that where a call has two steps.
  static constexpr std::int64_t kGraceMs = 250;

  // Done when an agent has welcomed this client. Other calls need not wait for it. kUnreachable if nobody did.
  void connect(std::int64_t limit_ms, Completion<void> done);

  void allocate(const AllocateSpec& spec, std::int64_t limit_ms, Completion<BlockId> done);
  void free(BlockId block, std::int64_t limit_ms, Completion<void> done);
  void stat(BlockId block, std::int64_t limit_ms, Completion<BlockStat> done);

  // Takes a block. Bytes newer than those the caller has are put into the wants' sinks before the completion, perhaps some of
  // them twice, and some possibly also when it fails. Errors: kBusy (try_only), kTimedOut, kNotFound, kOutOfRange.
  void acquire(AcquireSpec spec, std::int64_t limit_ms, Completion<Acquired> done);
  // More bytes of a section that is held.
  void fetch(SectionId section, std::vector<PageWant> wants, std::int64_t limit_ms, Completion<void> done);

  // Ends a section, publishing the changes if there are any; completes with the block's version. Without changes it completes
  // at once when the agent surely still holds the section for this client. kTryAgain: it happens entirely or not at all. The
  // section is over in any case.
  void release(SectionId section, std::vector<Change> changes, std::int64_t limit_ms, Completion<Version> done);
  // The first changes of a large section, to be sent while the caller seeks the next. Nothing of them is visible before
  // release() has told that there are no more; abandon() is possible instead. Errors are told there, too.
  void release_some(SectionId section, std::vector<Change> changes, std::int64_t limit_ms);
  // Gives a section up without publishing anything; nothing for one that is over.
  void abandon(SectionId section);
  // Whether the section is known to be lost already.
  bool is_lost(SectionId section) const;
  // Whether an agent serves this client at the moment.
  bool is_served() const { return welcomed_; }

  // A shared section of its own around one read. Bytes that were never written are not put: they are zero.
  void read(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, PageSink* sink, std::int64_t limit_ms,
            Completion<Version> done);
  // An exclusive section of its own around one write; all visible at once or not at all. kTryAgain: it may have happened, which is
  // only said when nobody answered in time, or the agent died before it could tell the operation's number.
  void write(BlockId block, std::uint64_t offset, Buffer data, std::int64_t limit_ms, Completion<Version> done);
  // Completes with the block's version once it is newer than `than`. Errors: kTimedOut, kNotFound (freed).
  void wait(BlockId block, Version than, std::int64_t limit_ms, Completion<Version> done);

  // kNameTaken: published for another block.
  void publish(std::string_view name, BlockId block, std::int64_t limit_ms, Completion<void> done);
  void unpublish(std::string_view name, std::int64_t limit_ms, Completion<void> done);
  void lookup(std::string_view name, std::int64_t limit_ms, Completion<BlockId> done);
  // Names with this prefix that come after `after`, in order, at most `limit` (and wire::kNamesPerReplyMax).
  void list(std::string_view prefix, std::string_view after, std::uint32_t limit, std::int64_t limit_ms,
            Completion<NameList> done);

  // Says goodbye; every outstanding completion runs with kClosed, as do those of later calls.
  void stop();

  // Handler
  void on_packet(PeerId from, wire::Packet packet) override;
  void on_peer_event(PeerId peer, PeerEvent event) override;
  void on_timer() override;
  void end_turn() override;

  const ClientStats& stats() const { return stats_; }
  // The address in use or being tried.
  const std::string& agent_address() const { return agents_.current(); }
  NodeId agent_node() const { return agent_node_; }
  const std::vector<wire::ProviderAddress>& providers() const { return agents_.providers(); }
  TimeNs now() const { return env_.clock().now(); }
  std::size_t open_requests() const { return requests_.size(); }
  std::size_t open_sections() const { return sections_.size(); }

 private:
  struct Request;
  struct Section;
  struct AcquireCall;
  struct PageCall;
  struct ReleaseCall;
  struct WriteCall;
  using Answer = Result<wire::ClientAnswer>;
  using AnswerHandler = std::move_only_function<void(Answer)>;
  // What a request becomes when its agent is lost: asked again at the next one, or failed with `lost_`.
  enum class AtLoss : std::uint8_t { kAskAgain, kFail };

  // client_core.cc: requests and their limits
  std::uint64_t ask(wire::ClientRequestBody body, TimeNs deadline, AtLoss at_loss, AnswerHandler on_answer);
  void send_request(Request& request, TimeNs now);
  void send_one_way(wire::ClientRequestBody body);
  void on_answer(wire::ClientAnswer answer);
  void on_operation(const wire::OperationNumber& told);
  void finish(std::uint64_t number, Answer answer);
  void remember_cancelled(std::uint64_t acquire);
  void expire_requests(TimeNs now);
  void resend_requests(TimeNs now);
  void set_resend(Request& request, TimeNs when);
  std::uint64_t confirmed() const;
  TimeNs deadline_after(std::int64_t limit_ms) const;
  wire::ClientRequest stamped(std::uint64_t number, TimeNs deadline, wire::ClientRequestBody body) const;
  void post(wire::ClientMessage message, std::size_t bytes);
  void flush();
  void schedule();
  bool refuse_after_stop(auto& done);

  // client_agent.cc: the agent in use
  void turn_to_agent(TimeNs now);
  void greet(TimeNs now);
  void on_welcome(const wire::Packet& packet, wire::ClientWelcome welcome);
  void on_agent_beat(std::uint64_t incarnation, const wire::AgentBeat& beat);
  void beat(TimeNs now);
  void watch_agent(TimeNs now);
  void change_agent(TimeNs now);
  void on_key_refused(TimeNs now, const char* why);
  void lose_agent();
  void finish_connects(Status status);
  bool agent_surely_knows_us(TimeNs now) const;

  // client_sections.cc: sections
  void ask_acquire(std::shared_ptr<AcquireCall> call);
  void on_acquired(std::shared_ptr<AcquireCall> call, Answer answer);
  void fetch_more(const std::shared_ptr<PageCall>& call);
  void on_pages(const std::shared_ptr<PageCall>& call, const PageWant& want, std::uint64_t offset, std::uint64_t size_bytes,
                Answer answer);
  void put_ranges(PageSink* sink, const wire::ClientAnswer& answer);
  void let_go(std::uint64_t agent_section, BlockId block, TimeNs deadline);

  // client_release.cc: the end of sections
  void send_parts(const std::shared_ptr<ReleaseCall>& call);
  void on_part(const std::shared_ptr<ReleaseCall>& call, bool last, Answer answer);
  std::shared_ptr<ReleaseCall> begin_release(Section& section, SectionId id, std::int64_t limit_ms);
  void give_up(const std::shared_ptr<ReleaseCall>& call, Error error);
  void ask_outcome(const std::shared_ptr<ReleaseCall>& call);
  void settle(const std::shared_ptr<ReleaseCall>& call, Result<Version> outcome);

  // client_calls.cc: everything else
  void read_in_section(BlockId block, std::uint64_t offset, std::uint64_t size_bytes, PageSink* sink, TimeNs deadline,
                       Completion<Version> done);
  void ask_write(const std::shared_ptr<WriteCall>& call);
  void on_written(const std::shared_ptr<WriteCall>& call, const Answer& answer);
  void write_in_section(BlockId block, std::uint64_t offset, Buffer data, TimeNs deadline, Completion<Version> done);
  std::int64_t limit_until(TimeNs deadline) const;

  Env& env_;
  const Options options_;
  AgentList agents_;
  ClientStats stats_;
  bool stopped_ = false;

  // The agent in use.
  PeerId agent_ = 0;
  NodeId agent_node_ = 0;
  std::uint64_t agent_incarnation_ = 0;
  bool welcomed_ = false;
  bool refused_ = false;           // it has answered that it cannot serve now
  std::uint64_t term_ = 1;         // grows whenever an agent, or its memory of us, is lost
  TimeNs agent_lease_ns_ = 0;      // how long it bears our silence
  TimeNs surely_heard_us_at_ = 0;  // it has heard something sent at this time or later
  TimeNs waiting_since_ = 0;       // when the first unanswered sign of life was sent; 0 = none
  TimeNs next_beat_ = 0;           // or next greeting
  std::int64_t greeting_ms_ = 0;   // until the next greeting, growing
  TimeNs last_turn_ = 0;
  std::string refusal_;           // why the last agent did not welcome us
  std::size_t key_refusals_ = 0;  // in a row: so many agents refused our key

  std::uint64_t next_request_ = 1;
  std::uint64_t next_token_ = 1;
  std::uint64_t unconfirmed_ = 0;              // answers that came since the last beat, behind a request that is open
  std::map<std::uint64_t, Request> requests_;  // open ones, by number
  std::size_t bulk_bytes_ = 0;                 // of data in all of them
  std::map<GroupId, OpId> next_writes_;        // what the next one-shot write in a group will be, in this term
  std::set<std::pair<TimeNs, std::uint64_t>> limits_;
  std::set<std::pair<TimeNs, std::uint64_t>> resends_;
  std::set<std::uint64_t> cancelled_acquires_;                 // of this term; a late grant is let go
  std::vector<std::pair<TimeNs, Completion<void>>> connects_;  // waiting for a welcome

  SectionId next_section_ = 1;
  std::map<SectionId, Section> sections_;

  std::vector<wire::Message> outgoing_;
  std::size_t outgoing_bytes_ = 0;
};

}  // namespace juxmem

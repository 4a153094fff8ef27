// AgentSections: what clients do inside blocks, from the wish for the lock to the decided release.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "consistency/coherence/holdings.h"
#include "juxmem/provider/agent_context.h"
#include "juxmem/provider/agent_publish.h"
#include "juxmem/provider/page_reads.h"
#include "juxmem/provider/watchers.h"
#include "juxmem/provider/writer_slots.h"

namespace juxmem {

struct SectionStats {
  std::uint64_t granted = 0;
  std::uint64_t lost = 0;
  std::uint64_t publishes = 0;
  std::uint64_t bytes_published = 0;
};

// What for: sections of clients (acquire ... release), one-shot reads and writes, and the lock under which a block is freed.
// Thread safety: none; the agent's event loop.
// Invariants: a section's changes become visible by one operation under the OpId reserved at its acquire, or never; the lock
//   is let go only when the publish is decided or given up; a dropped section's OpId is used up, so that a late release
//   cannot publish under it.
// Ownership: owned by the agent; borrows context, holdings, page reads and watchers.
// Failure: a section whose session is gone answers kOwnerDead at its release; what became of the last ended sections is
//   remembered for releases that come again.
class AgentSections {
 public:
  AgentSections(AgentContext& context, Holdings& holdings, PageReads& pages, Watchers& watchers);
  ~AgentSections();
  AgentSections(const AgentSections&) = delete;
  AgentSections& operator=(const AgentSections&) = delete;

  void acquire(const RequestCall& call, const wire::AcquireRequest& request);
  void pages(const RequestCall& call, const wire::SectionPagesRequest& request);
  void release(const RequestCall& call, wire::ReleaseRequest request);
  void read(const RequestCall& call, const wire::ReadRequest& request);
  void write(const RequestCall& call, wire::WriteRequest request);
  void free(const RequestCall& call, const wire::FreeRequest& request);
  void outcome(const RequestCall& call, const wire::OutcomeRequest& request);

  // Nobody waits for this acquire, read, write or free any more. False if it is none of these.
  bool cancel(const RequestKey& key);
  // Drops all sections of a client; nothing of them is published that was not on its way.
  void client_gone(std::uint64_t client);
  // The client has received the answer to this request.
  void confirmed(const RequestKey& key);
  // What a client says it holds: sections acquired by requests up to `last`, answered (not in `open`) and not in `held` were released.
  void reconcile(std::uint64_t client, std::uint64_t last, std::span<const std::uint64_t> open,
                 std::span<const std::uint64_t> held);

  void session_opened(GroupLink& link);
  void session_lost(GroupLink& link);
  void session_renewed(GroupLink& link);
  void coordinator_changed(GroupLink& link);
  void on_granted(const wire::Granted& granted);
  void on_recall(const wire::Recall& recall);
  void on_reregister(const wire::Reregister& question);
  void tick();

  // Told when a block was freed through this agent.
  void set_on_freed(std::function<void(BlockId)> on_freed) { on_freed_ = std::move(on_freed); }

  std::size_t open() const { return sections_.size(); }
  // Of one client: held, waited for, or ending.
  std::size_t open_of(std::uint64_t client) const;
  const SectionStats& stats() const { return stats_; }

 private:
  enum class Purpose : std::uint8_t { kSection, kRead, kWrite, kFree };
  enum class State : std::uint8_t { kWaiting, kFetching, kHeld, kEnding };

  struct Section {
    std::uint64_t number = 0;  // also its token in the holdings
    RequestCall call;          // of the acquire, read, write or free
    Purpose purpose = Purpose::kSection;
    State state = State::kWaiting;
    BlockId block = 0;
    Mode mode = Mode::kNone;
    bool try_only = false;
    Version have = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    Buffer write_data;
    OpId told_op;  // a write's, which its client knows; counter 0: none
    // Since the grant:
    Grant grant;
    Ballot ballot;
    Version version = 0;
    std::uint64_t block_bytes = 0;
    OpId op;                    // counter 0: none
    std::uint64_t reading = 0;  // of its first pages
    std::map<RequestKey, std::uint64_t> more_readings;
    // Since its release began:
    SectionChanges changes;
    std::map<std::uint32_t, std::vector<RequestKey>> waiting_parts;  // to be answered when the part is staged
    std::map<RequestKey, AgentTimers::Id> waiting;                   // to be answered at the section's end
  };

  // What became of a section, for those who ask again.
  struct Ended {
    std::uint64_t client = 0;
    OpId op;
    BlockId block = 0;
    Code code = Code::kOk;
    Version version = 0;
  };
  struct GroupOp {
    GroupId group = 0;
    OpId op;
    auto operator<=>(const GroupOp&) const = default;
  };
  // Sessions are numbered by each group for itself.
  static GroupOp in_group(BlockId block, const OpId& op) { return {.group = group_of(block), .op = op}; }

  // Acquiring (agent_sections.cc)
  Section* find(std::uint64_t number);
  std::uint64_t make(const RequestCall& call, Section section);
  void forget_client_of(const Section& section);
  void want(std::uint64_t number);
  void want_again(std::uint64_t number);
  void run_holdings();
  void on_acquired(const AcquireAnswer& answer);
  void granted(Section& section);
  Status reserve_op(Section& section);
  void fetch(Section& section);
  void fetched(std::uint64_t number, Result<wire::PagesReply> reply);
  void enter(Section& section, wire::PagesReply reply);
  void finish_read(Section& section, wire::PagesReply reply);
  void more_pages(std::uint64_t number, const RequestKey& key, Result<wire::PagesReply> reply);

  // Ending (agent_sections_end.cc)
  void take_changes(Section& section, const RequestCall& call, wire::ReleaseRequest& request);
  void publish(Section& section, std::vector<ChangePiece> pieces);
  void stage(Section& section, std::uint32_t part, std::vector<ChangePiece> pieces);
  void staged(std::uint64_t number, std::uint32_t stage, const wire::Executed& answer);
  void install_if_ready(Section& section);
  void begin_write(Section& section);
  void begin_free(Section& section);
  void decided(std::uint64_t number, const wire::Executed& answer);
  void wait_for_end(Section& section, const RequestCall& call);
  void answer_end(const RequestKey& key, Code code, Version version, const std::string& detail, const OpId& next = {});
  void refuse(std::uint64_t number, Code code, const std::string& detail);
  void end(std::uint64_t number, Code code, Version version, const std::string& detail = {});
  void drop(std::uint64_t number);
  void forget(std::uint64_t number);
  OpId keep_writer_slot(Section& section);
  void use_up(BlockId block, const OpId& op);
  void remember(std::uint64_t number, const Section& section, Code code, Version version);
  void answer_ended(const RequestCall& call, std::uint64_t number);

  AgentContext& context_;
  Holdings& holdings_;
  PageReads& pages_;
  Watchers& watchers_;
  std::function<void(BlockId)> on_freed_;

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Section> sections_;
  std::map<RequestKey, std::uint64_t> calls_;                    // acquires and one-shots under way
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_client_;  // (client, section)
  std::map<std::uint64_t, std::size_t> per_client_;              // how many of these
  std::map<GroupOp, std::uint64_t> by_op_;                       // live and remembered sections with an operation
  std::map<std::uint64_t, Ended> ended_;                         // the last ones
  std::deque<std::uint64_t> ended_order_;                        // oldest first
  std::multimap<RequestKey, GroupOp> unconfirmed_;               // slots that wait for the client's confirmation
  WriterSlots writer_slots_;
  bool running_holdings_ = false;
  SectionStats stats_;
};

}  // namespace juxmem

// PageReads: gets pages from the nearest replica that has them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "juxmem/provider/agent_context.h"

namespace juxmem {

// Which pages are wanted.
struct PagesWanted {
  BlockId block = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  Version since = 0;     // newer ones only
  Version at_least = 0;  // as of this version of the block, or later
  Ballot ballot;         // under which everything up to `at_least` was decided; empty = not known
};

// What for: the data of sections: from this provider's own replica when it has one, else from one of the same site, else another.
// Thread safety: none; the agent's event loop.
// Invariants: an answer comes from one replica at one version, at least the one wanted; each reading ends once.
// Ownership: owned by the agent; borrows the context.
// Failure: replicas that do not answer or lag are passed over in turn until the limit (kTryAgain); kNotFound if the block is gone.
class PageReads {
 public:
  using Done = std::function<void(Result<wire::PagesReply> reply)>;

  explicit PageReads(AgentContext& context) : context_(context) {}
  ~PageReads();
  PageReads(const PageReads&) = delete;
  PageReads& operator=(const PageReads&) = delete;

  // May call `done` before it returns. The number cancels; 0 if it is done already.
  std::uint64_t read(const PagesWanted& wanted, TimeNs limit, Done done);
  void cancel(std::uint64_t number);

  void on_pages(NodeId from, wire::PagesReply reply);
  // The group's local replica has applied more.
  void on_applied(GroupId group);

  std::size_t pending() const { return readings_.size(); }

 private:
  struct Reading {
    PagesWanted wanted;
    TimeNs limit = 0;
    Done done;
    bool local = false;  // waits for the local replica
    std::uint32_t tries = 0;
    NodeId asked = 0;
    AgentTimers::Id timer;
  };

  bool try_local(std::uint64_t number, Reading& reading);
  void ask_next(std::uint64_t number);
  void finish(std::uint64_t number, Result<wire::PagesReply> reply);
  wire::ReadPages request_of(std::uint64_t number, const PagesWanted& wanted) const;

  AgentContext& context_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Reading> readings_;
};

}  // namespace juxmem

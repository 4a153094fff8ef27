// What the parts of an agent share.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "juxmem/base/result.h"
#include "juxmem/base/timing.h"
#include "juxmem/base/types.h"
#include "juxmem/provider/agent_host.h"
#include "juxmem/provider/agent_timers.h"
#include "juxmem/provider/group_link.h"

namespace juxmem {

// A request of a client, for as long as the client lives.
struct RequestKey {
  std::uint64_t client = 0;
  std::uint64_t request = 0;
  auto operator<=>(const RequestKey&) const = default;
};

// A request that is under way.
struct RequestCall {
  RequestKey key;
  TimeNs limit = 0;    // when the client stops waiting
  bool moved = false;  // the client may have sent this request through another agent before
};

// How an answer is treated after it was sent.
enum class Keep : std::uint8_t {
  kAnswer,       // repeated if the request comes again
  kWithoutData,  // the same, but the client fetches the data by further requests
  kNothing,      // a request that comes again is executed again: it changes nothing
  kSilent,       // the same, and nobody waits for the answer: it is not sent
};

// Where the parts of an agent put their answers.
// Thread safety: the agent's event loop only. Failure: an answer to a client that is gone is dropped.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // Ends the request. `client` and `request` of the answer are filled in.
  virtual void answer(const RequestKey& key, wire::ClientAnswer answer, Keep keep = Keep::kAnswer) = 0;
  // The request has become this operation, which will be proposed after this.
  virtual void tell_operation(const RequestKey& key, const OpId& op) = 0;
  virtual bool is_alive(std::uint64_t client) const = 0;
  // The request is under way and has not been answered.
  virtual bool expects(const RequestKey& key) const = 0;

  void refuse(const RequestKey& key, Code code, std::string detail = {}) {
    wire::ClientAnswer refusal;
    refusal.code = code;
    refusal.detail = std::move(detail);
    answer(key, std::move(refusal));
  }
};

// The links of an agent, made when first used.
class LinkBook {
 public:
  virtual ~LinkBook() = default;
  virtual GroupLink& link(GroupId group) = 0;
};

// Borrowed by every part; outlives them.
struct AgentContext {
  AgentHost& host;
  const Timing& timing;
  AgentTimers& timers;
  LinkBook& links;
  AnswerSink& answers;

  TimeNs now() const { return host.now(); }
};

}  // namespace juxmem

// The client core's own records; only its source files include this.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "juxmem/client/client_core.h"
#include "juxmem/client/release_parts.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

// A request that waits for its answer.
struct ClientCore::Request {
  std::uint64_t number = 0;
  wire::ClientRequestBody body;
  TimeNs deadline = 0;
  AtLoss at_loss = AtLoss::kAskAgain;
  AnswerHandler on_answer;
  std::function<void(const OpId&)> on_operation;  // the agent has made it this operation
  std::uint64_t term = 0;                         // in which it was sent last; 0 = not yet
  TimeNs first_sent = 0;                          // in that term
  TimeNs resend_at = 0;                           // 0: not planned
  std::int64_t resend_ms = 0;                     // the interval, growing
  std::size_t bytes = 0;                          // of data it carries
};

// A section that this client believes to hold.
struct ClientCore::Section {
  BlockId block = 0;
  Mode mode = Mode::kNone;
  std::uint64_t agent_section = 0;
  OpId op;
  Version version = 0;
  std::uint64_t term = 0;  // another one than the core's: the section is lost
  bool releasing = false;
  std::shared_ptr<ReleaseCall> release;  // once changes have been handed in
};

struct ClientCore::AcquireCall {
  AcquireSpec spec;
  TimeNs deadline = 0;
  Completion<Acquired> done;
};

// Bytes on their way for a section that is held.
struct ClientCore::PageCall {
  SectionId section = 0;
  TimeNs deadline = 0;
  std::vector<PageWant> wants;  // what has not been asked for yet, last first
  std::size_t in_flight = 0;
  bool failed = false;
  Error error;
  Completion<void> done;
};

struct ClientCore::ReleaseCall {
  SectionId section = 0;
  TimeNs deadline = 0;
  ReleaseParts parts;
  std::size_t in_flight = 0;  // parts sent and not answered
  bool final_sent = false;    // from then on it may have happened
  bool settled = false;
  Result<Version> outcome = Version{0};  // if it was settled before release()
  Completion<Version> done;              // from release() on
};

// A one-shot write that has not ended.
struct ClientCore::WriteCall {
  BlockId block = 0;
  std::uint64_t offset = 0;
  Buffer data;
  TimeNs deadline = 0;
  OpId op;                 // counter 0: not known
  std::uint64_t term = 0;  // in which it was told
  Completion<Version> done;
};

inline Result<void> without_value(const Result<wire::ClientAnswer>& answer) {
  if (!answer) return std::unexpected(answer.error());
  return {};
}

// Every completion runs, with kClosed, once the core has been stopped.
bool ClientCore::refuse_after_stop(auto& done) {
  if (!stopped_) return false;
  done(fail(Code::kClosed));
  return true;
}

}  // namespace juxmem

// The client core's sections: taking a block and getting its bytes.
#include <algorithm>
#include <utility>

#include "juxmem/client/client_core.h"
#include "juxmem/client/client_internal.h"

namespace juxmem {
namespace {

constexpr std::size_t kPageRequestsMax = 8;             // in flight for one section
constexpr std::uint64_t kPageRequestBytes = 16U << 20;  // asked at once; what an answer cannot hold is asked for again

}  // namespace

void ClientCore::acquire(AcquireSpec spec, std::int64_t limit_ms, Completion<Acquired> done) {
  if (refuse_after_stop(done)) return;
  auto call = std::make_shared<AcquireCall>();
  call->spec = std::move(spec);
  call->deadline = deadline_after(limit_ms);
  call->done = std::move(done);
  ask_acquire(std::move(call));
}

void ClientCore::ask_acquire(std::shared_ptr<AcquireCall> call) {
  const AcquireSpec& spec = call->spec;
  wire::AcquireRequest request;
  request.block = spec.block;
  request.mode = spec.mode;
  request.try_only = spec.try_only;
  if (!spec.wants.empty()) {
    request.have = spec.wants.front().have;
    request.offset = spec.wants.front().offset;
    request.size_bytes = spec.wants.front().size_bytes;
  }
  const TimeNs deadline = call->deadline;
  ask(request, deadline, AtLoss::kAskAgain,
      [this, call = std::move(call)](Answer answer) mutable { on_acquired(std::move(call), std::move(answer)); });
}

void ClientCore::on_acquired(std::shared_ptr<AcquireCall> call, Answer answer) {
  if (!answer) {
    call->done(std::unexpected(answer.error()));
    return;
  }
  const SectionId id = next_section_++;
  Section& section = sections_[id];
  section.block = call->spec.block;
  section.mode = call->spec.mode;
  section.agent_section = answer->section;
  section.op = answer->op;
  section.version = answer->version;
  section.term = term_;
  ++stats_.sections;

  const Acquired acquired{.section = id, .version = answer->version, .size_bytes = answer->size_bytes};
  const std::vector<PageWant>& wants = call->spec.wants;
  auto pages = std::make_shared<PageCall>();
  pages->section = id;
  pages->deadline = call->deadline;
  if (!wants.empty()) {
    put_ranges(wants.front().sink, *answer);
    const std::uint64_t covered = std::min(answer->covered_bytes, wants.front().size_bytes);
    for (std::size_t i = wants.size(); i-- > 1;) {
      if (wants[i].have < acquired.version) pages->wants.push_back(wants[i]);
    }
    PageWant rest = wants.front();
    rest.offset += covered;
    rest.size_bytes -= covered;
    if (rest.size_bytes != 0) pages->wants.push_back(rest);
  }
  if (pages->wants.empty()) {  // the usual case: everything came with the grant
    call->done(acquired);
    return;
  }
  pages->done = [this, call = std::move(call), acquired](Result<void> fetched) mutable {
    if (fetched) {
      call->done(acquired);
      return;
    }
    const bool lost = is_lost(acquired.section) || fetched.error().code == Code::kOwnerDead;
    abandon(acquired.section);
    if (lost && !stopped_) {
      ask_acquire(std::move(call));  // at the next agent; what was put is put again where it is still newer
    } else {
      call->done(std::unexpected(fetched.error()));
    }
  };
  fetch_more(pages);
}

void ClientCore::fetch(SectionId section, std::vector<PageWant> wants, std::int64_t limit_ms, Completion<void> done) {
  if (refuse_after_stop(done)) return;
  auto call = std::make_shared<PageCall>();
  call->section = section;
  call->deadline = deadline_after(limit_ms);
  std::reverse(wants.begin(), wants.end());
  call->wants = std::move(wants);
  call->done = std::move(done);
  if (is_lost(section)) {
    call->done(fail(Code::kOwnerDead));
    return;
  }
  fetch_more(call);
}

// Keeps several requests under way until everything has been asked for; the last answer completes the call.
void ClientCore::fetch_more(const std::shared_ptr<PageCall>& call) {
  while (!call->failed && !call->wants.empty() && call->in_flight < kPageRequestsMax) {
    PageWant& want = call->wants.back();
    const std::uint64_t size_bytes = std::min(want.size_bytes, kPageRequestBytes);
    const std::uint64_t offset = want.offset;
    const PageWant asked = want;
    want.offset += size_bytes;
    want.size_bytes -= size_bytes;
    if (want.size_bytes == 0) call->wants.pop_back();
    if (size_bytes == 0) continue;
    wire::SectionPagesRequest request;
    request.section = sections_.at(call->section).agent_section;
    request.since = asked.have;
    request.offset = offset;
    request.size_bytes = size_bytes;
    ++call->in_flight;
    ask(request, call->deadline, AtLoss::kFail, [this, call, asked, offset, size_bytes](Answer answer) {
      on_pages(call, asked, offset, size_bytes, std::move(answer));
    });
  }
  if (call->in_flight != 0 || (!call->failed && !call->wants.empty())) return;
  if (call->failed) {
    call->done(std::unexpected(call->error));
  } else {
    call->done({});
  }
}

void ClientCore::on_pages(const std::shared_ptr<PageCall>& call, const PageWant& want, std::uint64_t offset,
                          std::uint64_t size_bytes, Answer answer) {
  --call->in_flight;
  if (!answer || is_lost(call->section)) {
    if (!call->failed) call->error = answer ? Error{Code::kOwnerDead, {}} : answer.error();
    call->failed = true;
  } else if (!call->failed) {
    put_ranges(want.sink, *answer);
    const std::uint64_t covered = std::min(answer->covered_bytes, size_bytes);
    if (covered == 0 && size_bytes != 0) {
      call->failed = true;
      call->error = Error{Code::kProtocol, "the provider answered for no bytes at all"};
    } else if (covered < size_bytes) {
      PageWant rest = want;
      rest.offset = offset + covered;
      rest.size_bytes = size_bytes - covered;
      call->wants.push_back(rest);
    }
  }
  fetch_more(call);
}

void ClientCore::put_ranges(PageSink* sink, const wire::ClientAnswer& answer) {
  const std::size_t count = std::min(answer.ranges.size(), answer.data.size());
  for (std::size_t i = 0; i < count; ++i) {
    stats_.bytes_received += answer.data[i].size();
    if (sink != nullptr) sink->put(answer.ranges[i].offset, answer.data[i].bytes());
  }
}

bool ClientCore::is_lost(SectionId section) const {
  const auto found = sections_.find(section);
  return found == sections_.end() || found->second.term != term_;
}

void ClientCore::abandon(SectionId id) {
  const auto found = sections_.find(id);
  if (found == sections_.end()) return;
  const Section section = found->second;
  sections_.erase(found);
  // What was handed in goes no further, and nobody waits for its answers.
  if (section.release != nullptr && !section.releasing) section.release->settled = true;
  if (section.term == term_ && !section.releasing && !stopped_) {
    let_go(section.agent_section, section.block, deadline_after(-1));
  }
}

// Asked until the agent has heard it, though nobody waits for it.
void ClientCore::let_go(std::uint64_t agent_section, BlockId block, TimeNs deadline) {
  wire::ReleaseRequest release;
  release.section = agent_section;
  release.block = block;
  ask(std::move(release), deadline, AtLoss::kFail, [](Answer) {});
}

}  // namespace juxmem

// Sections until they are entered. How they end is in agent_sections_end.cc.
#include "juxmem/provider/agent_sections.h"

#include <algorithm>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/wire/limits.h"

namespace juxmem {

AgentSections::AgentSections(AgentContext& context, Holdings& holdings, PageReads& pages, Watchers& watchers)
    : context_(context), holdings_(holdings), pages_(pages), watchers_(watchers) {
  // Numbers of another life of this agent, or of another agent, mean nothing here.
  last_number_ = (context.host.random() & 0x7FFFFFFFULL) << 32;
}

AgentSections::~AgentSections() {
  for (auto& [number, section] : sections_) {
    for (auto& [key, limit] : section.waiting) context_.timers.cancel(limit);
  }
}

AgentSections::Section* AgentSections::find(std::uint64_t number) {
  const auto it = sections_.find(number);
  return it == sections_.end() ? nullptr : &it->second;
}

// ---- requests -----------------------------------------------------------------------------------------------------

void AgentSections::acquire(const RequestCall& call, const wire::AcquireRequest& request) {
  if (request.mode != Mode::kShared && request.mode != Mode::kExclusive) {
    return context_.answers.refuse(call.key, Code::kInvalid, "no mode to acquire in");
  }
  Section section;
  section.block = request.block;
  section.mode = request.mode;
  section.try_only = request.try_only;
  section.have = request.have;
  section.offset = request.offset;
  section.size_bytes = request.size_bytes;
  want(make(call, std::move(section)));
}

void AgentSections::read(const RequestCall& call, const wire::ReadRequest& request) {
  Section section;
  section.purpose = Purpose::kRead;
  section.block = request.block;
  section.mode = Mode::kShared;
  section.offset = request.offset;
  section.size_bytes = request.size_bytes;
  want(make(call, std::move(section)));
}

void AgentSections::write(const RequestCall& call, wire::WriteRequest request) {
  Section section;
  section.purpose = Purpose::kWrite;
  section.block = request.block;
  section.mode = Mode::kExclusive;
  section.offset = request.offset;
  section.size_bytes = request.data.size();
  section.write_data = std::move(request.data);
  section.told_op = request.op;
  want(make(call, std::move(section)));
}

void AgentSections::free(const RequestCall& call, const wire::FreeRequest& request) {
  Section section;
  section.purpose = Purpose::kFree;
  section.block = request.block;
  section.mode = Mode::kExclusive;
  want(make(call, std::move(section)));
}

std::uint64_t AgentSections::make(const RequestCall& call, Section section) {
  const std::uint64_t number = ++last_number_;
  section.number = number;
  section.call = call;
  sections_.emplace(number, std::move(section));
  calls_[call.key] = number;
  by_client_.emplace(call.key.client, number);
  ++per_client_[call.key.client];
  return number;
}

void AgentSections::forget_client_of(const Section& section) {
  const std::uint64_t client = section.call.key.client;
  if (by_client_.erase({client, section.number}) == 0) return;
  const auto count = per_client_.find(client);
  if (--count->second == 0) per_client_.erase(count);
}

std::size_t AgentSections::open_of(std::uint64_t client) const {
  const auto count = per_client_.find(client);
  return count == per_client_.end() ? 0 : count->second;
}

bool AgentSections::cancel(const RequestKey& key) {
  const auto it = calls_.find(key);
  if (it == calls_.end()) {
    // Perhaps its answer is on the way: a section nobody will use.
    for (auto at = by_client_.lower_bound({key.client, 0}); at != by_client_.end() && at->first == key.client; ++at) {
      const Section& section = sections_.at(at->second);
      if (section.call.key != key || section.purpose != Purpose::kSection) continue;
      if (section.state == State::kHeld) drop(section.number);
      return true;
    }
    return false;
  }
  const std::uint64_t number = it->second;
  if (find(number)->state == State::kEnding) return true;  // a write or free that is on its way ends by itself
  refuse(number, Code::kTimedOut, "the caller no longer waits");
  return true;
}

// ---- ownership ----------------------------------------------------------------------------------------------------

void AgentSections::want(std::uint64_t number) {
  const Section& section = sections_.at(number);
  context_.links.link(group_of(section.block)).want_session();
  holdings_.acquire(context_.now(), AcquireWish{.block = section.block,
                                                .mode = section.mode,
                                                .token = number,
                                                .deadline = section.call.limit,
                                                .try_only = section.try_only});
  run_holdings();
}

// The grant was lost before anything came of it: the wish is put again under a new number.
void AgentSections::want_again(std::uint64_t number) {
  const auto it = sections_.find(number);
  Section section = std::move(it->second);
  sections_.erase(it);
  forget_client_of(section);
  pages_.cancel(section.reading);
  section.reading = 0;
  if (section.op.counter != 0) {
    by_op_.erase(in_group(section.block, section.op));
    context_.links.link(group_of(section.block)).free_slot(section.op);
    section.op = OpId{};
  }
  section.state = State::kWaiting;
  section.changes = SectionChanges{};
  const RequestCall call = section.call;
  const std::uint64_t again = make(call, std::move(section));
  holdings_.release(context_.now(), number);
  want(again);
}

void AgentSections::run_holdings() {
  if (running_holdings_) return;
  running_holdings_ = true;
  for (;;) {
    HoldingsOutput output = holdings_.take_output();
    if (output.messages.empty() && output.answers.empty()) break;
    for (auto& [group, message] : output.messages) {
      std::visit([&](auto& m) { context_.links.link(group).tell(std::move(m)); }, message);
    }
    for (const AcquireAnswer& answer : output.answers) on_acquired(answer);
  }
  running_holdings_ = false;
}

void AgentSections::on_acquired(const AcquireAnswer& answer) {
  Section* section = find(answer.token);
  if (section == nullptr) {
    if (answer.code == Code::kOk) holdings_.release(context_.now(), answer.token);
    return;
  }
  if (answer.code != Code::kOk) return refuse(answer.token, answer.code, {});
  section->grant = answer.grant;
  section->ballot = answer.ballot;
  section->version = answer.version;
  section->block_bytes = answer.size_bytes;
  granted(*section);
}

void AgentSections::granted(Section& section) {
  if (section.offset > section.block_bytes || section.size_bytes > section.block_bytes - section.offset) {
    return refuse(section.number, Code::kOutOfRange, "the block has " + std::to_string(section.block_bytes) + " bytes");
  }
  if (section.mode == Mode::kExclusive) {
    if (const Status reserved = reserve_op(section); !reserved) {
      return refuse(section.number, reserved.error().code, reserved.error().detail);
    }
  }
  ++stats_.granted;
  switch (section.purpose) {
    case Purpose::kSection:
    case Purpose::kRead:
      return fetch(section);
    case Purpose::kWrite:
      return begin_write(section);
    case Purpose::kFree:
      return begin_free(section);
  }
}

Status AgentSections::reserve_op(Section& section) {
  GroupLink& link = context_.links.link(group_of(section.block));
  if (section.told_op.counter != 0) {
    // Under another operation it could happen twice: who asks for the one that the client knows would hear that it never happened.
    if (!writer_slots_.take(section.call.key.client, link.group(), section.told_op)) return fail(Code::kOwnerDead);
    section.op = section.told_op;
  } else {
    const std::optional<OpId> op = link.reserve_slot();
    if (!op) return fail(Code::kLimit, "too many sections of this agent in the block's group");
    section.op = *op;
  }
  by_op_[in_group(section.block, section.op)] = section.number;
  return {};
}

// ---- data ---------------------------------------------------------------------------------------------------------

void AgentSections::fetch(Section& section) {
  section.state = State::kFetching;
  if (section.size_bytes == 0 || section.version <= section.have) {
    wire::PagesReply nothing_newer;
    nothing_newer.version = section.version;
    nothing_newer.covered_bytes = section.size_bytes;
    return enter(section, std::move(nothing_newer));
  }
  const std::uint64_t number = section.number;
  const PagesWanted wanted{.block = section.block,
                           .offset = section.offset,
                           .size_bytes = section.size_bytes,
                           .since = section.have,
                           .at_least = section.version,
                           .ballot = section.ballot};
  const std::uint64_t reading = pages_.read(
      wanted, section.call.limit, [this, number](Result<wire::PagesReply> reply) { fetched(number, std::move(reply)); });
  if (Section* still = find(number); still != nullptr && reading != 0) still->reading = reading;
}

void AgentSections::fetched(std::uint64_t number, Result<wire::PagesReply> reply) {
  Section* section = find(number);
  if (section == nullptr) return;
  section->reading = 0;
  if (!reply) return refuse(number, reply.error().code, reply.error().detail);
  if (holdings_.is_lost(number)) return want_again(number);
  section->version = reply->version;
  enter(*section, std::move(*reply));
}

void AgentSections::enter(Section& section, wire::PagesReply reply) {
  if (section.purpose == Purpose::kRead) return finish_read(section, std::move(reply));
  section.state = State::kHeld;
  calls_.erase(section.call.key);
  wire::ClientAnswer answer;
  answer.block = section.block;
  answer.size_bytes = section.block_bytes;
  answer.version = section.version;
  answer.section = section.number;
  answer.op = section.op;
  answer.covered_bytes = reply.covered_bytes;
  answer.ranges = std::move(reply.ranges);
  answer.data = std::move(reply.data);
  const RequestKey key = section.call.key;
  context_.answers.answer(key, std::move(answer), Keep::kWithoutData);
}

// Only the bytes asked for, although whole pages were read.
void AgentSections::finish_read(Section& section, wire::PagesReply reply) {
  wire::ClientAnswer answer;
  answer.block = section.block;
  answer.size_bytes = section.block_bytes;
  answer.version = reply.version;
  answer.covered_bytes = std::min(reply.covered_bytes, section.size_bytes);
  const std::uint64_t begin = section.offset;
  const std::uint64_t end = section.offset + answer.covered_bytes;
  for (std::size_t i = 0; i < reply.ranges.size() && i < reply.data.size(); ++i) {
    const std::uint64_t from = std::max(begin, reply.ranges[i].offset);
    const std::uint64_t to = std::min(end, reply.ranges[i].offset + reply.data[i].size());
    if (from >= to) continue;
    answer.ranges.push_back(wire::Range{.offset = from, .size_bytes = to - from});
    answer.data.push_back(reply.data[i].slice(from - reply.ranges[i].offset, to - from));
  }
  const RequestKey key = section.call.key;
  forget(section.number);
  context_.answers.answer(key, std::move(answer), Keep::kNothing);
  run_holdings();
}

void AgentSections::pages(const RequestCall& call, const wire::SectionPagesRequest& request) {
  Section* section = find(request.section);
  if (section == nullptr || section->call.key.client != call.key.client || section->state != State::kHeld ||
      holdings_.is_lost(request.section)) {
    return context_.answers.refuse(call.key, Code::kOwnerDead);
  }
  if (request.offset > section->block_bytes || request.size_bytes > section->block_bytes - request.offset) {
    return context_.answers.refuse(call.key, Code::kOutOfRange);
  }
  const std::uint64_t number = section->number;
  const RequestKey key = call.key;
  const PagesWanted wanted{.block = section->block,
                           .offset = request.offset,
                           .size_bytes = request.size_bytes,
                           .since = request.since,
                           .at_least = section->version,
                           .ballot = section->ballot};
  const std::uint64_t reading = pages_.read(wanted, call.limit, [this, number, key](Result<wire::PagesReply> reply) {
    more_pages(number, key, std::move(reply));
  });
  if (Section* still = find(number); still != nullptr && reading != 0) still->more_readings[key] = reading;
}

void AgentSections::more_pages(std::uint64_t number, const RequestKey& key, Result<wire::PagesReply> reply) {
  Section* section = find(number);
  if (section == nullptr) return context_.answers.refuse(key, Code::kOwnerDead);
  section->more_readings.erase(key);
  if (!reply) return context_.answers.refuse(key, reply.error().code, reply.error().detail);
  // Somebody else has published meanwhile: these pages and those sent before are not one version.
  if (reply->version != section->version) return context_.answers.refuse(key, Code::kOwnerDead);
  wire::ClientAnswer answer;
  answer.block = section->block;
  answer.version = reply->version;
  answer.section = number;
  answer.covered_bytes = reply->covered_bytes;
  answer.ranges = std::move(reply->ranges);
  answer.data = std::move(reply->data);
  context_.answers.answer(key, std::move(answer), Keep::kNothing);
}

// ---- what groups say ----------------------------------------------------------------------------------------------

void AgentSections::session_opened(GroupLink& link) {
  holdings_.session_opened(context_.now(), link.group(), link.session(), link.lease_until());
  run_holdings();
}

void AgentSections::session_renewed(GroupLink& link) {
  holdings_.lease_renewed(context_.now(), link.group(), link.session(), link.lease_until());
  run_holdings();
}

void AgentSections::session_lost(GroupLink& link) {
  writer_slots_.drop_group(link.group());
  const std::vector<Token> lost = holdings_.session_ended(context_.now(), link.group());
  stats_.lost += lost.size();
  link.want_session();
  run_holdings();
}

void AgentSections::coordinator_changed(GroupLink& link) {
  holdings_.coordinator_changed(context_.now(), link.group());
  run_holdings();
}

void AgentSections::on_granted(const wire::Granted& granted) {
  holdings_.on_granted(context_.now(), granted);
  watchers_.learned(granted.block, granted.version);
  run_holdings();
}

void AgentSections::on_recall(const wire::Recall& recall) {
  holdings_.on_recall(context_.now(), recall);
  run_holdings();
}

void AgentSections::on_reregister(const wire::Reregister& question) {
  holdings_.on_reregister(context_.now(), question);
  run_holdings();
}

void AgentSections::tick() {
  if (holdings_.next_tick() > context_.now()) return;
  holdings_.tick(context_.now());
  run_holdings();
}

}  // namespace juxmem

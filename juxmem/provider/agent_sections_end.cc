// How sections end: published, empty, refused, dropped.
#include <algorithm>
#include <utility>

#include "juxmem/provider/agent_sections.h"

namespace juxmem {
namespace {

// Ended sections that are remembered for those who ask again.
constexpr std::size_t kEndedKept = 16384;

// What a client is told for a state machine's answer to Publish, Install, Free or Unstage.
Code told(Code code) {
  switch (code) {
    case Code::kSessionExpired:
    case Code::kStale:
      return Code::kOwnerDead;
    case Code::kQuota:
    case Code::kWrongEpoch:
      return Code::kTryAgain;
    default:
      return code;
  }
}

}  // namespace

// ---- release ------------------------------------------------------------------------------------------------------

void AgentSections::release(const RequestCall& call, wire::ReleaseRequest request) {
  Section* section = find(request.section);
  if (section == nullptr || section->call.key.client != call.key.client || section->purpose != Purpose::kSection) {
    return answer_ended(call, request.section);
  }
  if (section->block != request.block) return context_.answers.refuse(call.key, Code::kInvalid, "not this section's block");
  if (section->state == State::kWaiting || section->state == State::kFetching) {
    return context_.answers.refuse(call.key, Code::kNotHeld);
  }
  const bool empty = request.ranges.empty() && !request.more && request.part == 0;
  if (section->state == State::kHeld && empty) {
    wire::ClientAnswer answer;
    answer.code = holdings_.is_lost(section->number) ? Code::kOwnerDead : Code::kOk;
    answer.version = section->version;
    forget(section->number);
    context_.answers.answer(call.key, std::move(answer), request.answer ? Keep::kAnswer : Keep::kSilent);
    return run_holdings();
  }
  if (empty && !section->changes.submitted) {
    // After some parts of a large release: the client gives it up.
    drop(section->number);
    return answer_end(call.key, Code::kOk, 0, {});
  }
  take_changes(*section, call, request);
}

void AgentSections::take_changes(Section& section, const RequestCall& call, wire::ReleaseRequest& request) {
  const std::uint64_t number = section.number;
  Status valid = check_changes(request.ranges, request.data, section.block_bytes);
  if (section.mode != Mode::kExclusive) valid = fail(Code::kInvalid, "changes of a section that may only read");
  if (!valid) {
    context_.answers.refuse(call.key, valid.error().code, valid.error().detail);
    drop(number);
    return run_holdings();
  }
  section.state = State::kEnding;
  const bool last = !request.more;
  const bool is_new = section.changes.take_part(request.part, last);
  if (last) {
    wait_for_end(section, call);
  } else if (!is_new && section.changes.part_staged(request.part)) {
    context_.answers.answer(call.key, {});
  } else {
    section.waiting_parts[request.part].push_back(call.key);
  }
  if (!is_new) return;
  if (holdings_.is_lost(number)) return end(number, Code::kOwnerDead, 0);
  std::vector<ChangePiece> pieces = cut_changes(request.ranges, request.data);
  if (section.changes.is_single() && pieces.size() <= 1) return publish(section, std::move(pieces));
  stage(section, request.part, std::move(pieces));
}

void AgentSections::publish(Section& section, std::vector<ChangePiece> pieces) {
  const std::uint64_t number = section.number;
  if (pieces.empty()) return end(number, Code::kOk, section.version);
  section.changes.submitted = true;
  ++stats_.publishes;
  stats_.bytes_published += pieces.front().data.size();
  context_.links.link(group_of(section.block))
      .submit_as(section.op,
                 wire::Publish{.block = section.block, .grant = section.grant, .ranges = std::move(pieces.front().ranges)},
                 std::move(pieces.front().data), kNever,
                 [this, number](const wire::Executed& answer) { decided(number, answer); });
}

// A section too large for one entry: its pieces go ahead, invisible, and one small entry makes them visible together.
void AgentSections::stage(Section& section, std::uint32_t part, std::vector<ChangePiece> pieces) {
  const std::uint64_t number = section.number;
  GroupLink& link = context_.links.link(group_of(section.block));
  for (ChangePiece& piece : pieces) {
    const std::uint32_t stage = section.changes.add_stage(part, piece);
    stats_.bytes_published += piece.data.size();
    link.submit_as(section.op, wire::Stage{.block = section.block, .part = stage, .ranges = std::move(piece.ranges)},
                   std::move(piece.data), kNever,
                   [this, number, stage](const wire::Executed& answer) { staged(number, stage, answer); });
  }
  if (pieces.empty()) {
    for (const RequestKey& key : section.waiting_parts[part]) context_.answers.answer(key, {});
    section.waiting_parts.erase(part);
  }
  install_if_ready(section);
}

void AgentSections::staged(std::uint64_t number, std::uint32_t stage, const wire::Executed& answer) {
  Section* section = find(number);
  if (section == nullptr || section->changes.submitted) return;
  if (answer.reply.code != Code::kOk) {
    use_up(section->block, section->op);
    return end(number, told(answer.reply.code), 0, answer.reply.detail);
  }
  const SectionChanges::PartDone part = section->changes.staged(stage);
  if (part.done) {
    const auto waiting = section->waiting_parts.extract(part.part);
    if (waiting) {
      for (const RequestKey& key : waiting.mapped()) context_.answers.answer(key, {});
    }
  }
  install_if_ready(*section);
}

void AgentSections::install_if_ready(Section& section) {
  if (!section.changes.all_staged() || section.changes.submitted) return;
  const std::uint64_t number = section.number;
  if (section.changes.stage_count() == 0) return end(number, Code::kOk, section.version);
  section.changes.submitted = true;
  ++stats_.publishes;
  context_.links.link(group_of(section.block))
      .submit_as(section.op,
                 wire::Install{.block = section.block,
                               .grant = section.grant,
                               .parts = section.changes.stage_count(),
                               .digest = section.changes.digest()},
                 {}, kNever, [this, number](const wire::Executed& answer) { decided(number, answer); });
}

// ---- one-shots ------------------------------------------------------------------------------------------------------

void AgentSections::begin_write(Section& section) {
  section.state = State::kEnding;
  wait_for_end(section, section.call);
  if (section.op != section.told_op) context_.answers.tell_operation(section.call.key, section.op);
  const wire::Range range{.offset = section.offset, .size_bytes = section.size_bytes};
  section.changes.take_part(0, true);
  std::vector<ChangePiece> pieces;
  if (section.size_bytes > 0) pieces = cut_changes({range}, {section.write_data});
  if (pieces.size() <= 1) return publish(section, std::move(pieces));
  stage(section, 0, std::move(pieces));
}

void AgentSections::begin_free(Section& section) {
  const std::uint64_t number = section.number;
  section.state = State::kEnding;
  section.changes.submitted = true;
  wait_for_end(section, section.call);
  context_.links.link(group_of(section.block))
      .submit_as(section.op, wire::Free{.block = section.block}, {}, kNever,
                 [this, number](const wire::Executed& answer) { decided(number, answer); });
}

void AgentSections::decided(std::uint64_t number, const wire::Executed& answer) {
  Section* section = find(number);
  if (section == nullptr) return;
  const Code code = told(answer.reply.code);
  const bool is_free = section->purpose == Purpose::kFree;
  if (is_free && code == Code::kOwnerDead && context_.now() < section->call.limit && !section->waiting.empty()) {
    // Certainly not executed, and the client has not seen anything of it: the whole section again. A write's client knows the operation
    // and must hear what became of it.
    for (auto& [key, limit] : section->waiting) context_.timers.cancel(limit);
    section->waiting.clear();
    return want_again(number);
  }
  const BlockId block = section->block;
  if (code == Code::kOk && is_free) {
    watchers_.on_changed(wire::BlockChanged{.block = block, .version = 0, .code = Code::kNotFound});
    if (on_freed_) on_freed_(block);
  } else if (code == Code::kOk) {
    holdings_.published(block, answer.reply.version, answer.ballot);
    watchers_.learned(block, answer.reply.version);
  }
  end(number, code, answer.reply.version, answer.reply.detail);
}

// ---- ends ---------------------------------------------------------------------------------------------------------

void AgentSections::wait_for_end(Section& section, const RequestCall& call) {
  const std::uint64_t number = section.number;
  const RequestKey key = call.key;
  if (section.waiting.contains(key)) return;
  section.waiting[key] = context_.timers.at(call.limit, [this, number, key] {
    if (Section* late = find(number)) late->waiting.erase(key);
    context_.answers.refuse(key, Code::kTryAgain, "the group gave no answer in time; the change may still happen");
  });
}

void AgentSections::answer_end(const RequestKey& key, Code code, Version version, const std::string& detail,
                               const OpId& next) {
  wire::ClientAnswer answer;
  answer.code = code;
  answer.version = version;
  answer.op = next;
  answer.detail = code == Code::kOk ? std::string() : detail;
  context_.answers.answer(key, std::move(answer));
}

// The section was never entered: its caller is told why, and nothing remains.
void AgentSections::refuse(std::uint64_t number, Code code, const std::string& detail) {
  const RequestKey key = sections_.at(number).call.key;
  forget(number);
  context_.answers.refuse(key, code, detail);
  run_holdings();
}

void AgentSections::end(std::uint64_t number, Code code, Version version, const std::string& detail) {
  Section& section = sections_.at(number);
  std::vector<RequestKey> keys;
  for (auto& [key, limit] : section.waiting) {
    context_.timers.cancel(limit);
    keys.push_back(key);
  }
  std::vector<RequestKey> part_keys;
  for (auto& [part, waiting] : section.waiting_parts) part_keys.insert(part_keys.end(), waiting.begin(), waiting.end());
  section.waiting.clear();
  section.waiting_parts.clear();
  if (section.purpose == Purpose::kSection && section.op.counter != 0) {
    remember(number, section, code, version);
    const GroupOp kept{.group = group_of(section.block), .op = section.op};
    if (!keys.empty() && context_.answers.expects(keys.front())) {
      unconfirmed_.emplace(keys.front(), kept);
    } else {
      context_.timers.at(after_ms(context_.now(), context_.timing.call_limit_ms),
                         [this, kept] { context_.links.link(kept.group).free_slot(kept.op); });
    }
    section.op = OpId{};
  }
  const OpId next = section.purpose == Purpose::kWrite && code == Code::kOk ? keep_writer_slot(section) : OpId{};
  forget(number);
  for (const RequestKey& key : part_keys) answer_end(key, code, version, detail);
  for (const RequestKey& key : keys) answer_end(key, code, version, detail, next);
  run_holdings();
}

// A write has been executed: its client keeps the slot for the next one. The operation of that one; counter 0: it will be told.
OpId AgentSections::keep_writer_slot(Section& section) {
  const std::uint64_t client = section.call.key.client;
  GroupLink& link = context_.links.link(group_of(section.block));
  if (!context_.answers.is_alive(client) || !writer_slots_.has_room(client, link.group())) return {};
  const std::optional<OpId> next = link.next_in_slot(section.op);
  if (!next) return {};
  by_op_.erase(in_group(section.block, section.op));
  section.op = OpId{};
  const std::optional<WriterSlots::Kept> unused = writer_slots_.keep(client, {.block = section.block, .op = *next});
  if (unused) link.free_slot(unused->op);
  return *next;
}

// Nobody will release this section. What is on its way to be published goes on by itself; otherwise its operation is used up.
void AgentSections::drop(std::uint64_t number) {
  Section& section = sections_.at(number);
  if (section.state == State::kEnding) {
    if (section.changes.submitted) return;
    use_up(section.block, section.op);
    return end(number, Code::kOwnerDead, 0);
  }
  if (section.state == State::kHeld && section.op.counter != 0) {
    remember(number, section, Code::kOwnerDead, 0);
    use_up(section.block, section.op);
    section.op = OpId{};
  }
  forget(number);
}

void AgentSections::forget(std::uint64_t number) {
  const auto it = sections_.find(number);
  Section section = std::move(it->second);
  sections_.erase(it);
  forget_client_of(section);
  if (const auto call = calls_.find(section.call.key); call != calls_.end() && call->second == number) calls_.erase(call);
  pages_.cancel(section.reading);
  if (section.op.counter != 0) {
    by_op_.erase(in_group(section.block, section.op));
    context_.links.link(group_of(section.block)).free_slot(section.op);
  }
  holdings_.release(context_.now(), number);
  for (const auto& [key, reading] : section.more_readings) {
    pages_.cancel(reading);
    context_.answers.refuse(key, Code::kOwnerDead);
  }
}

// Executes "nothing" under the operation, so that nothing else ever executes under it and whoever asks gets an answer.
void AgentSections::use_up(BlockId block, const OpId& op) {
  GroupLink& link = context_.links.link(group_of(block));
  if (op.counter == 0 || op.session != link.session()) return;
  const GroupOp kept{.group = group_of(block), .op = op};
  link.submit_as(op, wire::Unstage{.block = block}, {}, kNever, [this, kept](const wire::Executed&) {
    context_.timers.at(after_ms(context_.now(), context_.timing.call_limit_ms),
                       [this, kept] { context_.links.link(kept.group).free_slot(kept.op); });
  });
}

// ---- clients ------------------------------------------------------------------------------------------------------

void AgentSections::client_gone(std::uint64_t client) {
  std::vector<std::uint64_t> numbers;
  for (auto it = by_client_.lower_bound({client, 0}); it != by_client_.end() && it->first == client; ++it) {
    numbers.push_back(it->second);
  }
  for (const std::uint64_t number : numbers) {
    if (sections_.contains(number)) drop(number);
  }
  // A write under one of these may be on its way to us, and its client asking elsewhere what became of it.
  for (const WriterSlots::Kept& kept : writer_slots_.drop_client(client)) use_up(kept.block, kept.op);
  const auto from = unconfirmed_.lower_bound(RequestKey{client, 0});
  auto to = from;
  for (; to != unconfirmed_.end() && to->first.client == client; ++to) {
    const GroupOp kept = to->second;
    context_.timers.at(after_ms(context_.now(), context_.timing.call_limit_ms),
                       [this, kept] { context_.links.link(kept.group).free_slot(kept.op); });
  }
  unconfirmed_.erase(from, to);
  run_holdings();
}

void AgentSections::confirmed(const RequestKey& key) {
  const auto [from, to] = unconfirmed_.equal_range(key);
  for (auto it = from; it != to; ++it) context_.links.link(it->second.group).free_slot(it->second.op);
  unconfirmed_.erase(from, to);
}

void AgentSections::reconcile(std::uint64_t client, std::uint64_t last, std::span<const std::uint64_t> open,
                              std::span<const std::uint64_t> held) {
  std::vector<std::uint64_t> released;
  for (auto it = by_client_.lower_bound({client, 0}); it != by_client_.end() && it->first == client; ++it) {
    const Section& section = sections_.at(it->second);
    const bool unused = section.state == State::kHeld || (section.state == State::kEnding && !section.changes.submitted);
    if (section.purpose != Purpose::kSection || !unused) continue;
    if (section.call.key.request > last || std::ranges::binary_search(open, section.call.key.request)) continue;
    if (!std::ranges::binary_search(held, section.number)) released.push_back(section.number);
  }
  for (const std::uint64_t number : released) {
    if (sections_.at(number).state == State::kEnding)
      drop(number);
    else
      forget(number);
  }
  if (!released.empty()) run_holdings();
}

// ---- asking again ---------------------------------------------------------------------------------------------------

void AgentSections::remember(std::uint64_t number, const Section& section, Code code, Version version) {
  const auto [it, is_new] = ended_.try_emplace(number);
  it->second =
      Ended{.client = section.call.key.client, .op = section.op, .block = section.block, .code = code, .version = version};
  if (!is_new) return;
  ended_order_.push_back(number);
  if (ended_order_.size() <= kEndedKept) return;
  const auto oldest = ended_.find(ended_order_.front());
  ended_order_.pop_front();
  by_op_.erase(in_group(oldest->second.block, oldest->second.op));
  ended_.erase(oldest);
}

void AgentSections::answer_ended(const RequestCall& call, std::uint64_t number) {
  const auto it = ended_.find(number);
  if (it == ended_.end() || it->second.client != call.key.client) {
    return answer_end(call.key, Code::kOwnerDead, 0, "the agent has given the section up");
  }
  answer_end(call.key, it->second.code, it->second.version, {});
}

void AgentSections::outcome(const RequestCall& call, const wire::OutcomeRequest& request) {
  if (request.op.counter == 0) return context_.answers.refuse(call.key, Code::kInvalid, "no operation");
  const RequestKey key = call.key;
  const auto tell = [this, key](const wire::Executed& answer) {
    const Code code = answer.reply.code == Code::kStale ? Code::kTryAgain : told(answer.reply.code);
    answer_end(key, code, answer.reply.version, answer.reply.detail);
  };
  if (const auto it = by_op_.find(in_group(request.block, request.op)); it != by_op_.end()) {
    const std::uint64_t number = it->second;
    if (Section* section = find(number); section != nullptr && section->call.key.client == key.client) {
      if (section->state == State::kEnding && section->changes.submitted) return wait_for_end(*section, call);
      drop(number);
      run_holdings();
    }
    return answer_ended(call, number);
  }
  GroupLink& link = context_.links.link(group_of(request.block));
  if (link.session() != 0 && request.op.session == link.session()) {
    if (!link.has_issued(request.op)) return context_.answers.refuse(key, Code::kInvalid, "no such operation");
    return link.submit_as(request.op, wire::Unstage{.block = request.block}, {}, call.limit, tell);
  }
  link.ask(wire::Outcome{.group = link.group(), .tag = 0, .op = request.op}, call.limit,
           [this, key, tell](Result<wire::GroupMessage> answer) {
             if (!answer) return context_.answers.refuse(key, answer.error().code, answer.error().detail);
             if (const auto* executed = std::get_if<wire::Executed>(&*answer)) tell(*executed);
           });
}

}  // namespace juxmem

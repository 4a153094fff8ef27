#include "juxmem/provider/state_machine.h"

#include <string>
#include <utility>
#include <variant>

#include "juxmem/base/check.h"
#include "juxmem/base/digest.h"
#include "juxmem/wire/codec.h"

namespace juxmem {
namespace {

wire::Reply refusal(Code code, std::string detail) {
  wire::Reply reply;
  reply.code = code;
  reply.detail = std::move(detail);
  return reply;
}

}  // namespace

Applied StateMachine::apply(Instance instance, const wire::Entry& entry) {
  if (entry.kind == wire::EntryKind::kCommand) {
    const Result<wire::Command> command = wire::decode_command(entry.command);
    if (command) return apply(instance, *command, entry.data);
    JUXMEM_CHECK(instance > applied_);
    applied_ = instance;
    Applied applied;
    applied.instance = instance;
    applied.reply = refusal(Code::kInvalid, "the command cannot be decoded: " + command.error().detail);
    return applied;
  }
  JUXMEM_CHECK(instance > applied_);
  applied_ = instance;
  Applied applied;
  applied.instance = instance;
  return applied;
}

Applied StateMachine::apply(Instance instance, const wire::Command& command, const Buffer& data) {
  JUXMEM_CHECK(instance > applied_);
  applied_ = instance;
  Applied applied;
  applied.instance = instance;
  applied.op = command.op;
  applied.reply = run(instance, command, data, applied);
  if (!snapshots_.empty()) close_what_cannot_stay();
  return applied;
}

wire::Reply StateMachine::run(Instance instance, const wire::Command& command, const Buffer& data, Applied& applied) {
  if (const auto* open = std::get_if<wire::OpenSession>(&command.action)) {
    wire::Reply reply;
    reply.session = sessions_.open(instance, open->node, open->incarnation);
    applied.opened = reply.session;
    applied.executed = true;
    return reply;
  }
  if (const auto* expire = std::get_if<wire::ExpireSession>(&command.action)) {
    wire::Reply reply;
    reply.session = expire->session;
    if (sessions_.expire(expire->session)) {
      on_session_expired(expire->session);
      applied.expired = expire->session;
      applied.executed = true;
    }
    return reply;
  }
  if (is_idempotent(command.action)) {
    applied.executed = true;
    return execute(instance, OpId{}, command.action, data, applied);
  }
  return run_operation(instance, command, data, applied);
}

wire::Reply StateMachine::run_operation(Instance instance, const wire::Command& command, const Buffer& data,
                                        Applied& applied) {
  const OpLookup lookup = sessions_.begin(command.op);
  switch (lookup.state) {
    case OpState::kRepeated:
      return *lookup.reply;
    case OpState::kStale:
      return refusal(Code::kStale, "operation " + to_string(command.op) + " is older than its slot's last one");
    case OpState::kExpired:
      return refusal(Code::kSessionExpired, "session " + std::to_string(command.op.session) + " is not alive");
    case OpState::kInvalid:
      return refusal(Code::kInvalid, "operation " + to_string(command.op) + " has no valid number");
    case OpState::kExecute:
      break;
  }
  applied.executed = true;
  wire::Reply reply = execute(instance, command.op, command.action, data, applied);
  if (!is_preparation(command.action)) sessions_.finish(command.op, reply);
  return reply;
}

std::uint64_t StateMachine::digest() const { return digest_with(digest_with(state_digest(), sessions_.digest()), applied_); }

}  // namespace juxmem

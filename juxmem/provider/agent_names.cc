#include "juxmem/provider/agent_names.h"

#include <algorithm>
#include <utility>

#include "juxmem/wire/limits.h"

namespace juxmem {

void AgentNames::stat(const RequestCall& call, const wire::StatRequest& request) {
  const RequestKey key = call.key;
  context_.links.link(group_of(request.block))
      .ask(wire::ReadBlock{.block = request.block, .tag = 0}, call.limit, [this, key](Result<wire::GroupMessage> reply) {
        if (!reply) return context_.answers.refuse(key, reply.error().code, reply.error().detail);
        const auto* facts = std::get_if<wire::BlockFacts>(&*reply);
        if (facts == nullptr) return context_.answers.refuse(key, Code::kInternal);
        wire::ClientAnswer answer;
        answer.code = facts->code;
        answer.block = facts->block;
        answer.size_bytes = facts->size_bytes;
        answer.version = facts->version;
        answer.meta = facts->meta;
        const wire::CatalogGroup* group = context_.host.catalog().group(group_of(facts->block));
        if (group != nullptr) answer.shape = group->shape;
        if (group != nullptr) answer.durability = group->durability;
        context_.answers.answer(key, std::move(answer));
      });
}

void AgentNames::name(const RequestCall& call, const wire::NameRequest& request) {
  if (request.name.empty() || request.name.size() > wire::kNameBytesMax) {
    return context_.answers.refuse(call.key, Code::kInvalid, "a name has 1 to 1024 bytes");
  }
  if (request.block == 0) return submit(call, wire::UnpublishName{.name = request.name});
  // A name for a block that does not exist would lead everybody astray.
  const wire::PublishName command{.name = request.name, .block = request.block};
  context_.links.link(group_of(request.block))
      .ask(wire::ReadBlock{.block = request.block, .tag = 0}, call.limit,
           [this, call, command](Result<wire::GroupMessage> reply) {
             if (!reply) return context_.answers.refuse(call.key, reply.error().code, reply.error().detail);
             const auto* facts = std::get_if<wire::BlockFacts>(&*reply);
             if (facts == nullptr) return context_.answers.refuse(call.key, Code::kInternal);
             if (facts->code != Code::kOk) return context_.answers.refuse(call.key, facts->code);
             submit(call, command);
           });
}

void AgentNames::submit(const RequestCall& call, wire::Action action) {
  const RequestKey key = call.key;
  context_.links.link(kRootGroup).submit(std::move(action), {}, call.limit, [this, key](const wire::Executed& executed) {
    wire::ClientAnswer answer;
    answer.code = executed.reply.code;
    answer.detail = executed.reply.detail;
    context_.answers.answer(key, std::move(answer));
  });
}

void AgentNames::lookup(const RequestCall& call, const wire::LookupRequest& request) {
  const RequestKey key = call.key;
  const bool list = request.list;
  wire::ReadNames question{.tag = 0, .name = request.name, .list = list, .after = request.after, .limit = request.limit};
  if (question.limit == 0 || question.limit > wire::kNamesPerReplyMax) question.limit = wire::kNamesPerReplyMax;
  context_.links.link(kRootGroup).ask(question, call.limit, [this, key, list](Result<wire::GroupMessage> reply) {
    if (!reply) return context_.answers.refuse(key, reply.error().code, reply.error().detail);
    auto* names = std::get_if<wire::NamesReply>(&*reply);
    if (names == nullptr) return context_.answers.refuse(key, Code::kInternal);
    wire::ClientAnswer answer;
    answer.code = names->code;
    if (!list && answer.code == Code::kOk) {
      if (names->rows.empty())
        answer.code = Code::kNoSuchName;
      else
        answer.block = names->rows.front().block;
    }
    if (list) {
      for (wire::NameRow& row : names->rows) {
        answer.names.push_back(std::move(row.name));
        answer.blocks.push_back(row.block);
      }
      answer.more = names->more;
    }
    context_.answers.answer(key, std::move(answer));
  });
}

}  // namespace juxmem

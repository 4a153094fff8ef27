#include "tests/unit/provider/agent_world.h"

#include <algorithm>

#include "juxmem/base/check.h"

namespace juxmem {

// ---- StandInGroup -------------------------------------------------------------------------------------------------

void StandInGroup::receive(NodeId at, NodeId from, wire::GroupMessage message) {
  if (silent) return;
  if (at != leader && !std::holds_alternative<wire::ReadPages>(message)) {
    std::uint64_t tag = 0;
    std::visit(
        [&](auto& m) {
          if constexpr (requires { m.tag; }) tag = m.tag;
        },
        message);
    return send_(at, wire::Redirect{.group = group_, .tag = tag, .coordinator = leader, .epoch = 1});
  }
  std::visit([&](auto& m) { serve(from, m); }, message);
}

wire::Reply StandInGroup::execute(const wire::Command& command, const Buffer& data) {
  const Applied applied = machine_->apply(machine_->applied() + 1, command, data);
  if (applied.changed != 0) {
    std::erase_if(watches_, [&](const wire::WatchBlock& watch) {
      if (watch.block != applied.changed || watch.than >= applied.reply.version) return false;
      send_(leader, wire::BlockChanged{.block = watch.block, .version = applied.reply.version, .code = Code::kOk});
      return true;
    });
  }
  return applied.reply;
}

void StandInGroup::expire(SessionId session) {
  execute(wire::Command{.op = {}, .action = wire::ExpireSession{.session = session}});
}

void StandInGroup::serve(NodeId, wire::Propose& m) {
  ++proposals;
  const Result<wire::Command> command = wire::decode_command(m.command);
  JUXMEM_CHECK(command.has_value());
  wire::Executed executed;
  executed.group = group_;
  executed.tag = m.tag;
  executed.reply = execute(*command, m.data);
  executed.instance = machine_->applied();
  if (answers_lost > 0) {
    --answers_lost;
    return;
  }
  send_(leader, std::move(executed));
}

void StandInGroup::serve(NodeId, wire::Outcome& m) {
  const OpOutcome outcome = machine_->sessions().outcome(m.op);
  if (outcome.state == OutcomeState::kPending) return;
  wire::Executed executed;
  executed.group = group_;
  executed.tag = m.tag;
  if (outcome.state == OutcomeState::kExecuted)
    executed.reply = *outcome.reply;
  else
    executed.reply.code = outcome.state == OutcomeState::kNever ? Code::kOwnerDead : Code::kStale;
  send_(leader, std::move(executed));
}

void StandInGroup::serve(NodeId, wire::RenewSession& m) {
  if (!renews) return;
  send_(leader, wire::SessionRenewed{.group = group_,
                                     .session = m.session,
                                     .sent_at = m.sent_at,
                                     .alive = machine_->sessions().is_alive(m.session),
                                     .ballot = ballot,
                                     .lease_ms = Timing{}.agent_lease_ms});
}

void StandInGroup::serve(NodeId, wire::RequestOwnership& m) {
  requests.push_back(m);
  if (!grants) return;
  const auto block = blocks().find(m.block);
  wire::Granted granted;
  granted.block = m.block;
  granted.session = m.session;
  granted.mode = m.mode;
  granted.request = m.request;
  granted.grant = Grant{.ballot = ballot, .counter = ++grant_counter_};
  granted.ballot = ballot;
  granted.code = block ? Code::kOk : Code::kNotFound;
  if (block) {
    granted.version = block->version;
    granted.size_bytes = block->size_bytes;
  }
  send_(leader, std::move(granted));
}

void StandInGroup::serve(NodeId, wire::Yield& m) { yields.push_back(m); }
void StandInGroup::serve(NodeId, wire::ReadPages& m) { send_(leader, blocks().read_pages(m, 1U << 20)); }
void StandInGroup::serve(NodeId, wire::ReadBlock& m) { send_(leader, blocks().facts(m)); }
void StandInGroup::serve(NodeId, wire::ReadNames& m) { send_(leader, catalog().catalog().read_names(m)); }

void StandInGroup::serve(NodeId, wire::ReadCatalogVersion& m) {
  send_(leader, wire::CatalogVersion{.tag = m.tag, .version = catalog().catalog().version()});
}

void StandInGroup::serve(NodeId, wire::WatchBlock& m) {
  const auto block = blocks().find(m.block);
  if (block && block->version <= m.than) return watches_.push_back(m);
  send_(leader, wire::BlockChanged{
                    .block = m.block, .version = block ? block->version : 0, .code = block ? Code::kOk : Code::kNotFound});
}

// ---- AgentWorld ---------------------------------------------------------------------------------------------------

AgentWorld::AgentWorld(std::uint32_t providers, std::uint64_t capacity_bytes)
    : AgentWorld(std::vector<Seat>(providers, Seat{.capacity_bytes = capacity_bytes})) {}

AgentWorld::AgentWorld(const std::vector<Seat>& seats) : arena_(std::move(*PageArena::create(4ULL << 30))) {
  const auto send = [this](NodeId from, wire::GroupMessage message) {
    in_flight_.push_back(InFlight{.to_agent = true, .from = from, .to = kSelf, .message = std::move(message)});
  };
  groups_[kRootGroup] = std::make_unique<StandInGroup>(kRootGroup, std::make_unique<CatalogMachine>(1), NodeId{1}, send);
  for (std::uint32_t i = 1; i <= seats.size(); ++i) {
    const std::string name = "p" + std::to_string(i);
    root().execute(wire::Command{.op = {},
                                 .action = wire::JoinProvider{.name = name,
                                                              .site = seats[i - 1].site,
                                                              .address = "mem://" + name,
                                                              .incarnation = 20 + i,
                                                              .capacity_bytes = seats[i - 1].capacity_bytes,
                                                              .manager = i == 1,
                                                              .node = i == 1 ? 1U : 0U}});
  }
  agent = std::make_unique<Agent>(*this, timing, limits);
  update_catalog();
}

AgentWorld::~AgentWorld() { agent.reset(); }

void AgentWorld::restart_agent() {
  ++life;
  in_flight_.clear();
  agent = std::make_unique<Agent>(*this, timing, limits);
  agent->on_catalog();
}

void AgentWorld::update_catalog() {
  if (catalog_late || !view_.update(root().catalog().catalog().snapshot())) return;
  for (const wire::CatalogGroup& row : view_.groups()) {
    if (groups_.contains(row.group)) continue;
    groups_[row.group] = std::make_unique<StandInGroup>(
        row.group, std::make_unique<BlockMachine>(row.group, arena_), row.members.front(),
        [this](NodeId from, wire::GroupMessage message) {
          in_flight_.push_back(InFlight{.to_agent = true, .from = from, .to = kSelf, .message = std::move(message)});
        });
  }
  agent->on_catalog();
}

LocalReplica* AgentWorld::replica(GroupId group) {
  const auto found = groups_.find(group);
  const bool is_here = has_replicas && found != groups_.end() && found->second->leader == kSelf;
  return is_here ? found->second.get() : nullptr;
}

void AgentWorld::send(NodeId to, wire::Message message) {
  ++sent;
  ++sent_to[to];
  in_flight_.push_back(
      InFlight{.to_agent = false, .from = kSelf, .to = to, .message = std::move(std::get<wire::GroupMessage>(message))});
}

void AgentWorld::reply(PeerId, wire::Message message) {
  auto& family = std::get<wire::ClientMessage>(message);
  if (auto* answer = std::get_if<wire::ClientAnswer>(&family)) {
    answers_[answer->client][answer->request].push_back(std::move(*answer));
  } else if (auto* welcome = std::get_if<wire::ClientWelcome>(&family)) {
    welcomes.push_back(std::move(*welcome));
  } else if (auto* beat = std::get_if<wire::AgentBeat>(&family)) {
    agent_beats.push_back(*beat);
  } else if (const auto* told = std::get_if<wire::OperationNumber>(&family)) {
    operations_told.push_back(*told);
  }
}

void AgentWorld::run() {
  while (!in_flight_.empty()) {
    InFlight one = std::move(in_flight_.front());
    in_flight_.pop_front();
    if (one.to_agent) {
      agent->on_group(one.from, wire::Message(std::move(one.message)));
      continue;
    }
    GroupId group = kRootGroup;
    std::visit(
        [&](auto& m) {
          if constexpr (requires { m.group; })
            group = m.group;
          else if constexpr (requires { m.block; })
            group = group_of(m.block);
        },
        one.message);
    if (const auto it = groups_.find(group); it != groups_.end())
      it->second->receive(one.to, one.from, std::move(one.message));
    update_catalog();
  }
}

void AgentWorld::pass(std::int64_t ms) {
  constexpr std::int64_t kStepMs = 5;
  for (std::int64_t passed = 0; passed < ms; passed += kStepMs) {
    run();
    now_ += ms_to_ns(kStepMs);
    for (const std::uint64_t client : beating) {
      if (passed % 100 == 0) beat(client);
    }
    agent->tick();
  }
  run();
}

void AgentWorld::hello(std::uint64_t client) {
  agent->on_client(client, wire::ClientMessage(wire::ClientHello{.client = client, .program = "test"}));
}

void AgentWorld::beat(std::uint64_t client) {
  wire::ClientBeat beat;
  beat.client = client;  // `last` 0: says nothing about requests
  agent->on_client(client, wire::ClientMessage(beat));
}

std::uint64_t AgentWorld::ask(wire::ClientRequestBody body, std::uint32_t limit_ms, std::uint64_t client) {
  const std::uint64_t number = ++next_request_[client];
  ask_as(number, std::move(body), limit_ms, client);
  return number;
}

void AgentWorld::ask_as(std::uint64_t number, wire::ClientRequestBody body, std::uint32_t limit_ms, std::uint64_t client) {
  next_request_[client] = std::max(next_request_[client], number);
  wire::ClientRequest request;
  request.client = client;
  request.request = number;
  request.limit_ms = limit_ms;
  request.body = std::move(body);
  agent->on_client(client, wire::ClientMessage(std::move(request)));
}

wire::ClientAnswer AgentWorld::call(wire::ClientRequestBody body, std::uint32_t limit_ms, std::uint64_t client) {
  const std::uint64_t number = ask(std::move(body), limit_ms, client);
  run();
  for (std::uint32_t passed = 0; answered(number, client) == 0 && passed <= limit_ms + 1000; passed += 50) pass(50);
  return answer(number, client);
}

std::size_t AgentWorld::answered(std::uint64_t number, std::uint64_t client) const {
  const auto of_client = answers_.find(client);
  if (of_client == answers_.end()) return 0;
  const auto answers = of_client->second.find(number);
  return answers == of_client->second.end() ? 0 : answers->second.size();
}

const wire::ClientAnswer& AgentWorld::answer(std::uint64_t number, std::uint64_t client) const {
  JUXMEM_CHECK_MSG(answered(number, client) > 0, "request " + std::to_string(number) + " was not answered");
  return answers_.at(client).at(number).back();
}

BlockId AgentWorld::malloc(std::uint64_t size_bytes, std::uint64_t client) {
  wire::MallocRequest request;
  request.size_bytes = size_bytes;
  request.shape = Shape{.sites = 1, .nodes_per_site = 1};
  request.token = next_request_[client] + 1;
  const wire::ClientAnswer answer = call(request, 5000, client);
  JUXMEM_CHECK_MSG(answer.code == Code::kOk, text_of(answer.code) + std::string(": ") + answer.detail);
  return answer.block;
}

wire::ClientAnswer AgentWorld::acquire(BlockId block, Mode mode, std::uint64_t client) {
  return call(wire::AcquireRequest{.block = block, .mode = mode, .try_only = false, .have = 0, .offset = 0, .size_bytes = 0},
              5000, client);
}

wire::ReleaseRequest AgentWorld::changes(std::uint64_t section, BlockId block, std::uint64_t offset,
                                         const std::string& text) {
  wire::ReleaseRequest release;
  release.section = section;
  release.block = block;
  if (!text.empty()) {
    release.ranges.push_back(wire::Range{.offset = offset, .size_bytes = text.size()});
    release.data.push_back(Buffer::copy_of(text));
  }
  return release;
}

wire::ClientAnswer AgentWorld::release(const wire::ClientAnswer& section, BlockId block, std::string text,
                                       std::uint64_t client) {
  return call(changes(section.section, block, 0, text), 5000, client);
}

std::string AgentWorld::content(BlockId block, std::uint64_t offset, std::uint64_t size_bytes) {
  wire::ReadPages request;
  request.block = block;
  request.offset = offset;
  request.size_bytes = size_bytes;
  const wire::PagesReply reply = group(group_of(block)).blocks().read_pages(request, 1ULL << 30);
  std::string text(size_bytes, '\0');
  for (std::size_t i = 0; i < reply.ranges.size(); ++i) {
    for (std::size_t at = 0; at < reply.data[i].size(); ++at) {
      const std::uint64_t place = reply.ranges[i].offset + at;
      if (place >= offset && place < offset + size_bytes) text[place - offset] = static_cast<char>(reply.data[i].data()[at]);
    }
  }
  return text;
}

}  // namespace juxmem

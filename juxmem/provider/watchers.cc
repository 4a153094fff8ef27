#include "juxmem/provider/watchers.h"

#include <algorithm>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// A watch is kept by the coordinator for this long and renewed at half of it.
constexpr std::int64_t kWatchMs = 4000;

}  // namespace

Watchers::~Watchers() {
  for (auto& [block, watched] : blocks_) {
    context_.timers.cancel(watched.again);
    for (auto& [key, waiter] : watched.waiters) context_.timers.cancel(waiter.limit);
  }
}

void Watchers::wait(const RequestCall& call, const wire::WaitRequest& request) {
  const RequestKey key = call.key;
  Waiter waiter{.than = request.than, .limit = {}};
  waiter.limit = context_.timers.at(call.limit, [this, key] { end(key, Code::kTimedOut, 0); });
  blocks_[request.block].waiters.emplace(key, waiter);
  keys_[key] = request.block;
  watch(request.block);
}

// Asks the coordinator for what the least demanding waiter wants.
void Watchers::watch(BlockId block) {
  const auto it = blocks_.find(block);
  if (it == blocks_.end()) return;
  Version than = it->second.waiters.begin()->second.than;
  for (const auto& [key, waiter] : it->second.waiters) than = std::min(than, waiter.than);
  context_.links.link(group_of(block))
      .tell(wire::WatchBlock{.block = block, .than = than, .for_ms = static_cast<std::uint32_t>(kWatchMs)});
  context_.timers.cancel(it->second.again);
  // The first repetitions are quick: the message may have gone to a node that no longer leads.
  const std::int64_t again_ms = std::min(kWatchMs / 2, context_.timing.resend_ms * 4);
  it->second.again = context_.timers.at(after_ms(context_.now(), again_ms), [this, block] { watch(block); });
}

void Watchers::end(const RequestKey& key, Code code, Version version) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const auto it = blocks_.find(found->second);
  keys_.erase(found);
  const auto waiter = it->second.waiters.find(key);
  context_.timers.cancel(waiter->second.limit);
  it->second.waiters.erase(waiter);
  if (it->second.waiters.empty()) {
    context_.timers.cancel(it->second.again);
    blocks_.erase(it);
  }
  wire::ClientAnswer answer;
  answer.code = code;
  answer.version = version;
  context_.answers.answer(key, std::move(answer));
}

void Watchers::cancel(const RequestKey& key) { end(key, Code::kTimedOut, 0); }

void Watchers::client_gone(std::uint64_t client) {
  std::vector<RequestKey> gone;
  for (auto it = keys_.lower_bound(RequestKey{client, 0}); it != keys_.end() && it->first.client == client; ++it) {
    gone.push_back(it->first);
  }
  for (const RequestKey& key : gone) end(key, Code::kClosed, 0);
}

void Watchers::on_changed(const wire::BlockChanged& changed) {
  if (changed.code == Code::kOk) return learned(changed.block, changed.version);
  if (changed.code != Code::kNotFound) return;
  const auto it = blocks_.find(changed.block);
  if (it == blocks_.end()) return;
  std::vector<RequestKey> ended;
  for (const auto& [key, waiter] : it->second.waiters) ended.push_back(key);
  for (const RequestKey& key : ended) end(key, Code::kNotFound, 0);
}

void Watchers::learned(BlockId block, Version version) {
  const auto it = blocks_.find(block);
  if (it == blocks_.end()) return;
  std::vector<RequestKey> ended;
  for (const auto& [key, waiter] : it->second.waiters) {
    if (version > waiter.than) ended.push_back(key);
  }
  for (const RequestKey& key : ended) end(key, Code::kOk, version);
  // The watch at the coordinator was answered and is gone; those who want more ask anew.
  if (!ended.empty()) watch(block);
}

void Watchers::coordinator_changed(GroupId group) {
  std::vector<BlockId> blocks;
  for (const auto& [block, watched] : blocks_) {
    if (group_of(block) == group) blocks.push_back(block);
  }
  for (const BlockId block : blocks) watch(block);
}

}  // namespace juxmem

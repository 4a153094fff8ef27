#include "juxmem/provider/writer_slots.h"

#include <utility>

namespace juxmem {

bool WriterSlots::has_room(std::uint64_t client, GroupId group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() || it->second.size() < kMax || it->second.contains(client);
}

std::optional<WriterSlots::Kept> WriterSlots::keep(std::uint64_t client, const Kept& kept) {
  const auto [it, is_new] = groups_[group_of(kept.block)].try_emplace(client, kept);
  if (is_new) return std::nullopt;
  return std::exchange(it->second, kept);
}

bool WriterSlots::take(std::uint64_t client, GroupId group, const OpId& op) {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return false;
  const auto mine = it->second.find(client);
  if (mine == it->second.end() || mine->second.op != op) return false;
  it->second.erase(mine);
  return true;
}

std::vector<WriterSlots::Kept> WriterSlots::drop_client(std::uint64_t client) {
  std::vector<Kept> dropped;
  for (auto& [group, clients] : groups_) {
    const auto node = clients.extract(client);
    if (node) dropped.push_back(node.mapped());
  }
  return dropped;
}

void WriterSlots::drop_group(GroupId group) { groups_.erase(group); }

}  // namespace juxmem

#include "tests/sim/grid/told_checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <variant>

#include "groups/node_lists.h"

namespace juxmem::sim {

void ToldChecks::sent(const wire::Packet& packet) {
  if (packet.from == 0) return;
  for (const wire::Message& message : packet.messages) {
    const auto* stream = std::get_if<wire::StreamMessage>(&message);
    if (stream == nullptr) continue;
    if (const auto* promise = std::get_if<wire::Promise>(stream)) {
      Told& told = told_by(packet.from, promise->stream);
      told.promised = std::max(told.promised, promise->ballot);
    } else if (const auto* accepted = std::get_if<wire::Accepted>(stream)) {
      note_accepted(told_by(packet.from, accepted->stream), accepted->ballot, accepted->decided, accepted->up_to);
    } else if (const auto* site = std::get_if<wire::SiteAccepted>(stream)) {
      for (const wire::MemberAccepted& row : site->members) {
        if (row.node == packet.from) {
          note_accepted(told_by(packet.from, site->stream), site->ballot, row.decided, row.up_to);
        }
      }
    }
  }
}

ToldChecks::Told& ToldChecks::told_by(NodeId node, const StreamId& stream) {
  const auto [row, is_first] = told_[node].try_emplace(stream);
  if (is_first && stream.epoch > 1) first_votes_.push_back(node);
  return row->second;
}

void ToldChecks::note_accepted(Told& told, const Ballot& under, Instance decided, Instance up_to) {
  told.promised = std::max(told.promised, under);
  for (Instance i = decided + 1; i <= up_to; ++i) {
    Ballot& ballot = told.accepted[i];
    ballot = std::max(ballot, under);
  }
}

ToldChecks::Broken ToldChecks::compare(const Told& told, const Replica& replica, Instance base) {
  const Stream& stream = replica.stream();
  const Instance applied = stream.status(0).applied;
  if (applied < base) return fmt::format("votes and lacks the state that epoch {} began with", replica.epoch());
  if (stream.ballot() < told.promised) {
    return fmt::format("has promised {} and remembers {}", to_string(told.promised), to_string(stream.ballot()));
  }
  const wire::Entry* last = stream.entry_at(stream.last());
  for (auto row = told.accepted.upper_bound(std::max(applied, stream.decided())); row != told.accepted.end(); ++row) {
    const auto& [instance, ballot] = *row;
    const wire::Entry* held = stream.entry_at(instance);
    if (held != nullptr && held->ballot >= ballot) continue;
    // What lay behind a Stop is void.
    if (instance > stream.last() && last != nullptr && last->kind == wire::EntryKind::kStop) continue;
    return fmt::format("has accepted instance {} under {} and does not hold it", instance, to_string(ballot));
  }
  return std::nullopt;
}

ToldChecks::Broken ToldChecks::look_at(const Provider& provider, const Replica& replica, Instance base) {
  const auto node = told_.find(provider.self());
  if (node == told_.end() || !replica.is_kept_on_disk()) return std::nullopt;
  std::map<StreamId, Told>& streams = node->second;
  const StreamId present{replica.group(), replica.epoch()};
  // Epochs that have ended bind nobody.
  streams.erase(streams.lower_bound({present.group, 0}), streams.lower_bound(present));
  const auto found = streams.lower_bound(present);
  if (found == streams.end() || found->first.group != present.group) return std::nullopt;
  const std::string who = fmt::format("S2: group {}: node {} ", present.group, provider.self());
  if (found->first != present) {
    return who + fmt::format("has voted in epoch {} and comes back in epoch {}", found->first.epoch, present.epoch);
  }
  if (std::exchange(found->second.is_seen, true)) return std::nullopt;
  if (const Broken broken = compare(found->second, replica, base)) return who + *broken;
  return std::nullopt;
}

ToldChecks::Broken ToldChecks::look_at_missing(const Provider& provider) {
  const auto node = told_.find(provider.self());
  if (node == told_.end() || may_be_absent_.contains(provider.self())) return std::nullopt;
  for (auto told = node->second.begin(); told != node->second.end();) {
    const StreamId stream = told->first;
    const wire::CatalogGroup* row = provider.catalog().group(stream.group);
    const bool is_missing = provider.agent() != nullptr && provider.replica(stream.group) == nullptr;
    if (!is_missing || row == nullptr) {
      ++told;
      continue;
    }
    // It had it in this life: the group has moved on.
    if (told->second.is_seen || row->epoch > stream.epoch || row->lost) {
      told = node->second.erase(told);
      continue;
    }
    if (row->durability == Durability::kDisk && row->epoch == stream.epoch && contains(row->vacant, provider.self())) {
      return fmt::format("S2: group {}: node {} has voted in epoch {} and has forgotten it", stream.group, provider.self(),
                         stream.epoch);
    }
    ++told;
  }
  return std::nullopt;
}

void ToldChecks::ended(NodeId node) {
  const auto found = told_.find(node);
  if (found == told_.end()) return;
  for (auto& [stream, told] : found->second) told.is_seen = false;
}

void ToldChecks::may_have_forgotten(NodeId node) { may_be_absent_.insert(node); }

}  // namespace juxmem::sim

#include "consistency/paxos/stream_invariants.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "juxmem/base/digest.h"

namespace juxmem {
namespace {

// Never 0, which stands for "not known".
std::uint64_t value_of(const wire::Entry& entry) {
  std::uint64_t digest = digest_with(1, static_cast<std::uint64_t>(entry.kind));
  digest = digest_of(entry.command.bytes(), digest);
  return digest_of(entry.data.bytes(), digest) | 1;
}

}  // namespace

StreamInvariants::StreamInvariants(QuorumSystem quorums, Instance base)
    : quorums_(std::move(quorums)), handed_out_(quorums_.size(), base), promised_(quorums_.size()) {}

StreamInvariants::Broken StreamInvariants::remember(Instance instance, std::uint64_t value, const std::string& how) {
  if (instance > values_.size()) values_.resize(instance);
  std::uint64_t& known = values_[instance - 1];
  if (known != 0 && known != value) return fmt::format("S1: two values for instance {}: {}", instance, how);
  known = value;
  return std::nullopt;
}

StreamInvariants::Broken StreamInvariants::on_decided(NodeId node, const DecidedEntry& decided) {
  Instance& handed_out = handed_out_[*quorums_.index_of(node)];
  if (decided.instance != handed_out + 1) {
    return fmt::format("S3: node {} was handed instance {} after {}", node, decided.instance, handed_out);
  }
  handed_out = decided.instance;
  if (decided.entry.kind == wire::EntryKind::kStop && stop_ == 0) stop_ = decided.instance;
  if (stop_ != 0 && decided.instance > stop_) {
    return fmt::format("S4: node {} decided instance {} after the stop at {}", node, decided.instance, stop_);
  }
  return remember(decided.instance, value_of(decided.entry), fmt::format("node {} decided another", node));
}

StreamInvariants::Broken StreamInvariants::on_installed(NodeId node, Instance at) {
  Instance& handed_out = handed_out_[*quorums_.index_of(node)];
  if (at < handed_out) return fmt::format("S3: node {} went back from instance {} to {}", node, handed_out, at);
  handed_out = at;
  return std::nullopt;
}

void StreamInvariants::on_restarted(NodeId node, const Stream& stream, Instance applied) {
  const std::size_t member = *quorums_.index_of(node);
  promised_[member] = stream.ballot();
  handed_out_[member] = applied;
}

StreamInvariants::Broken StreamInvariants::check_acceptor(std::size_t member, const Stream& stream) {
  const NodeId node = quorums_.node(member);
  const Ballot promised = stream.ballot();
  if (promised < promised_[member]) {
    return fmt::format("S2: the promise of node {} fell from {} to {}", node, to_string(promised_[member]),
                       to_string(promised));
  }
  promised_[member] = promised;
  if (stream.is_coordinator()) {
    const auto [known, added] = coordinators_.emplace(promised, node);
    if (known->second != node) return fmt::format("two coordinators of ballot {}", to_string(promised));
  }
  return std::nullopt;
}

StreamInvariants::Broken StreamInvariants::check_chosen(std::span<const Stream* const> streams, Instance instance) {
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const wire::Entry* entry = streams[i] != nullptr ? streams[i]->entry_at(instance) : nullptr;
    if (entry == nullptr) continue;
    const bool may_be_gone = streams[i]->is_kept_on_disk();
    if (entry->ballot > streams[i]->ballot()) {
      return fmt::format("S2: node {} holds instance {} of ballot {} above its promise", quorums_.node(i), instance,
                         to_string(entry->ballot));
    }
    std::uint64_t holders = 0;
    for (std::size_t j = 0; j < streams.size(); ++j) {
      const wire::Entry* other = streams[j] != nullptr ? streams[j]->entry_at(instance) : nullptr;
      if (other != nullptr && other->ballot == entry->ballot) holders |= 1ULL << j;
    }
    if (may_be_gone || !quorums_.is_quorum(holders)) continue;
    if (Broken broken = remember(instance, value_of(*entry), "a quorum holds another")) return broken;
  }
  return std::nullopt;
}

StreamInvariants::Broken StreamInvariants::check(std::span<const Stream* const> streams) {
  Instance decided = 0;
  Instance last = 0;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i] == nullptr) continue;
    if (Broken broken = check_acceptor(i, *streams[i])) return broken;
    decided = std::max(decided, streams[i]->decided());
    last = std::max(last, streams[i]->last());
  }
  // What somebody has decided is compared when the others decide it.
  for (Instance instance = decided + 1; instance <= last; ++instance) {
    if (Broken broken = check_chosen(streams, instance)) return broken;
  }
  return std::nullopt;
}

}  // namespace juxmem

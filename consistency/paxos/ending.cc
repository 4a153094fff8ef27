#include "consistency/paxos/ending.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

}  // namespace

Ending::Ending(const StreamConfig& config, const QuorumSystem& quorums, const Acceptor& acceptor)
    : config_(config),
      quorums_(quorums),
      acceptor_(acceptor),
      self_(*quorums.index_of(config.self)),
      stop_(acceptor.decided()),
      knows_(quorums.size(), false),
      again_at_(kNever) {
  knows_[self_] = true;
}

void Ending::announce(TimeNs now, const std::vector<std::optional<Instance>>& have, std::vector<Outgoing>& out) {
  have_ = have;
  announce_until_ = now + ms_to_ns(config_.timing.election_min_ms);
  again_at_ = now;
  tick(now, out);
}

void Ending::tick(TimeNs now, std::vector<Outgoing>& out) {
  if (now < again_at_) return;
  again_at_ = now + ms_to_ns(config_.timing.retransmit_ms);
  if (again_at_ > announce_until_ || everybody_knows()) again_at_ = kNever;
  for (std::size_t i = 0; i < knows_.size(); ++i) {
    // Nothing is known of a member that never answered: it is told that there is an end, and asks for the rest.
    if (!knows_[i]) teach(i, have_[i].value_or(stop_) + 1, out);
  }
}

TimeNs Ending::next_wakeup() const { return again_at_; }

bool Ending::everybody_knows() const {
  return std::ranges::all_of(knows_, [](bool knows) { return knows; });
}

void Ending::receive(std::size_t from, const wire::StreamMessage& message, std::vector<Outgoing>& out) {
  if (const auto* accepted = std::get_if<wire::Accepted>(&message)) {
    if (accepted->decided >= stop_) knows_[from] = true;
  } else if (std::holds_alternative<wire::Ended>(message)) {
    acknowledge(from, out);
  } else if (std::holds_alternative<wire::ReadIndex>(message)) {
    teach(from, stop_ + 1, out);
  } else {
    const Instance decided = std::visit(
        [this](const auto& kind) {
          using T = std::decay_t<decltype(kind)>;
          constexpr bool kTells = std::is_same_v<T, wire::PreVote> || std::is_same_v<T, wire::Prepare> ||
                                  std::is_same_v<T, wire::Accept> || std::is_same_v<T, wire::Heartbeat>;
          if constexpr (kTells)
            return kind.decided;
          else
            return stop_;
        },
        message);
    if (decided < stop_) teach(from, decided + 1, out);
  }
}

void Ending::teach(std::size_t to, Instance from_instance, std::vector<Outgoing>& out) const {
  const EntryLog& log = acceptor_.log();
  wire::Ended ended{config_.stream, acceptor_.promised(), std::max(from_instance, log.first()), {}, stop_};
  std::uint64_t bytes = 0;
  for (Instance i = ended.first; i <= stop_ && ended.entries.size() < config_.limits.batch_entries; ++i) {
    const std::uint64_t cost = cost_bytes(*log.at(i));
    if (!ended.entries.empty() && bytes + cost > config_.limits.batch_bytes) break;
    bytes += cost;
    ended.entries.push_back(*log.at(i));
  }
  out.push_back({quorums_.node(to), std::move(ended), Durable::kState});
}

void Ending::acknowledge(std::size_t to, std::vector<Outgoing>& out) const {
  out.push_back({quorums_.node(to), wire::Accepted{config_.stream, acceptor_.promised(), stop_, stop_, 0}, Durable::kState});
}

}  // namespace juxmem

#include "consistency/paxos/relay.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();

}  // namespace

Relay::Relay(const StreamConfig& config, const QuorumSystem& quorums)
    : config_(config),
      quorums_(quorums),
      self_(*quorums.index_of(config.self)),
      site_(quorums.site_of(self_)),
      rows_(quorums.size()),
      tell_at_(kNever) {}

void Relay::follow(const Ballot& ballot) {
  if (ballot == ballot_) return;
  ballot_ = ballot;
  tell_at_ = kNever;
  own_sent_at_ = 0;
  told_ = 0;
  if (!mutant("relay_keeps_older_answers")) rows_.assign(rows_.size(), Row{});
}

void Relay::pass_on(const wire::Accept& message, std::vector<Outgoing>& out) {
  follow(message.ballot);
  own_sent_at_ = std::max(own_sent_at_, message.sent_at);
  wire::Accept copy = message;
  copy.relay = config_.self;
  copy.pass_to.clear();
  std::uint64_t left = site_ & ~(std::uint64_t{1} << self_);
  for (const NodeId node : message.pass_to) {
    const std::optional<std::size_t> member = quorums_.index_of(node);
    const std::uint64_t bit = member ? std::uint64_t{1} << *member : 0;
    if ((left & bit) == 0) continue;
    left &= ~bit;
    out.push_back({node, copy, Durable::kNothing});
  }
}

void Relay::on_accepted(std::size_t from, const wire::Accepted& message) {
  if ((message.ballot != ballot_ && !mutant("relay_takes_other_ballots")) || (site_ >> from & 1) == 0) return;
  take_in(from, message.up_to, message.decided, message.sent_at);
}

void Relay::take_in(std::size_t member, Instance up_to, Instance decided, TimeNs sent_at) {
  Row& row = rows_[member];
  row.is_news |= up_to > row.up_to || sent_at > row.sent_at;
  row.up_to = std::max(row.up_to, up_to);
  row.decided = std::max(row.decided, decided);
  row.sent_at = std::max(row.sent_at, sent_at);
}

Instance Relay::reached() const {
  std::vector<Instance> held;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if ((site_ >> i & 1) != 0) held.push_back(rows_[i].up_to);
  }
  std::ranges::sort(held, std::greater<>());
  return held[QuorumSystem::majority_of(held.size()) - 1];
}

void Relay::send_due(TimeNs now, const Acceptor& acceptor, std::vector<Outgoing>& out) {
  if (ballot_ != acceptor.promised() && !mutant("relay_answers_under_older_ballot")) return follow({});
  if (own_sent_at_ != 0) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (i == self_ || mutant("relay_answers_for_all")) take_in(i, acceptor.matched(), acceptor.decided(), own_sent_at_);
    }
    own_sent_at_ = 0;
  }
  if (std::ranges::none_of(rows_, &Row::is_news)) return;
  if (tell_at_ == kNever) tell_at_ = now + ms_to_ns(config_.timing.notice_ms);
  const Instance reached_now = reached();
  if (reached_now <= told_ && now < tell_at_) return;
  told_ = std::max(told_, reached_now);
  tell_at_ = kNever;
  wire::SiteAccepted told{config_.stream, ballot_, {}};
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if ((site_ >> i & 1) == 0 || !row.is_news) continue;
    row.is_news = false;
    told.members.push_back({quorums_.node(i), row.up_to, row.decided, row.sent_at});
  }
  out.push_back({ballot_.node, std::move(told), Durable::kState});
}

}  // namespace juxmem

#include "consistency/paxos/election.h"

#include <algorithm>
#include <utility>

#include "juxmem/base/check.h"
#include "juxmem/base/mutant.h"

namespace juxmem {
namespace {

constexpr std::uint32_t kSpreadDoublingsMax = 4;
constexpr TimeNs kFirstCampaignTimes = 4;  // the preferred coordinator waits longer for members that are being made

}  // namespace

Election::Election(const StreamConfig& config, const QuorumSystem& quorums)
    : config_(config),
      quorums_(quorums),
      self_(*quorums.index_of(config.self)),
      random_(config.seed),
      round_seen_(config.round_floor),
      answers_(quorums.size()) {}

void Election::rearm(TimeNs now) {
  const std::uint64_t spread_ns = static_cast<std::uint64_t>(ms_to_ns(config_.timing.election_spread_ms))
                                  << std::min(failures_, kSpreadDoublingsMax);
  deadline_ = now + ms_to_ns(config_.timing.election_min_ms) + static_cast<TimeNs>(random_.below(spread_ns));
}

void Election::stand_back(TimeNs now) {
  phase_ = Phase::kNone;
  failures_ = 0;
  rearm(now);
}

void Election::fail(TimeNs now) {
  phase_ = Phase::kNone;
  ++failures_;
  rearm(now);
}

void Election::end() {
  phase_ = Phase::kNone;
  failures_ = 0;
  merged_.clear();
}

void Election::begin(TimeNs now, Phase phase) {
  phase_ = phase;
  deadline_ = now + ms_to_ns(config_.timing.election_min_ms);
  resend_at_ = now + ms_to_ns(config_.timing.retransmit_ms);
  answers_.assign(quorums_.size(), Answer{});
}

void Election::saw(const Ballot& ballot) { round_seen_ = std::max(round_seen_, ballot.round); }

void Election::ask(TimeNs now, const Acceptor& acceptor, std::vector<Outgoing>& out) {
  begin(now, Phase::kAsking);
  saw(acceptor.promised());
  ballot_ = {round_seen_ + 1, config_.self};
  base_ = acceptor.decided();
  answers_[self_].agreed = true;
  for (std::size_t i = 0; i < quorums_.size(); ++i) send_question(now, i, out);
}

bool Election::on_pre_vote_reply(std::size_t from, const wire::PreVoteReply& reply) {
  if (phase_ != Phase::kAsking || reply.round != ballot_.round) return false;
  saw(reply.promised);
  if (reply.agreed) answers_[from].agreed = true;
  return quorums_.is_quorum(agreed_set());
}

bool Election::prepare(TimeNs now, Acceptor& acceptor, const Ballot& released, std::vector<Outgoing>& out) {
  const bool first_campaign = acceptor.promised() == Ballot{};
  begin(now, Phase::kPreparing);
  if (first_campaign) deadline_ = now + kFirstCampaignTimes * ms_to_ns(config_.timing.election_min_ms);
  saw(acceptor.promised());
  ballot_ = {round_seen_ + 1, config_.self};
  released_ = released;
  base_ = acceptor.decided();
  known_decided_ = base_;
  merged_.clear();
  // What is in the own log is merged at the end, so the own promise needs no entries.
  wire::Prepare own{config_.stream, ballot_, acceptor.log().last(), released_, now};
  const std::optional<wire::Promise> promise = acceptor.prepare(now, own);
  if (!promise) return false;
  answers_[self_].complete = true;
  answers_[self_].member = {true, base_, now, began(now, promise->quiet_ns)};
  for (std::size_t i = 0; i < quorums_.size(); ++i) {
    answers_[i].cursor = base_;
    send_question(now, i, out);
  }
  return true;
}

void Election::send_question(TimeNs now, std::size_t to, std::vector<Outgoing>& out) {
  if (to == self_) return;
  if (phase_ == Phase::kAsking) {
    out.push_back({quorums_.node(to), wire::PreVote{config_.stream, ballot_.round, base_}, Durable::kNothing});
  } else {
    out.push_back(
        {quorums_.node(to), wire::Prepare{config_.stream, ballot_, answers_[to].cursor, released_, now}, Durable::kState});
  }
}

void Election::merge(Instance instance, const wire::Entry& entry) {
  const std::size_t place = instance - base_ - 1;
  if (place >= merged_.size()) merged_.resize(place + 1);
  wire::Entry& best = merged_[place];
  const bool better = mutant("adopt_lowest_ballot")
                          ? EntryLog::is_hole(best) || (entry.ballot < best.ballot && !EntryLog::is_hole(entry))
                          : best.ballot < entry.ballot;
  if (better) best = entry;
}

// When an acceptor has been quiet since, at the latest, by our clock: its own may be faster, and its answer took some time.
TimeNs Election::began(TimeNs now, TimeNs quiet_ns) const {
  const TimeNs quiet = std::clamp<TimeNs>(quiet_ns, 0, now);
  return now - quiet + (quiet / 1'000'000 + 1) * config_.timing.clock_drift_ppm;
}

bool Election::on_promise(TimeNs now, std::size_t from, wire::Promise& promise, std::vector<Outgoing>& out) {
  if (phase_ != Phase::kPreparing || promise.ballot != ballot_) return false;
  Answer& answer = answers_[from];
  if (promise.sent_at <= now) answer.member.granted = std::max(answer.member.granted, promise.sent_at);
  if (answer.complete || promise.first != answer.cursor + 1) return false;
  answer.member.promised = true;
  answer.member.others_granted = began(now, promise.quiet_ns);
  answer.member.decided = promise.decided;
  known_decided_ = std::max(known_decided_, promise.decided);
  for (const wire::Entry& entry : promise.entries) merge(++answer.cursor, entry);
  answer.complete = promise.last || mutant("count_partial_promise");
  deadline_ = std::max(deadline_, now + ms_to_ns(config_.timing.election_min_ms));
  if (!answer.complete) send_question(now, from, out);
  return has_quorum();
}

bool Election::has_quorum() const { return quorums_.is_quorum(complete_set()); }

Elected Election::elected(const Acceptor& acceptor) {
  JUXMEM_CHECK(phase_ == Phase::kPreparing && has_quorum() && acceptor.promised() == ballot_);
  for (Instance instance = base_ + 1; instance <= acceptor.log().last(); ++instance) {
    if (const wire::Entry* own = acceptor.log().at(instance)) merge(instance, *own);
  }
  Elected result{ballot_, base_ + 1, std::move(merged_), known_decided_, 0, {}};
  for (const Answer& answer : answers_) {
    result.members.push_back(answer.member);
    if (answer.complete) result.others_granted = std::max(result.others_granted, answer.member.others_granted);
  }
  end();
  return result;
}

std::uint64_t Election::agreed_set() const {
  std::uint64_t set = 0;
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i].agreed) set |= 1ULL << i;
  }
  return set;
}

std::uint64_t Election::complete_set() const {
  std::uint64_t set = 0;
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i].complete) set |= 1ULL << i;
  }
  return set;
}

void Election::resend(TimeNs now, std::vector<Outgoing>& out) {
  resend_at_ = now + ms_to_ns(config_.timing.retransmit_ms);
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    const bool answered = phase_ == Phase::kAsking ? answers_[i].agreed : answers_[i].complete;
    if (!answered) send_question(now, i, out);
  }
}

}  // namespace juxmem

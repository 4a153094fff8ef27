// What a Stream does with the messages of the other members.
#include <algorithm>
#include <utility>

#include "consistency/paxos/stream_parts.h"
#include "juxmem/base/mutant.h"

namespace juxmem {

void Stream::receive(TimeNs now, NodeId from, wire::StreamMessage message) {
  Parts& parts = *parts_;
  if (from == parts.config.self || !parts.quorums.index_of(from)) return;
  parts.advance_to(now);
  const StreamId stream = std::visit([](const auto& body) { return body.stream; }, message);
  if (stream.group != parts.config.stream.group) return;
  if (stream.epoch != parts.config.stream.epoch && !mutant("count_votes_of_other_epochs")) return;
  if (parts.ending) return parts.ending->receive(*parts.quorums.index_of(from), message, parts.out.messages);
  std::visit([&](auto& body) { parts.on(from, body); }, message);
}

void Stream::Parts::send(NodeId to, wire::StreamMessage message, Durable first) {
  out.messages.push_back({to, std::move(message), first});
}

void Stream::Parts::answer(NodeId to, const Ballot& ballot, TimeNs sent_at) {
  const auto same = std::ranges::find_if(due_answers, [&](const DueAnswer& due) { return due.to == to; });
  if (same == due_answers.end()) {
    due_answers.push_back({to, ballot, sent_at});
  } else {
    *same = {to, ballot, std::max(sent_at, same->sent_at)};
  }
}

void Stream::Parts::refuse(NodeId to, const Ballot& ballot) {
  send(to, wire::Nack{config.stream, ballot, acceptor.promised()}, Durable::kState);
}

// ---- elections --------------------------------------------------------------------------------------------------

void Stream::Parts::on(NodeId from, wire::PreVote& message) {
  const bool quiet = now - contact >= ms_to_ns(config.timing.election_min_ms) || mutant("promise_ignores_lease");
  const bool leads = role == StreamRole::kCoordinator && has_lease();
  const bool can_promise = message.decided + 1 >= acceptor.log().first();
  send(from, wire::PreVoteReply{config.stream, message.round, quiet && !leads && can_promise, acceptor.promised()},
       Durable::kState);
}

void Stream::Parts::on(NodeId from, wire::PreVoteReply& message) {
  if (election.on_pre_vote_reply(*quorums.index_of(from), message)) campaign({});
}

void Stream::Parts::on(NodeId from, wire::Prepare& message) {
  if (message.ballot.node != from) return;
  election.saw(message.ballot);
  if (role == StreamRole::kCoordinator && has_lease() && message.ballot > acceptor.promised() &&
      !mutant("promise_ignores_lease")) {
    return;
  }
  std::optional<wire::Promise> promise = acceptor.prepare(now, message);
  if (!promise) {
    if (message.ballot < acceptor.promised()) refuse(from, message.ballot);
    return;
  }
  const bool is_new = promise->sent_at != 0;
  if (is_new || message.decided > promise_taken) {  // a candidate that gets our answers deserves the time to read them all
    promise_taken = message.decided;
    contact = now;
    election.stand_back(now);
    become(StreamRole::kFollower, 0);
  }
  promise->stream = config.stream;
  send(from, std::move(*promise), Durable::kState);
}

void Stream::Parts::on(NodeId from, wire::Promise& message) {
  if (!stops_are_sound(config.stream, message.entries)) return;
  if (role == StreamRole::kCandidate && message.ballot == election.ballot()) contact = now;
  if (election.on_promise(now, *quorums.index_of(from), message, out.messages)) coordinate();
}

void Stream::Parts::on(NodeId, wire::Nack& message) {
  election.saw(message.promised);
  if (message.promised <= message.ballot) return;
  if (role == StreamRole::kCoordinator && message.ballot == acceptor.promised()) {
    step_down();
  } else if (role == StreamRole::kCandidate && message.ballot == election.ballot()) {
    election.fail(now);
    become(StreamRole::kFollower, 0);
  }
}

void Stream::Parts::on(NodeId from, wire::Transfer& message) {
  const bool from_coordinator = message.ballot.node == from && message.ballot == acceptor.promised();
  if (from_coordinator && role == StreamRole::kFollower && may_lead()) campaign(message.ballot);
}

// ---- replication ------------------------------------------------------------------------------------------------

void Stream::Parts::on(NodeId from, wire::Accept& message) {
  const Ballot ballot = message.ballot;
  if ((message.relay == 0 ? ballot.node : message.relay) != from || ballot.node == config.self) return;
  if (!quorums.index_of(ballot.node) || !stops_are_sound(config.stream, message.entries)) return;
  if (ballot < acceptor.promised() && !mutant("accept_below_promise")) return refuse(ballot.node, ballot);
  const bool is_relay = message.relay == 0 && !message.pass_to.empty();
  if (is_relay) relay.pass_on(message, out.messages);
  if (!acceptor.accept(now, message)) return refuse(ballot.node, ballot);
  follow(ballot);
  keep_from = message.keep_from;
  if (!is_relay) answer(from, ballot, message.sent_at);
}

void Stream::Parts::on(NodeId from, wire::Heartbeat& message) {
  if (message.ballot.node != from) return;
  if (!acceptor.heartbeat(now, message)) return refuse(from, message.ballot);
  follow(message.ballot);
  keep_from = message.keep_from;
  if (message.sent_at != 0) answer(from, message.ballot, message.sent_at);
}

void Stream::Parts::on(NodeId from, wire::Accepted& message) {
  const std::size_t member = *quorums.index_of(from);
  if (role == StreamRole::kCoordinator) replication.on_accepted(now, member, message);
  if (role != StreamRole::kCoordinator) relay.on_accepted(member, message);
}

void Stream::Parts::on(NodeId from, wire::SiteAccepted& message) {
  if (role == StreamRole::kCoordinator) replication.on_accepted(now, *quorums.index_of(from), message);
}

// ---- the end ----------------------------------------------------------------------------------------------------

namespace {

// The entries lie before or at the end, and the end alone is a Stop.
bool is_sound(const StreamId& stream, const wire::Ended& message) {
  if (message.first > message.end + 1 || message.entries.size() > message.end + 1 - message.first) return false;
  for (std::size_t i = 0; i < message.entries.size(); ++i) {
    const wire::Entry& entry = message.entries[i];
    const bool is_end = message.first + i == message.end;
    if (EntryLog::is_hole(entry) || is_end != (entry.kind == wire::EntryKind::kStop)) return false;
  }
  return stops_are_sound(stream, message.entries);
}

}  // namespace

void Stream::Parts::on(NodeId from, wire::Ended& message) {
  if (!is_sound(config.stream, message)) return;
  if (role != StreamRole::kFollower) step_down();
  contact = now;
  const bool asks_nothing = message.entries.empty();
  const bool progress = acceptor.learn_end(now, message);
  if (acceptor.decided() >= message.end) {
    answer(from, acceptor.promised(), 0);
  } else if (progress || asks_nothing) {
    send(from, wire::PreVote{config.stream, acceptor.promised().round, acceptor.decided()}, Durable::kNothing);
  } else {
    keep_from = std::max(keep_from, message.first);  // what it lacks is not kept any more
  }
}

// ---- reads ------------------------------------------------------------------------------------------------------

void Stream::Parts::on(NodeId from, wire::ReadIndex& message) {
  if (!serves()) return;
  if (const auto member = quorums.index_of(from)) replication.hurry(*member);
  send(from, wire::ReadIndexReply{config.stream, message.tag, acceptor.promised(), acceptor.decided()}, Durable::kNothing);
}

void Stream::Parts::on(NodeId, wire::ReadIndexReply& message) {
  acceptor.learn_decided(message.ballot, message.index);
  readers.on_reply(message);
}

}  // namespace juxmem

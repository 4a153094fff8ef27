// Replicas of one stream in one process, with a network that loses nothing unless told to.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consistency/paxos/stream.h"

namespace juxmem {

class StreamCluster {
 public:
  explicit StreamCluster(StreamConfig config) : timing_(config.timing) {
    for (const StreamMember& member : config.members) {
      config.self = member.node;
      config.seed = member.node;
      streams_.emplace(member.node, std::make_unique<Stream>(config));
    }
  }
  static StreamConfig three() {
    StreamConfig config;
    config.stream = {1, 1};
    config.members = {{1, 1}, {2, 1}, {3, 1}};
    config.preferred = 1;
    return config;
  }

  Stream& operator[](NodeId node) { return *streams_.at(node); }
  TimeNs now() const { return now_; }

  // Takes the outputs and delivers messages until nothing moves.
  void settle() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (auto& [node, stream] : streams_) moved = carry_out(node, *stream) || moved;
      while (!flight_.empty()) {
        Flying next = std::move(flight_.front());
        flight_.pop_front();
        (*this)[next.to].receive(now_, next.from, std::move(next.message));
        moved = true;
      }
    }
  }
  void run(std::int64_t ms) {
    for (std::int64_t i = 0; i < ms; ++i) {
      now_ += ms_to_ns(1);
      for (auto& [node, stream] : streams_) {
        if (stream->next_wakeup(now_) <= now_) stream->tick(now_);
      }
      settle();
    }
  }
  void start() {
    for (auto& [node, stream] : streams_) stream->tick(now_);
    settle();
  }
  Result<Instance> propose(NodeId node, const std::string& text) {
    return (*this)[node].propose(now_, {{}, wire::EntryKind::kCommand, Buffer::copy_of(text), {}});
  }
  void cut(NodeId node) { cut_.insert(node); }
  void mend(NodeId node) { cut_.erase(node); }
  std::vector<std::string> texts(NodeId node) { return texts_[node]; }
  std::vector<AnsweredRead> reads(NodeId node) { return reads_[node]; }
  std::vector<RoleChange> roles(NodeId node) { return roles_[node]; }
  std::optional<StreamEnd> end(NodeId node) { return ends_[node]; }
  std::optional<DigestMismatch> mismatch(NodeId node) { return mismatches_[node]; }
  void hang(NodeId node) { hung_.insert(node); }

  std::function<void(NodeId from, const Outgoing&)> on_message;

 private:
  struct Flying {
    NodeId from = 0;
    NodeId to = 0;
    wire::StreamMessage message;
  };

  bool carry_out(NodeId node, Stream& stream) {
    StreamOutput out = stream.take();
    for (const DecidedEntry& decided : out.decided) {
      if (decided.entry.kind == wire::EntryKind::kCommand) texts_[node].emplace_back(decided.entry.command.text());
      if (!hung_.contains(node)) stream.applied(now_, decided.instance);
    }
    reads_[node].insert(reads_[node].end(), out.reads.begin(), out.reads.end());
    roles_[node].insert(roles_[node].end(), out.roles.begin(), out.roles.end());
    if (out.end) ends_[node] = out.end;
    if (out.mismatch) mismatches_[node] = out.mismatch;
    for (Outgoing& outgoing : out.messages) {
      if (on_message) on_message(node, outgoing);
      if (cut_.contains(node) || cut_.contains(outgoing.to)) continue;
      flight_.push_back({node, outgoing.to, std::move(outgoing.message)});
    }
    return !out.messages.empty() || !out.decided.empty();
  }

  Timing timing_;
  TimeNs now_ = ms_to_ns(1000);
  std::map<NodeId, std::unique_ptr<Stream>> streams_;
  std::deque<Flying> flight_;
  std::set<NodeId> cut_;
  std::set<NodeId> hung_;
  std::map<NodeId, std::vector<std::string>> texts_;
  std::map<NodeId, std::vector<AnsweredRead>> reads_;
  std::map<NodeId, std::vector<RoleChange>> roles_;
  std::map<NodeId, std::optional<DigestMismatch>> mismatches_;
  std::map<NodeId, std::optional<StreamEnd>> ends_;
};

}  // namespace juxmem

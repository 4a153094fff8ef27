// Golden scenarios of a stream: a file holds a script and, in lines that begin with "> ", the transcript each command must give.
//
//   stream_scenarios [--update] FILE ...
//
// --update writes the transcripts as they are now. Every message takes one millisecond, or MS of them between sites; clocks agree.
// Commands:
//   members NODE:SITE ... [preferred NODE] [thrift MS] [far MS] [follow MS]   makes the replicas; must come first
//   run MS                                   lets time pass
//   propose NODE TEXT ...                    one entry per text, all in one turn
//   write NODE SITE COUNT                    so many entries that come from this site, two per millisecond
//   read NODE TAG                            asks for a linearizable read
//   transfer FROM TO                         hands the role over
//   stop NODE NODE:SITE ...                  ends the epoch; these are the next one's members
//   join NODE FROM                           a new member begins the epoch that FROM has entered, with FROM's state
//   cut FROM TO | mend FROM TO               messages of this direction are lost, or not any more
//   crash NODE                               for ever
//   status NODE                              role, ballot and place
// Members of a next epoch that were members before begin it by themselves. Lines of later epochs tell their number.
#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "consistency/paxos/describe.h"
#include "consistency/paxos/stream.h"
#include "consistency/paxos/stream_invariants.h"

namespace juxmem {
namespace {

class Scenario {
 public:
  // Carries one command out; returns the transcript's lines, each begun with "> ".
  std::string command(const std::string& line) {
    transcript_.clear();
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "members") {
      make_members(words);
    } else if (verb == "run") {
      TimeNs ms = 0;
      words >> ms;
      for (TimeNs i = 0; i < ms; ++i) pass_one_ms();
    } else if (verb == "propose") {
      propose(words);
    } else if (verb == "write") {
      write(words);
    } else if (verb == "read") {
      NodeId node = 0;
      std::uint64_t tag = 0;
      words >> node >> tag;
      if (Status asked = stream(node).request_read(now_, tag); !asked) say(to_string(asked.error()));
      carry_out_all(node);
    } else if (verb == "transfer") {
      NodeId from = 0;
      NodeId to = 0;
      words >> from >> to;
      if (Status begun = stream(from).transfer(now_, to); !begun) say(to_string(begun.error()));
      carry_out_all(from);
    } else if (verb == "stop") {
      NodeId node = 0;
      words >> node;
      if (Result<Instance> place = stream(node).propose_stop(now_, read_members(words)); !place)
        say(to_string(place.error()));
      carry_out_all(node);
    } else if (verb == "join") {
      NodeId node = 0;
      NodeId from = 0;
      words >> node >> from;
      begin_epoch(node, configs_.at(from));
    } else if (verb == "cut" || verb == "mend") {
      std::pair<NodeId, NodeId> way;
      words >> way.first >> way.second;
      if (verb == "cut")
        cut_.insert(way);
      else
        cut_.erase(way);
    } else if (verb == "crash") {
      NodeId node = 0;
      words >> node;
      streams_.erase(node);
    } else if (verb == "status") {
      NodeId node = 0;
      words >> node;
      show_status(node);
    } else {
      say("unknown command");
    }
    return transcript_;
  }

 private:
  struct InFlight {
    TimeNs at = 0;
    NodeId from = 0;
    NodeId to = 0;
    wire::StreamMessage message;
  };

  Stream& stream(NodeId node) {
    const auto found = streams_.find(node);
    JUXMEM_CHECK_MSG(found != streams_.end(), "the scenario names a node that is not there");
    return *found->second.rbegin()->second;
  }

  static std::vector<StreamMember> read_members(std::istringstream& words) {
    std::vector<StreamMember> members;
    std::string word;
    while (words >> word) {
      const std::size_t colon = word.find(':');
      members.push_back(
          {static_cast<NodeId>(std::stoul(word.substr(0, colon))), static_cast<SiteId>(std::stoul(word.substr(colon + 1)))});
    }
    return members;
  }

  void make_members(std::istringstream& words) {
    StreamConfig config;
    config.stream = {1, 1};
    config.timing.thrift_ms = 0;
    config.timing.follow_ms = 0;
    std::string names;
    std::string word;
    while (words >> word) {
      if (word == "preferred") {
        words >> config.preferred;
      } else if (word == "thrift") {
        words >> config.timing.thrift_ms;
      } else if (word == "far") {
        words >> far_ms_;
      } else if (word == "follow") {
        words >> config.timing.follow_ms;
      } else {
        names += word + " ";
      }
    }
    std::istringstream members(names);
    config.members = read_members(members);
    for (const StreamMember& member : config.members) begin_epoch(member.node, config);
  }

  void begin_epoch(NodeId node, StreamConfig config) {
    config.self = node;
    config.seed = node;
    const std::uint32_t epoch = config.stream.epoch;
    if (!invariants_.contains(epoch)) {
      invariants_[epoch] = std::make_unique<StreamInvariants>(QuorumSystem(config.members), config.base);
    }
    configs_[node] = config;
    std::unique_ptr<Stream>& stream = streams_[node][epoch];
    stream = std::make_unique<Stream>(std::move(config));
    stream->tick(now_);
    carry_out(node, epoch);
  }

  void propose(std::istringstream& words) {
    NodeId node = 0;
    words >> node;
    std::string text;
    while (words >> text) {
      wire::Entry entry{{}, wire::EntryKind::kCommand, Buffer::copy_of(text), {}};
      const Result<Instance> place = stream(node).propose(now_, std::move(entry));
      if (!place) say(fmt::format("{} refused: {}", text, to_string(place.error())));
    }
    carry_out_all(node);
  }

  void write(std::istringstream& words) {
    NodeId node = 0;
    SiteId site = 0;
    int count = 0;
    words >> node >> site >> count;
    for (int i = 0; i < count; ++i) {
      const Result<Instance> place =
          stream(node).propose(now_, {{}, wire::EntryKind::kCommand, Buffer::copy_of("w"), {}}, site);
      if (!place) say(fmt::format("refused: {}", to_string(place.error())));
      carry_out_all(node);
      if (i % 2 == 1) pass_one_ms();
    }
  }

  void pass_one_ms() {
    now_ += ms_to_ns(1);
    while (!flight_.empty() && flight_.front().at <= now_) {
      InFlight next = std::move(flight_.front());
      flight_.pop_front();
      const std::uint32_t epoch = epoch_of(next.message);
      const auto node = streams_.find(next.to);
      if (node == streams_.end() || !node->second.contains(epoch)) continue;
      say(epoch, fmt::format("{} -> {} {}", next.from, next.to, describe(next.message)));
      node->second.at(epoch)->receive(now_, next.from, std::move(next.message));
      carry_out(next.to, epoch);
    }
    for (const auto& [node, epochs] : streams_) {
      for (const auto& [epoch, stream] : epochs) {
        if (stream->next_wakeup(now_) > now_) continue;
        stream->tick(now_);
        carry_out(node, epoch);
      }
    }
  }

  static std::uint32_t epoch_of(const wire::StreamMessage& message) {
    return std::visit([](const auto& kind) { return kind.stream.epoch; }, message);
  }

  void carry_out_all(NodeId node) { carry_out(node, streams_.at(node).rbegin()->first); }

  void carry_out(NodeId node, std::uint32_t epoch) {
    Stream& stream = *streams_.at(node).at(epoch);
    StreamOutput out = stream.take();
    for (const RoleChange& role : out.roles) {
      const std::string first_own = role.first_own == 0 ? "" : fmt::format(", first own entry at {}", role.first_own);
      const std::string whom = role.coordinator == 0 ? "nobody" : std::to_string(role.coordinator);
      say(epoch, fmt::format("{} is {} ({}), coordinator {}{}", node, to_string(role.role), to_string(role.ballot), whom,
                             first_own));
    }
    for (const DecidedEntry& decided : out.decided) {
      say(epoch, fmt::format("{} decided {} {}", node, decided.instance, describe(decided.entry)));
      const auto broken = invariants_.at(epoch)->on_decided(node, decided);
      JUXMEM_CHECK_MSG(!broken, *broken);
      stream.applied(now_, decided.instance);
    }
    for (const AnsweredRead& read : out.reads)
      say(epoch, fmt::format("{} answers read {} at {}", node, read.tag, read.instance));
    for (Outgoing& outgoing : out.messages) {
      if (cut_.contains({node, outgoing.to})) {
        say(epoch, fmt::format("{} -x {} {}", node, outgoing.to, describe(outgoing.message)));
      } else {
        take_off({now_ + ms_to_ns(delay_ms(node, outgoing.to)), node, outgoing.to, std::move(outgoing.message)});
      }
    }
    if (out.end) enter_next(node, *out.end);
  }

  // Messages of the same time arrive in the order in which they were sent.
  void take_off(InFlight message) {
    const auto later = std::ranges::upper_bound(flight_, message.at, {}, &InFlight::at);
    flight_.insert(later, std::move(message));
  }

  TimeNs delay_ms(NodeId from, NodeId to) const {
    const std::vector<StreamMember>& members = configs_.at(from).members;
    const auto one = std::ranges::find(members, from, &StreamMember::node);
    const auto other = std::ranges::find(members, to, &StreamMember::node);
    return one == members.end() || other == members.end() || one->site == other->site ? 1 : far_ms_;
  }

  void enter_next(NodeId node, const StreamEnd& end) {
    const StreamConfig next = next_config(configs_.at(node), end.stop, end.next);
    const bool is_member = std::ranges::find(next.members, node, &StreamMember::node) != next.members.end();
    say(fmt::format("{} {} epoch {} after {}", node, is_member ? "enters" : "is no member of", next.stream.epoch, end.stop));
    if (is_member) begin_epoch(node, next);
  }

  void show_status(NodeId node) {
    const StreamStatus status = stream(node).status(now_);
    say(fmt::format("{}: {} of {}, coordinator {}, decided {}, last {}{}", node, to_string(status.role),
                    to_string(status.ballot), status.coordinator, status.decided, status.log_last,
                    stream(node).serves(now_) ? ", serves"
                    : status.ended            ? ", ended"
                                              : ""));
  }

  void say(std::uint32_t epoch, const std::string& what) {
    say(epoch == 1 ? what : fmt::format("epoch {}: {}", epoch, what));
  }
  void say(const std::string& what) { transcript_ += fmt::format("> {:>5} {}\n", now_ / ms_to_ns(1), what); }

  TimeNs now_ = ms_to_ns(1000);
  std::map<NodeId, std::map<std::uint32_t, std::unique_ptr<Stream>>> streams_;  // by node and epoch
  std::map<NodeId, StreamConfig> configs_;                                      // of each node's last epoch
  std::map<std::uint32_t, std::unique_ptr<StreamInvariants>> invariants_;       // by epoch
  std::deque<InFlight> flight_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  TimeNs far_ms_ = 1;
  std::string transcript_;
};

// The file with the transcripts that its commands give now.
std::string replayed(std::istream& file) {
  Scenario scenario;
  std::string result;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("> ")) continue;
    result += line + "\n";
    if (!line.empty() && !line.starts_with('#')) result += scenario.command(line);
  }
  return result;
}

bool agrees(const std::string& path, const std::string& expected, const std::string& actual) {
  if (expected == actual) return true;
  std::istringstream left(expected);
  std::istringstream right(actual);
  std::string one;
  std::string other;
  std::size_t number = 0;
  do {
    ++number;
    one.clear();
    other.clear();
    std::getline(left, one);
    std::getline(right, other);
  } while (one == other);
  std::cout << fmt::format("{}:{}: the transcript differs\n  file: {}\n  now:  {}\n", path, number, one, other);
  return false;
}

}  // namespace
}  // namespace juxmem

int main(int argc, char** argv) {
  bool update = false;
  int files = 0;
  int differing = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    if (path == "--update") {
      update = true;
      continue;
    }
    ++files;
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const std::string expected = text.str();
    const std::string actual = juxmem::replayed(text);
    if (update) {
      std::ofstream(path) << actual;
    } else if (!juxmem::agrees(path, expected, actual)) {
      ++differing;
    }
  }
  if (files == 0) {
    std::cout << "usage: stream_scenarios [--update] FILE ...\n";
    return 2;
  }
  std::cout << fmt::format("{} scenarios, {} differ\n", files, differing);
  return differing == 0 ? 0 : 1;
}

// Golden scenarios: a script of what happens to agents and coordinators, and the transcript it must give, in one file. Lines that
// begin with "> " are the transcript of the command above them. To accept a changed transcript, run with JUXMEM_REWRITE=1.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "consistency/coherence/directory.h"
#include "consistency/coherence/holdings.h"

namespace juxmem {
namespace {

constexpr GroupId kGroup = 7;
constexpr BlockId kBlock = make_block_id(kGroup, 1);

std::string describe(const wire::RequestOwnership& m) {
  return fmt::format("request #{} {}{}", m.request, to_string(m.mode), m.try_only ? " at once" : "");
}
std::string describe(const wire::Yield& m) { return fmt::format("yield {} keep {}", to_string(m.grant), to_string(m.keep)); }
std::string describe(const wire::HoldingsReply& m) {
  std::string text = fmt::format("holdings under {}:", to_string(m.ballot));
  for (const wire::Holding& holding : m.holdings) {
    text += fmt::format(" {} {} {}", block_name(holding.block), to_string(holding.mode), to_string(holding.grant));
  }
  return text;
}
std::string describe(const wire::Granted& m) {
  if (m.code != Code::kOk) return fmt::format("refused #{} {}", m.request, name_of(m.code));
  return fmt::format("granted #{} {} as {} version {}", m.request, to_string(m.mode), to_string(m.grant), m.version);
}
std::string describe(const wire::Recall& m) {
  return fmt::format("recall {} keep {}", to_string(m.grant), to_string(m.keep));
}
std::string describe(const wire::Reregister& m) { return fmt::format("reregister under {}", to_string(m.ballot)); }

class Scenario {
 public:
  std::string run(const std::string& line) {
    transcript_.clear();
    std::istringstream words(line);
    std::string command;
    std::string name;
    words >> command;
    if (command == "coordinator") {
      Ballot ballot;
      words >> ballot.round >> ballot.node;
      directory_ = std::make_unique<Directory>(kGroup, timing_);
      std::vector<SessionId> live;
      for (const auto& [session, agent] : sessions_) live.push_back(session);
      directory_->begin_recovery(now_, ballot, live, now_);
      flush();
    } else if (command == "session") {
      SessionId session = 0;
      words >> name >> session;
      sessions_[session] = name;
      agents_.try_emplace(name, timing_);
      if (directory_) directory_->session_opened(session);
      agents_.at(name).session_opened(now_, kGroup, session, now_ + ms_to_ns(3'600'000));
    } else if (command == "expire") {
      words >> name;
      const SessionId session = session_of(name);
      sessions_.erase(session);
      directory_->session_expired(now_, session);
      flush();
    } else if (command == "learn-expiry") {
      words >> name;
      for (Token token : agents_.at(name).session_ended(now_, kGroup)) say(fmt::format("{} lost section {}", name, token));
    } else if (command == "acquire") {
      Token token = 0;
      std::string mode;
      words >> name >> token >> mode;
      agents_.at(name).acquire(now_, {.block = kBlock,
                                      .mode = mode == "exclusive" ? Mode::kExclusive : Mode::kShared,
                                      .token = token,
                                      .deadline = now_ + ms_to_ns(1'000'000)});
      flush();
    } else if (command == "publish") {
      words >> name >> version_;
      agents_.at(name).published(kBlock, version_, {});
    } else if (command == "release") {
      Token token = 0;
      words >> name >> token;
      agents_.at(name).release(now_, token);
      flush();
    } else if (command == "deliver") {
      while (!flying_.empty()) deliver_first(flying_);
    } else if (command == "step") {
      if (!flying_.empty()) deliver_first(flying_);
    } else if (command == "cut") {
      words >> name;
      cut_.insert(name);
    } else if (command == "shelve") {
      shelf_.insert(shelf_.end(), flying_.begin(), flying_.end());
      for (const Flying& one : flying_) say("late: " + one.text);
      flying_.clear();
    } else if (command == "unshelve") {
      while (!shelf_.empty()) deliver_first(shelf_);
    } else if (command == "wait") {
      std::int64_t ms = 0;
      words >> ms;
      now_ += ms_to_ns(ms);
      directory_->tick(now_);
      for (auto& [agent, holdings] : agents_) holdings.tick(now_);
      flush();
    } else {
      say("unknown command");
    }
    return transcript_;
  }

 private:
  struct Flying {
    std::string text;
    std::function<void()> arrive;
  };

  void say(const std::string& line) { transcript_ += "> " + line + "\n"; }

  void deliver_first(std::deque<Flying>& from) {
    const Flying one = from.front();
    from.pop_front();
    say(one.text);
    one.arrive();
    flush();
  }

  SessionId session_of(const std::string& name) const {
    for (const auto& [session, agent] : sessions_) {
      if (agent == name) return session;
    }
    return 0;
  }

  void flush() {
    if (directory_) {
      DirectoryOutput output = directory_->take_output();
      for (SessionId session : output.expire) say(fmt::format("coordinator wants session {} expired", session));
      for (DirectoryMessage& message : output.messages) {
        if (auto* granted = std::get_if<wire::Granted>(&message)) granted->version = version_;
        std::visit([&](const auto& one) { send_to_agent(one); }, message);
      }
    }
    for (auto& [name, holdings] : agents_) {
      HoldingsOutput output = holdings.take_output();
      for (const AcquireAnswer& answer : output.answers) {
        say(fmt::format("{} section {} {} {}", name, answer.token, to_string(answer.mode), name_of(answer.code)));
      }
      for (const auto& [group, message] : output.messages) {
        std::visit([&](const auto& one) { send_to_directory(name, one); }, message);
      }
    }
  }

  template <typename M>
  void send_to_agent(const M& message) {
    const auto known = sessions_.find(message.session);
    if (known == sessions_.end()) return;
    const std::string name = known->second;
    if (cut_.contains(name)) return say(fmt::format("lost: to {}: {}", name, describe(message)));
    flying_.push_back({fmt::format("to {}: {}", name, describe(message)), [this, name, message] {
                         Holdings& holdings = agents_.at(name);
                         if constexpr (std::is_same_v<M, wire::Granted>) holdings.on_granted(now_, message);
                         if constexpr (std::is_same_v<M, wire::Recall>) holdings.on_recall(now_, message);
                         if constexpr (std::is_same_v<M, wire::Reregister>) holdings.on_reregister(now_, message);
                       }});
  }

  template <typename M>
  void send_to_directory(const std::string& name, const M& message) {
    if (cut_.contains(name)) return say(fmt::format("lost: from {}: {}", name, describe(message)));
    flying_.push_back({fmt::format("from {}: {}", name, describe(message)), [this, message] {
                         if constexpr (std::is_same_v<M, wire::RequestOwnership>) directory_->on_request(now_, message);
                         if constexpr (std::is_same_v<M, wire::Yield>) directory_->on_yield(now_, message);
                         if constexpr (std::is_same_v<M, wire::HoldingsReply>) directory_->on_holdings(now_, message);
                       }});
  }

  Timing timing_;
  TimeNs now_ = ms_to_ns(1000);
  Version version_ = 0;
  std::unique_ptr<Directory> directory_;
  std::map<SessionId, std::string> sessions_;
  std::map<std::string, Holdings> agents_;
  std::deque<Flying> flying_;
  std::deque<Flying> shelf_;
  std::set<std::string> cut_;
  std::string transcript_;
};

void check_scenario(const std::string& file) {
  const std::string path = std::string(SCENARIOS) + "/" + file;
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  Scenario scenario;
  std::string expected;
  std::string actual;
  for (std::string line; std::getline(in, line);) {
    expected += line + "\n";
    if (line.starts_with(">")) continue;
    actual += line + "\n";
    if (!line.empty() && !line.starts_with("#")) actual += scenario.run(line);
  }
  if (std::getenv("JUXMEM_REWRITE") != nullptr) std::ofstream(path) << actual;
  EXPECT_EQ(expected, actual);
}

TEST(CoherenceScenario, LockHandOverAcrossACoordinatorChange) { check_scenario("hand_over_coordinator_change.txt"); }

}  // namespace
}  // namespace juxmem

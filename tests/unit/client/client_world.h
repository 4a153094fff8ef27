// A client core in a world whose agents are scripted by the test.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "juxmem/client/client_core.h"
#include "juxmem/env/env.h"

namespace juxmem {

// What for: virtual time and a network that keeps what the core sends until the test takes it.
// Thread safety: none. Ownership: owns the core. Failure: none.
class ClientWorld final : public Env, private Network, private Clock {
 public:
  static constexpr std::uint64_t kClient = 77;

  explicit ClientWorld(std::vector<std::string> addresses);

  ClientCore& core() { return *core_; }
  PeerId peer(const std::string& address) { return dial(address); }

  // Lets the time pass; the core's timer runs at the times it asked for.
  void pass_ms(std::int64_t ms);
  // After a call from the test: what the core wants to send goes out.
  void flush() { core_->end_turn(); }

  // A message of an agent.
  void say(const std::string& address, wire::ClientMessage message);
  void welcome(const std::string& address, std::uint64_t incarnation = 1, std::vector<std::string> others = {});
  void answer(const std::string& address, wire::ClientAnswer answer);
  void refuse(const std::string& address, std::uint64_t request, Code code);

  // The requests with a body of type T sent to the agent and not taken yet; beats and greetings are left out.
  template <typename T>
  std::vector<wire::ClientRequest> take(const std::string& address) {
    std::vector<wire::ClientRequest> taken;
    std::deque<wire::ClientMessage>& all = sent_[dial(address)];
    std::deque<wire::ClientMessage> rest;
    for (wire::ClientMessage& message : all) {
      auto* request = std::get_if<wire::ClientRequest>(&message);
      if (request != nullptr && std::holds_alternative<T>(request->body)) {
        taken.push_back(std::move(*request));
      } else {
        rest.push_back(std::move(message));
      }
    }
    all = std::move(rest);
    return taken;
  }
  // How many messages of type T lie with the agent; they are taken away.
  template <typename T>
  std::vector<T> take_message(const std::string& address) {
    std::vector<T> taken;
    std::erase_if(sent_[dial(address)], [&](wire::ClientMessage& message) {
      auto* wanted = std::get_if<T>(&message);
      if (wanted == nullptr) return false;
      taken.push_back(std::move(*wanted));
      return true;
    });
    return taken;
  }
  std::size_t packets_to(const std::string& address) { return packets_[dial(address)]; }

  // Takes a block exclusively through the agent, which answers at once.
  SectionId hold(const std::string& address, BlockId block, std::uint64_t agent_section, Version version = 5);

  // Agents that answer every beat.
  bool beats_are_answered = true;

  Network& network() override { return *this; }
  Clock& clock() override { return *this; }
  std::uint64_t random() override { return 4; }
  void wake_at(TimeNs when) override { wake_at_ = when; }

 private:
  PeerId dial(std::string_view address) override;
  void send(PeerId to, wire::Packet packet) override;
  void hang_up(PeerId) override {}
  TimeNs now() const override { return now_; }
  void answer_beats();

  TimeNs now_ = 1'000'000'000;
  TimeNs wake_at_ = 0;
  std::map<std::string, PeerId, std::less<>> peers_;
  std::map<PeerId, std::deque<wire::ClientMessage>> sent_;
  std::map<PeerId, std::size_t> packets_;
  std::map<PeerId, std::uint64_t> incarnations_;
  std::vector<PeerId> beaten_;
  std::unique_ptr<ClientCore> core_;
};

// A completion that keeps its result.
template <typename T>
class Kept {
 public:
  Completion<T> completion() {
    return [this](Result<T> result) {
      EXPECT_FALSE(result_) << "a completion runs once";
      result_.emplace(std::move(result));
    };
  }
  bool has() const { return result_.has_value(); }
  bool is_ok() const { return result_ && result_->has_value(); }
  Code code() const { return !result_ ? Code::kInternal : *result_ ? Code::kOk : result_->error().code; }
  const auto& value() const { return **result_; }

 private:
  std::optional<Result<T>> result_;
};

}  // namespace juxmem

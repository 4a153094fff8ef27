// CoherenceWorld: directory and holdings over a bad network, without the rest of the grid.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "consistency/coherence/directory.h"
#include "consistency/coherence/holdings.h"
#include "consistency/sessions/session_leases.h"
#include "juxmem/base/random.h"
#include "juxmem/base/timing.h"
#include "tests/sim/seeds.h"

namespace juxmem::sim {

inline constexpr GroupId kGroup = 7;

// A user's section at an agent.
struct Section {
  BlockId block = 0;
  Mode mode = Mode::kNone;
  Grant grant;
  bool publishing = false;
  bool ending = false;
};

// One agent's life; a crash ends it and the next one starts empty.
struct SimAgent {
  explicit SimAgent(const Timing& timing) : holdings(timing), lease(timing) {}

  Holdings holdings;
  SessionLease lease;
  SessionId session = 0;
  std::uint64_t incarnation = 0;
  TimeNs paused_until = 0;
  TimeNs cut_to_until = 0;    // messages to the coordinator are lost
  TimeNs cut_from_until = 0;  // messages from it are lost
  std::map<Token, Section> sections;
  std::map<BlockId, std::deque<Token>> waiting;  // in the order of acquire()
  TimeNs renew_at = 0;
};

// A coordinator's time of office. The log is taken as given (paxos has its own simulator): what the current coordinator proposes is
// decided a little later if it is still current.
struct SimCoordinator {
  explicit SimCoordinator(const Timing& timing) : directory(kGroup, timing), leases(timing) {}

  Ballot ballot;
  Directory directory;
  SessionLeases leases;
  std::map<std::pair<BlockId, SessionId>, std::uint64_t> arrivals;  // of those that wait, in order
  std::set<std::pair<BlockId, Grant>> grants_seen;
  std::uint64_t arrival_counter = 0;
};

struct SimBlock {
  Version version = 0;
  Grant highest;
};

// The run of one seed: a phase of faults with safety checked after every event, then healing, after which every user must have been
// answered within a bounded time.
class CoherenceWorld {
 public:
  CoherenceWorld(std::uint64_t seed, bool keep_trace);
  SeedOutcome run();

 private:
  using Action = std::function<void()>;
  struct Event {
    TimeNs at = 0;
    std::uint64_t order = 0;
    std::shared_ptr<Action> action;
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  // world.cc: time, faults, the coordinator, the log
  void after(TimeNs delay, Action action);
  void step_all();
  TimeNs network_delay();
  void to_coordinator(std::size_t agent, const std::function<void(SimCoordinator&)>& deliver);
  void to_agent(std::size_t agent, const std::function<void(SimAgent&)>& deliver);
  void faults();
  void start_coordinator();
  void depose_coordinator();
  void coordinator_tick(std::uint64_t round);
  void flush_coordinator();
  void decide(const Action& apply);
  void open_session(std::size_t agent, std::uint64_t incarnation, TimeNs sent_at);
  void expire_session(SessionId session);
  std::optional<std::size_t> agent_of(SessionId session) const;

  // world_agents.cc
  void start_agent(std::size_t agent);
  void agent_tick(std::size_t agent, std::uint64_t incarnation);
  void flush_agent(std::size_t agent);
  void use_blocks(std::size_t agent, std::uint64_t incarnation);
  void on_answer(std::size_t agent, const AcquireAnswer& answer);
  void end_section(std::size_t agent, Token token);
  void publish(std::size_t agent, std::uint64_t incarnation, Token token, SessionId session);
  void on_published(std::size_t agent, Token token, SessionId session, bool accepted, Version version);
  void session_lost(std::size_t agent, SessionId session);
  bool alive(std::size_t agent, std::uint64_t incarnation) const;

  // world_checks.cc
  void check_step();
  void check_answer(std::size_t agent, const AcquireAnswer& answer);
  void check_publish(SessionId session, const Section& section);
  void check_order(const wire::Granted& granted);
  void check_end();
  void deliver_request(SimCoordinator& coordinator, const wire::RequestOwnership& request);
  void fail(std::string what);
  void trace(const std::string& line);

  Random random_;
  const bool keep_trace_;
  Timing timing_;
  TimeNs now_ = 0;
  TimeNs heal_at_ = 0;
  std::uint64_t event_counter_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint32_t loss_ppm_ = 0;
  std::uint32_t duplicate_ppm_ = 0;
  std::uint32_t late_ppm_ = 0;

  std::map<SessionId, std::pair<std::size_t, std::uint64_t>> live_;  // session -> agent, incarnation
  std::map<BlockId, SimBlock> blocks_;
  std::map<std::pair<SessionId, Token>, Version> published_;  // exactly once
  Instance log_length_ = 0;

  std::uint64_t rounds_ = 0;
  TimeNs deposed_at_ = 0;  // the last coordinator
  std::unique_ptr<SimCoordinator> coordinator_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::vector<std::uint64_t> lives_;
  Token next_token_ = 0;
  std::uint64_t wishes_ = 0;

  std::string violation_;
  std::string trace_;
};

}  // namespace juxmem::sim

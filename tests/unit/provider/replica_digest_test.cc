#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "juxmem/provider/catalog_machine.h"
#include "juxmem/provider/replica.h"

namespace juxmem {
namespace {

// Three replicas whose messages arrive at once and in order; time moves only by hand.
class Trio {
 public:
  explicit Trio(std::uint64_t digest_every) {
    StreamConfig config;
    config.stream = {kRootGroup, 1};
    config.members = {{1, 1}, {2, 1}, {3, 1}};
    config.preferred = 1;
    config.timing.digest_every = digest_every;
    for (NodeId node = 1; node <= 3; ++node) {
      config.self = node;
      config.seed = node;
      hosts_[node] = std::make_unique<Host>(*this, node);
      // Node 3 counts one manager more: its state is another from the first join on.
      const auto make_machine = [node] { return std::make_unique<CatalogMachine>(node == 3 ? 4 : 3); };
      replicas_[node] = std::make_unique<Replica>(*hosts_[node], config, make_machine);
    }
  }

  void run_for(std::int64_t ms) {
    for (const TimeNs end = now_ + ms_to_ns(ms); now_ < end; now_ += ms_to_ns(5)) {
      for (auto& [node, replica] : replicas_) replica->tick();
      settle();
    }
  }

  void join(const std::string& name, std::uint64_t incarnation) {
    wire::JoinProvider provider;
    provider.name = name;
    provider.site = "a";
    provider.address = "mem://" + name;
    provider.incarnation = incarnation;
    ASSERT_TRUE(replicas_[1]->propose_own({{}, provider}));
    run_for(20);
  }

  Replica& replica(NodeId node) { return *replicas_[node]; }
  const std::string& trouble_of(NodeId node) const { return hosts_.at(node)->trouble; }

 private:
  struct Host final : ReplicaHost {
    Host(Trio& trio, NodeId node) : trio(trio), node(node) {}
    NodeId self() const override { return node; }
    TimeNs now() const override { return trio.now_; }
    void send(NodeId to, wire::Message message) override { trio.flights_.push_back({node, to, std::move(message)}); }
    void on_replica_changed(GroupId) override {}
    void on_replica_trouble(GroupId, const std::string& what) override { trouble = what; }
    Trio& trio;
    NodeId node;
    std::string trouble;
  };
  struct Flight {
    NodeId from = 0;
    NodeId to = 0;
    wire::Message message;
  };

  void settle() {
    do {
      for (auto& [node, replica] : replicas_) replica->advance();
      std::deque<Flight> flights;
      flights.swap(flights_);
      for (Flight& flight : flights) {
        if (auto* stream = std::get_if<wire::StreamMessage>(&flight.message)) {
          replicas_[flight.to]->on_stream(flight.from, std::move(*stream));
        }
      }
      for (auto& [node, replica] : replicas_) replica->advance();
    } while (!flights_.empty());
  }

  TimeNs now_ = 1'000'000'000;
  std::map<NodeId, std::unique_ptr<Host>> hosts_;
  std::map<NodeId, std::unique_ptr<Replica>> replicas_;
  std::deque<Flight> flights_;
};

TEST(ReplicaDigest, AReplicaWhoseStateDiffersTakesNoFurtherPartAndSaysSo) {
  Trio trio(4);
  trio.run_for(100);
  ASSERT_TRUE(trio.replica(1).leads());
  for (std::uint64_t i = 1; i <= 12; ++i) trio.join("p" + std::to_string(i), 100 + i);
  trio.run_for(500);
  EXPECT_TRUE(trio.replica(3).is_broken());
  EXPECT_NE(trio.trouble_of(3), "");
  EXPECT_FALSE(trio.replica(3).leads());
  EXPECT_FALSE(trio.replica(1).is_broken());
  EXPECT_FALSE(trio.replica(2).is_broken());
  EXPECT_TRUE(trio.replica(1).leads());
}

TEST(ReplicaDigest, WithoutAComparisonNobodyNotices) {
  Trio trio(1'000'000);
  trio.run_for(100);
  for (std::uint64_t i = 1; i <= 12; ++i) trio.join("p" + std::to_string(i), 100 + i);
  trio.run_for(500);
  EXPECT_FALSE(trio.replica(3).is_broken());
}

}  // namespace
}  // namespace juxmem

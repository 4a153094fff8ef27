// The stream core alone: three replicas in one process and one thread, no network. Prints entries per second.
#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consistency/paxos/stream.h"

namespace juxmem {
namespace {

constexpr std::size_t kEntryBytes = 16;
constexpr std::uint64_t kProposalsPerTurn = 256;

// Messages between the replicas are moved from output to input; every turn takes a tenth of a millisecond of the replicas' time.
class Bench {
 public:
  Bench() {
    StreamConfig config;
    config.stream = {1, 1};
    config.members = {{1, 1}, {2, 1}, {3, 1}};
    config.preferred = 1;
    for (const StreamMember& member : config.members) {
      config.self = member.node;
      streams_.push_back(std::make_unique<Stream>(config));
    }
    while (!streams_[0]->serves(now_)) turn();
  }

  // Until every replica has applied `count` further entries. Each entry has bytes of its own.
  void run(std::uint64_t count) {
    const Instance goal = streams_[0]->decided() + count;
    std::uint64_t proposed = 0;
    while (applied_[0] < goal || applied_[1] < goal || applied_[2] < goal) {
      for (std::uint64_t i = 0; i < kProposalsPerTurn && proposed < count; ++i) {
        const std::uint64_t bytes[kEntryBytes / 8] = {proposed, i};
        wire::Entry entry{{}, wire::EntryKind::kCommand, Buffer::copy_of(std::as_bytes(std::span(bytes))), {}};
        if (!streams_[0]->propose(now_, std::move(entry))) break;
        ++proposed;
      }
      turn();
    }
  }

 private:
  void turn() {
    now_ += 100'000;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (streams_[i]->next_wakeup(now_) <= now_) streams_[i]->tick(now_);
    }
    // Coordinator, replicas, coordinator: a round trip.
    for (std::size_t i : {0, 1, 2, 0}) carry_out(i);
  }

  void carry_out(std::size_t index) {
    StreamOutput out = streams_[index]->take();
    for (Outgoing& outgoing : out.messages) {
      streams_[outgoing.to - 1]->receive(now_, static_cast<NodeId>(index + 1), std::move(outgoing.message));
    }
    if (out.decided.empty()) return;
    for (const DecidedEntry& decided : out.decided) checksum_ += decided.entry.command.size();
    applied_[index] = out.decided.back().instance;
    streams_[index]->applied(now_, applied_[index]);
  }

  TimeNs now_ = ms_to_ns(1);
  std::vector<std::unique_ptr<Stream>> streams_;
  Instance applied_[3] = {};
  std::uint64_t checksum_ = 0;
};

}  // namespace
}  // namespace juxmem

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5'000'000;
  if (count == 0) {
    fmt::print("usage: stream_bench [ENTRIES]\n");
    return 2;
  }
  juxmem::Bench bench;
  bench.run(count / 10 + 1);
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t cpu_start = std::clock();
  bench.run(count);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  fmt::print("stream core, 3 replicas, one thread, {}-byte entries: {} entries in {:.3f} s ({:.3f} s of CPU)\n", 16, count,
             seconds, cpu_seconds);
  fmt::print("stream_entries_per_s {:.0f}\n", static_cast<double>(count) / seconds);
  fmt::print("stream_entries_per_cpu_s {:.0f}\n", static_cast<double>(count) / cpu_seconds);
  return 0;
}

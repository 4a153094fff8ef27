// The peer: a cluster of three etcd nodes on loopback.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/process/process.h"
#include "juxmem/base/result.h"

namespace juxmem::bench {

// What for: starts the nodes, puts through gRPC as etcd's own clients do, and ends the nodes.
// Ownership: the processes and their folder go with the object. Failure: names what could not be started.
class EtcdCluster {
 public:
  // The nodes' data are in a new folder below `parent`, whose disk is what counts.
  // Errors: kIo if etcd (package etcd-server) cannot be started, kTryAgain if no put succeeds within 30 s.
  static Result<EtcdCluster> start(const std::string& parent);
  EtcdCluster(EtcdCluster&&) noexcept = default;
  ~EtcdCluster();

  // `clients` threads, each with its own connection, put `value_bytes` under a key of their own one after the other, for `run_ms`.
  // Returns puts per second.
  Result<double> puts_per_second(int clients, std::size_t value_bytes, std::int64_t run_ms) const;

 private:
  EtcdCluster() = default;

  std::string folder_;
  std::vector<Process> nodes_;
  std::vector<std::string> addresses_;  // host:port of each node's client side
};

}  // namespace juxmem::bench

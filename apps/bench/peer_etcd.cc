#include "apps/bench/peer_etcd.h"

#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "etcd_kv.grpc.pb.h"

namespace juxmem::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kNodes = 3;

// Ports nobody listens on now; etcd cannot pick its own.
std::vector<int> free_ports(std::size_t count) {
  std::vector<int> sockets;
  std::vector<int> ports;
  for (std::size_t i = 0; i < count; ++i) {
    const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      ports.push_back(ntohs(address.sin_port));
    }
    sockets.push_back(socket_fd);
  }
  for (int socket_fd : sockets) close(socket_fd);
  return ports;
}

bool put(etcdserverpb::KV::Stub& stub, const std::string& key, const std::string& value) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  etcdserverpb::PutResponse response;
  return stub.Put(&context, request, &response).ok();
}

std::unique_ptr<etcdserverpb::KV::Stub> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own per client
  return etcdserverpb::KV::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace

Result<EtcdCluster> EtcdCluster::start(const std::string& parent) {
  EtcdCluster cluster;
  std::string folder = parent + "/juxmem-etcd-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return fail(Code::kIo, "cannot make a folder in " + parent);
  cluster.folder_ = folder;
  const std::vector<int> ports = free_ports(2 * kNodes);
  if (ports.size() != 2 * kNodes) return fail(Code::kIo, "no free ports on loopback");
  const auto url = [&](int port) { return "http://127.0.0.1:" + std::to_string(port); };
  std::string members;
  for (std::size_t i = 0; i < kNodes; ++i) {
    members += (i == 0 ? "" : ",") + ("node" + std::to_string(i)) + "=" + url(ports[kNodes + i]);
  }
  for (std::size_t i = 0; i < kNodes; ++i) {
    const std::string name = "node" + std::to_string(i);
    const std::string client = url(ports[i]);
    const std::string peer = url(ports[kNodes + i]);
    auto node =
        Process::start({"etcd", "--name", name, "--data-dir", cluster.folder_ + "/" + name, "--listen-client-urls", client,
                        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                        "--initial-cluster", members, "--initial-cluster-state", "new", "--log-level", "error"},
                       {}, cluster.folder_ + "/" + name + ".log");
    if (!node) return std::unexpected(node.error());
    cluster.nodes_.push_back(std::move(*node));
    cluster.addresses_.push_back(client.substr(7));
  }
  const auto deadline = SteadyClock::now() + std::chrono::seconds(30);
  auto stub = connect(cluster.addresses_.front());
  while (!put(*stub, "ready", "yes")) {
    if (SteadyClock::now() > deadline) return fail(Code::kTryAgain, "the etcd cluster took no put within 30 s");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return cluster;
}

EtcdCluster::~EtcdCluster() {
  nodes_.clear();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Result<double> EtcdCluster::puts_per_second(int clients, std::size_t value_bytes, std::int64_t run_ms) const {
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> failed = false;
  const std::string value(value_bytes, 'v');
  const auto start = SteadyClock::now();
  const auto end = start + std::chrono::milliseconds(run_ms);
  std::vector<std::thread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      auto stub = connect(addresses_[static_cast<std::size_t>(client) % addresses_.size()]);
      while (SteadyClock::now() < end && !failed) {
        if (!put(*stub, "key" + std::to_string(client), value)) failed = true;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) return fail(Code::kTryAgain, "a put to etcd failed");
  return static_cast<double>(done) / std::chrono::duration<double>(SteadyClock::now() - start).count();
}

}  // namespace juxmem::bench

#include "juxmem/provider/outbox.h"

#include <type_traits>
#include <variant>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

// Well below wire::kPacketBytesMax: what is counted here leaves out the small fields.
constexpr std::uint64_t kBulkPerPacketMax = 8U << 20;
// Small buffers travel in the packet's head, which has a limit of its own.
constexpr std::uint64_t kMessagesPerPacketMax = 1024;
constexpr std::size_t kHeardMax = 65536;

std::uint64_t size_of_all(const std::vector<Buffer>& buffers) {
  std::uint64_t bytes = 0;
  for (const Buffer& buffer : buffers) bytes += buffer.size();
  return bytes;
}

std::uint64_t size_of_all(const std::vector<wire::Entry>& entries) {
  std::uint64_t bytes = 0;
  for (const wire::Entry& entry : entries) bytes += entry.size_bytes() + 64;
  return bytes;
}

template <typename T>
std::uint64_t bulk_of(const T& message) {
  if constexpr (std::is_same_v<T, wire::Accept> || std::is_same_v<T, wire::Promise> || std::is_same_v<T, wire::Ended> ||
                std::is_same_v<T, wire::LogReply>) {
    return size_of_all(message.entries);
  } else if constexpr (std::is_same_v<T, wire::Propose>) {
    return message.command.size() + message.data.size();
  } else if constexpr (std::is_same_v<T, wire::PagesReply>) {
    return size_of_all(message.data) + message.ranges.size() * 16;
  } else if constexpr (std::is_same_v<T, wire::ClientAnswer>) {
    return size_of_all(message.data) + message.meta.size() + message.ranges.size() * 16;
  } else if constexpr (std::is_same_v<T, wire::SnapshotReply>) {
    return message.data.size();
  } else if constexpr (std::is_same_v<T, wire::BlockFacts>) {
    return message.meta.size();
  } else if constexpr (std::is_same_v<T, wire::CatalogSnapshot>) {
    return message.providers.size() * 256 + message.groups.size() * 128;
  } else if constexpr (std::is_same_v<T, wire::StatusReply>) {
    return bulk_of(message.catalog) + message.groups.size() * 256 + message.providers.size() * 64;
  } else if constexpr (std::is_same_v<T, wire::HoldingsReply>) {
    return message.holdings.size() * 48;
  } else if constexpr (std::is_same_v<T, wire::NamesReply>) {
    return message.rows.size() * 128;
  } else {
    return 0;
  }
}

}  // namespace

std::uint64_t bulk_bytes_of(const wire::Message& message) {
  return std::visit([](const auto& layer) { return std::visit([](const auto& kind) { return bulk_of(kind); }, layer); },
                    message);
}

void Outbox::set_self(NodeId node, std::uint64_t incarnation) {
  self_ = node;
  incarnation_ = incarnation;
}

bool Outbox::address_in_use(const std::string& address) const {
  for (const auto& [node, route] : routes_) {
    if (route.address == address) return true;
  }
  return false;
}

void Outbox::set_route(NodeId node, const std::string& address, std::uint64_t incarnation) {
  auto found = routes_.find(node);
  if (found != routes_.end()) {
    if (found->second.address == address) {
      found->second.incarnation = incarnation;
      return;
    }
    const Route former = found->second;
    routes_.erase(found);
    if (former.peer != 0 && !address_in_use(former.address)) network_.hang_up(former.peer);
  }
  if (!address.empty()) routes_[node] = Route{address, 0, incarnation};
}

void Outbox::heard_from(NodeId node, PeerId peer) {
  if (heard_.size() < kHeardMax || heard_.contains(node)) heard_[node] = peer;
}

PeerId Outbox::peer_of(NodeId node) {
  const auto found = routes_.find(node);
  if (found == routes_.end()) return 0;
  Route& route = found->second;
  if (route.peer == 0) route.peer = network_.dial(route.address);
  return route.peer;
}

void Outbox::to_any_life(NodeId node, wire::Message message) {
  if (node == self_ && self_ != 0) {
    local_.push_back(std::move(message));
  } else if (const PeerId peer = peer_of(node); peer != 0) {
    to_peer(peer, std::move(message));
  } else if (const auto found = heard_.find(node); found != heard_.end()) {
    to_peer(found->second, std::move(message));
  } else {
    ++without_route_;
  }
}

void Outbox::to_node(NodeId node, wire::Message message) {
  if (node == self_ && self_ != 0) {
    local_.push_back(std::move(message));
    return;
  }
  if (const PeerId peer = peer_of(node); peer != 0) {
    put(peer, node, routes_.at(node).incarnation, std::move(message));
    return;
  }
  if (auto found = heard_.find(node); found != heard_.end()) {
    put(found->second, node, 0, std::move(message));
    return;
  }
  ++without_route_;
}

void Outbox::to_peer(PeerId peer, wire::Message message) { put(peer, 0, 0, std::move(message)); }

void Outbox::to_address(const std::string& address, wire::Message message) {
  const PeerId peer = network_.dial(address);
  if (peer == 0) {
    ++without_route_;
    return;
  }
  put(peer, 0, 0, std::move(message));
}

void Outbox::put(PeerId peer, NodeId to, std::uint64_t to_incarnation, wire::Message message) {
  Pending& pending = open_[{peer, to}];
  const std::uint64_t bytes = bulk_bytes_of(message);
  const bool is_full = pending.packet.messages.size() >= kMessagesPerPacketMax ||
                       (!pending.packet.messages.empty() && pending.bytes + bytes > kBulkPerPacketMax);
  if (is_full) {
    full_.push_back(std::move(pending));
    pending = Pending{};
  }
  pending.peer = peer;
  pending.packet.to = to;
  pending.packet.to_incarnation = to_incarnation;
  pending.bytes += bytes;
  pending.packet.messages.push_back(std::move(message));
}

bool Outbox::take_local(wire::Message& message) {
  if (local_.empty()) return false;
  message = std::move(local_.front());
  local_.pop_front();
  return true;
}

void Outbox::flush() {
  const auto send = [this](Pending& pending) {
    pending.packet.from = self_;
    pending.packet.incarnation = incarnation_;
    network_.send(pending.peer, std::move(pending.packet));
  };
  // A destination's full packets are older than its open one.
  for (Pending& pending : full_) send(pending);
  full_.clear();
  for (auto& [destination, pending] : open_) send(pending);
  open_.clear();
}

}  // namespace juxmem

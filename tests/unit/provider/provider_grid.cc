#include "tests/unit/provider/provider_grid.h"

#include <algorithm>

namespace juxmem {

GridNode::GridNode(ProviderGrid& grid, std::size_t index, std::string address)
    : grid_(grid), index_(index), address_(std::move(address)), random_(index + 1) {}

PeerId GridNode::dial(std::string_view address) {
  for (const auto& node : grid_.nodes_) {
    if (node->address_ == address) return node->index_ + 1;
  }
  return 0;
}

void GridNode::send(PeerId to, wire::Packet packet) { grid_.post(index_, to - 1, std::move(packet)); }

TimeNs GridNode::now() const { return grid_.now_; }

void Listener::on_packet(PeerId from, wire::Packet packet) {
  for (wire::Message& message : packet.messages) received.push_back({from, packet.from, std::move(message)});
}

ProviderGrid::ProviderGrid(const std::vector<std::string>& sites, std::size_t managers) {
  std::vector<std::string> manager_addresses;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    nodes_.push_back(std::make_unique<GridNode>(*this, i, "mem://" + std::to_string(i)));
    if (i < managers) manager_addresses.push_back(nodes_.back()->address());
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    ProviderOptions options;
    options.name = "p" + std::to_string(i);
    options.site = sites[i];
    options.address = nodes_[i]->address();
    options.capacity_bytes = 64U << 20;
    options.manager = i < managers;
    options.managers = manager_addresses;
    options_.push_back(std::move(options));
  }
  providers_.resize(sites.size());
}

ProviderGrid::~ProviderGrid() = default;

void ProviderGrid::start(std::size_t index) {
  GridNode& node = *nodes_[index];
  ++node.life_;
  node.wake_at_ = INT64_MAX;
  options_[index].incarnation = ++lives_;
  providers_[index] = std::make_unique<Provider>(node, options_[index]);
  node.handler_ = providers_[index].get();
  providers_[index]->start();
}

void ProviderGrid::start_all() {
  for (std::size_t i = 0; i < providers_.size(); ++i) start(i);
}

void ProviderGrid::kill(std::size_t index) {
  ++nodes_[index]->life_;
  nodes_[index]->handler_ = nullptr;
  nodes_[index]->wake_at_ = INT64_MAX;
  providers_[index].reset();
  if (nodes_[index]->disk_.disk != nullptr) nodes_[index]->disk_.crash();
}

Listener& ProviderGrid::add_listener(std::size_t& index) {
  index = nodes_.size();
  nodes_.push_back(std::make_unique<GridNode>(*this, index, "mem://" + std::to_string(index)));
  listeners_.push_back(std::make_unique<Listener>());
  nodes_.back()->handler_ = listeners_.back().get();
  return *listeners_.back();
}

void ProviderGrid::send_from(std::size_t index, std::size_t to, wire::Packet packet) { post(index, to, std::move(packet)); }

void ProviderGrid::post(std::size_t from, std::size_t to, wire::Packet packet) {
  if (cut_.contains(from) || cut_.contains(to)) return;
  flights_.push_back({now_ + kDelay, ++flights_made_, from, to, nodes_[to]->life_, std::move(packet)});
  std::push_heap(flights_.begin(), flights_.end(), std::greater<>());
}

// What completes at a disk before the limit; false if nothing does.
bool ProviderGrid::step_disk(TimeNs limit) {
  GridNode* first = nullptr;
  TimeNs due = INT64_MAX;
  for (const auto& node : nodes_) {
    if (node->handler_ == nullptr || node->disk_.disk == nullptr || node->disk_.next_due() >= due) continue;
    first = node.get();
    due = first->disk_.next_due();
  }
  if (first == nullptr || due > limit) return false;
  now_ = std::max(now_, due);
  first->disk_.deliver_due();
  first->handler_->end_turn();
  return true;
}

// The next packet, timer or completion; false if there is none before the limit.
bool ProviderGrid::step(TimeNs limit) {
  GridNode* timer = nullptr;
  for (const auto& node : nodes_) {
    if (node->handler_ != nullptr && (timer == nullptr || node->wake_at_ < timer->wake_at_)) timer = node.get();
  }
  const TimeNs timer_at = timer == nullptr ? INT64_MAX : std::max(timer->wake_at_, now_);
  const TimeNs flight_at = flights_.empty() ? INT64_MAX : flights_.front().at;
  if (step_disk(std::min({timer_at, flight_at, limit}))) return true;
  if (std::min(timer_at, flight_at) > limit) {
    now_ = limit;
    return false;
  }
  if (timer_at < flight_at) {
    now_ = timer_at;
    timer->wake_at_ = INT64_MAX;
    timer->handler_->on_timer();
    timer->handler_->end_turn();
    return true;
  }
  std::pop_heap(flights_.begin(), flights_.end(), std::greater<>());
  Flight flight = std::move(flights_.back());
  flights_.pop_back();
  now_ = flight.at;
  GridNode& to = *nodes_[flight.to];
  if (to.handler_ == nullptr || to.life_ != flight.to_life || cut_.contains(flight.to) || cut_.contains(flight.from))
    return true;
  to.handler_->on_packet(flight.from + 1, std::move(flight.packet));
  to.handler_->end_turn();
  return true;
}

bool ProviderGrid::run_until(const std::function<bool()>& condition, std::int64_t limit_ms) {
  const TimeNs limit = now_ + ms_to_ns(limit_ms);
  while (!condition()) {
    if (!step(limit)) return condition();
  }
  return true;
}

void ProviderGrid::run_for(std::int64_t ms) { run_for_ns(ms_to_ns(ms)); }

void ProviderGrid::run_for_ns(TimeNs ns) {
  const TimeNs limit = now_ + ns;
  while (step(limit)) {
  }
}

bool ProviderGrid::all_ready() const {
  return std::all_of(providers_.begin(), providers_.end(),
                     [](const auto& provider) { return provider == nullptr || provider->ready(); });
}

int ProviderGrid::leader_of(GroupId group) const {
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    const Replica* replica = providers_[i] ? providers_[i]->replica(group) : nullptr;
    if (replica != nullptr && replica->leads()) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace juxmem

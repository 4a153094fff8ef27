// What arrives at a provider: checked, then given to the part it is for.
#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "juxmem/provider/provider_core.h"

namespace juxmem {

bool ProviderCore::is_meant_for_us(const wire::Packet& packet) const {
  if (packet.to != 0 && packet.to != self_) return false;
  return packet.to_incarnation == 0 || packet.to_incarnation == options_.incarnation;
}

// A node's number stands for one life of it.
bool ProviderCore::is_who_it_says(const wire::Packet& packet) const {
  if (packet.from == 0) return true;
  if (packet.from == self_ || packet.incarnation == 0) return false;
  if (const wire::CatalogProvider* known = catalog_.provider(packet.from)) {
    return known->incarnation == packet.incarnation || is_later_life(*known, packet.incarnation);
  }
  const bool is_of_first = root_duties_ && bootstrap_ && packet.from <= bootstrap_->members().size();
  if (!is_of_first) return true;
  // With data folders one that had only begun goes on.
  const std::uint64_t met = bootstrap_->members()[packet.from - 1];
  return met == packet.incarnation || (journal_ && packet.incarnation > met);
}

void ProviderCore::on_packet(PeerId from, wire::Packet packet) {
  if (failure_ || !has_started_) return;
  ++stats_.packets;
  if (packet.from != 0 && is_meeting()) ask_for_grid(from);
  if (!is_meant_for_us(packet) || !is_who_it_says(packet)) {
    ++stats_.stale_packets;
    return;
  }
  if (packet.from != 0) outbox_.heard_from(packet.from, from);
  if (packet.from != 0) note_life(packet.from, packet.incarnation);
  const Sender sender{from, packet.from, packet.incarnation};
  for (wire::Message& message : packet.messages) receive(sender, std::move(message));
}

void ProviderCore::receive(const Sender& from, wire::Message message) {
  ++stats_.messages;
  std::visit(
      [&](auto& layer) {
        using T = std::decay_t<decltype(layer)>;
        if constexpr (std::is_same_v<T, wire::StreamMessage>) {
          receive_stream(from, std::move(layer));
        } else if constexpr (std::is_same_v<T, wire::GroupMessage>) {
          receive_group(from, std::move(layer));
        } else {
          receive_client(from, std::move(layer));
        }
      },
      message);
}

void ProviderCore::receive_stream(const Sender& from, wire::StreamMessage message) {
  const StreamId stream = std::visit([](const auto& kind) { return kind.stream; }, message);
  Hosted* hosted = from.node == 0 ? nullptr : touch(stream.group);
  if (hosted == nullptr) {
    refuse();  // often only early: a group's members learn of it one after the other
    return;
  }
  hosted->replica->on_stream(from.node, std::move(message));
}

void ProviderCore::receive_client(const Sender& from, wire::ClientMessage message) {
  if (from.peer == 0) {
    refuse();
    return;
  }
  if (agent_ == nullptr) {
    const auto* hello = std::get_if<wire::ClientHello>(&message);
    if (hello == nullptr) return;
    wire::ClientWelcome welcome;
    welcome.client = hello->client;
    welcome.code = Code::kTryAgain;
    welcome.detail = waiting_for();
    reply(from.peer, wire::ClientMessage(std::move(welcome)));
    return;
  }
  wire::Message whole(std::move(message));
  if (!Agent::is_for_agent_from_client(whole)) {
    refuse();
    return;
  }
  agent_->on_client(from.peer, std::move(whole));
}

void ProviderCore::receive_group(const Sender& from, wire::GroupMessage message) {
  if (receive_own(from, message)) return;
  if (from.node == 0) {
    refuse();
    return;
  }
  if (receive_as_learner(from, message)) return;
  if (const auto group = Replica::group_served_by(message)) {
    if (Hosted* hosted = touch(*group)) {
      hosted->replica->on_request(from.node, std::move(message));
      return;
    }
    if (std::holds_alternative<wire::ReadSnapshot>(message) || std::holds_alternative<wire::SnapshotReply>(message) ||
        std::holds_alternative<wire::ReadLog>(message)) {
      refuse();
      return;
    }
    // The asker's catalog is older or newer than ours.
    wire::Redirect redirect;
    redirect.group = *group;
    redirect.tag = std::visit(
        [](const auto& kind) -> std::uint64_t {
          if constexpr (requires { kind.tag; }) return kind.tag;
          return 0;
        },
        message);
    send(from.node, wire::GroupMessage(redirect));
    return;
  }
  wire::Message whole(std::move(message));
  if (agent_ == nullptr || !Agent::is_for_agent_from_group(whole)) {
    refuse();
    return;
  }
  agent_->on_group(from.node, std::move(whole));
}

bool ProviderCore::receive_as_learner(const Sender& from, wire::GroupMessage& message) {
  if (auto* piece = std::get_if<wire::SnapshotReply>(&message)) {
    const auto learner = learners_.find(piece->group);
    if (learner == learners_.end()) return false;
    learner->second.on_snapshot(now(), from.node, std::move(*piece));
    if (const std::string trouble = learner->second.take_trouble(); !trouble.empty())
      on_replica_trouble(learner->first, trouble);
    return true;
  }
  const auto* reply = std::get_if<wire::LogReply>(&message);
  if (reply == nullptr) return false;
  const auto learner = learners_.find(reply->group);
  if (learner == learners_.end()) return true;  // late
  learner->second.on_log(now(), from.node, *reply);
  if (learner->second.end()) become_member(reply->group);
  return true;
}

bool ProviderCore::receive_own(const Sender& from, const wire::GroupMessage& message) {
  return std::visit(
      [&](const auto& kind) {
        using T = std::decay_t<decltype(kind)>;
        if constexpr (std::is_same_v<T, wire::ManagerHello>) {
          on_hello(from, kind);
        } else if constexpr (std::is_same_v<T, wire::Join>) {
          on_join(from, kind);
        } else if constexpr (std::is_same_v<T, wire::Joined>) {
          on_joined(kind);
        } else if constexpr (std::is_same_v<T, wire::Report>) {
          if (root_duties_ && from.node != 0) root_duties_->on_report(now(), from.node, from.incarnation, kind);
        } else if constexpr (std::is_same_v<T, wire::WatchCatalog>) {
          if (from.node != 0) on_watch(from, kind);
        } else if constexpr (std::is_same_v<T, wire::ManagerList>) {
          membership_.on_manager_list(now(), kind);
          if (is_meeting()) on_list_while_meeting(from, kind);
          if (kind.seat_epoch != 0) take_forgotten_seat(from, kind);
        } else if constexpr (std::is_same_v<T, wire::CatalogSnapshot>) {
          if (from.node != 0) on_snapshot(kind);
        } else if constexpr (std::is_same_v<T, wire::ReportGroup>) {
          if (root_duties_) root_duties_->on_report_group(from.node, kind);
        } else if constexpr (std::is_same_v<T, wire::DrainRequest>) {
          if (root_duties_) root_duties_->on_drain(from.peer, kind);
        } else if constexpr (std::is_same_v<T, wire::MoveRequest>) {
          if (root_duties_) root_duties_->on_move(from.peer, kind);
        } else if constexpr (std::is_same_v<T, wire::StatusRequest>) {
          on_status_request(from, kind);
        } else if constexpr (std::is_same_v<T, wire::StatusReply>) {
          if (from.node != 0) status_duties_.on_reply(from.node, kind);
        } else if constexpr (std::is_same_v<T, wire::Redirect>) {
          on_redirect(from, kind);
          return kind.group == kRootGroup && kind.tag == 0 && agent_ == nullptr;
        } else {
          return false;
        }
        if constexpr (!std::is_same_v<T, wire::Redirect>) return true;
      },
      message);
}

void ProviderCore::on_redirect(const Sender& from, const wire::Redirect& redirect) {
  const std::vector<NodeId> known = managers();
  const bool from_manager = std::ranges::find(known, from.node) != known.end();
  if (redirect.group == kRootGroup && from_manager) membership_.on_root_coordinator(now(), redirect.coordinator);
}

wire::ManagerList ProviderCore::manager_list() const {
  wire::ManagerList list;
  list.grid = membership_.joined() || root_duties_ ? grid_ : 0;
  list.provider = options_.name;
  list.keeps_root = root_duties_.has_value();
  if (root_duties_) list.coordinator = find_replica(kRootGroup)->coordinator();
  for (NodeId node : managers()) {
    const wire::CatalogProvider* row = catalog_.provider(node);
    if (row == nullptr && (!options_.manager || node > contacts_.size())) continue;
    list.nodes.push_back(node);
    list.addresses.push_back(row != nullptr ? row->address : contacts_[node - 1]);
  }
  return list;
}

void ProviderCore::on_join(const Sender& from, const wire::Join& request) {
  if (is_meeting()) on_former_grid(request.grid, request.provider.name);
  if (root_duties_ && find_replica(kRootGroup)->leads()) {
    root_duties_->on_join(from.peer, request);
  } else if (from.peer != 0) {
    const std::optional<wire::ManagerList> seat = seat_of(request);
    reply(from.peer, wire::GroupMessage(seat ? *seat : manager_list()));
  }
}

// Whoever is no manager tells what it knows: the asker may know nobody else, or managers of long ago.
void ProviderCore::on_watch(const Sender& from, const wire::WatchCatalog& request) {
  if (root_duties_) {
    root_duties_->on_watch(now(), from.node, request);
  } else if (catalog_.version() > request.have) {
    send(from.node, wire::GroupMessage(catalog_.snapshot()));
  }
}

void ProviderCore::on_status_request(const Sender& from, const wire::StatusRequest& request) {
  const ReturnPath path = from.node != 0 ? ReturnPath{0, from.node} : ReturnPath{from.peer, 0};
  wire::StatusReply own = own_status();
  if (agent_ == nullptr) {
    own.code = Code::kTryAgain;
    wire::StatusRequest only_here = request;
    only_here.gather = false;
    status_duties_.on_request(now(), path, only_here, catalog_, std::move(own));
    return;
  }
  status_duties_.on_request(now(), path, request, catalog_, std::move(own));
}

}  // namespace juxmem

#include "juxmem/provider/catalog_machine.h"

#include <algorithm>
#include <variant>

namespace juxmem {
namespace {

constexpr std::uint64_t kKeptBytesMax = 256U << 20;

}  // namespace

wire::Reply CatalogMachine::execute(Instance instance, const OpId&, const wire::Action& action, const Buffer&,
                                    Applied& applied) {
  const std::uint64_t before = catalog_.version();
  wire::Reply reply;
  if (const auto* command = std::get_if<wire::JoinProvider>(&action)) {
    reply = catalog_.join(instance, *command);
  } else if (const auto* command = std::get_if<wire::LeaveProvider>(&action)) {
    reply = catalog_.leave(instance, *command);
  } else if (const auto* command = std::get_if<wire::ProviderState>(&action)) {
    reply = catalog_.set_state(instance, *command);
  } else if (const auto* command = std::get_if<wire::DrainProvider>(&action)) {
    reply = catalog_.drain(instance, *command);
  } else if (const auto* command = std::get_if<wire::MoveGroup>(&action)) {
    reply = catalog_.move_group(instance, *command);
  } else if (const auto* command = std::get_if<wire::GroupMoved>(&action)) {
    reply = catalog_.group_moved(instance, *command);
  } else if (const auto* command = std::get_if<wire::CreateGroup>(&action)) {
    reply = catalog_.create_group(instance, *command);
  } else if (const auto* command = std::get_if<wire::Reserve>(&action)) {
    reply = catalog_.reserve(instance, *command);
  } else if (const auto* command = std::get_if<wire::Unreserve>(&action)) {
    reply = catalog_.unreserve(instance, *command);
  } else if (const auto* command = std::get_if<wire::SettleQuota>(&action)) {
    reply = catalog_.settle(instance, *command);
  } else if (const auto* command = std::get_if<wire::PublishName>(&action)) {
    reply = catalog_.publish_name(*command);
  } else if (const auto* command = std::get_if<wire::UnpublishName>(&action)) {
    reply = catalog_.unpublish_name(*command);
  } else {
    reply.code = Code::kInvalid;
    reply.detail = "the root does not execute this command";
  }
  applied.catalog_changed = catalog_.version() != before;
  return reply;
}

bool CatalogMachine::is_idempotent(const wire::Action& action) const {
  return std::holds_alternative<wire::JoinProvider>(action) || std::holds_alternative<wire::LeaveProvider>(action) ||
         std::holds_alternative<wire::ProviderState>(action) || std::holds_alternative<wire::DrainProvider>(action) ||
         std::holds_alternative<wire::MoveGroup>(action) || std::holds_alternative<wire::GroupMoved>(action);
}

bool CatalogMachine::is_preparation(const wire::Action&) const { return false; }

void CatalogMachine::on_session_expired(SessionId) {}

std::uint64_t CatalogMachine::state_digest() const { return catalog_.digest(); }

bool CatalogMachine::read_state(SnapshotNumber number, wire::SnapshotCursor& cursor, wire::SnapshotFiller& filler) const {
  return catalog_.read_rows(number, cursor, filler);
}

// Names are most of a large catalog, and nobody counts those before one.
std::uint32_t CatalogMachine::percent_read(SnapshotNumber, const wire::SnapshotCursor& cursor) const {
  return 50 * std::min(cursor.part, 1U);
}

bool CatalogMachine::keeps_too_much(std::uint64_t session_bytes) const {
  return session_bytes + catalog_.kept_bytes() > kKeptBytesMax;
}

}  // namespace juxmem

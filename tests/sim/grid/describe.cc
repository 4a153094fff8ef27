#include "tests/sim/grid/describe.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <string_view>

#include "juxmem/base/digest.h"
#include "juxmem/wire/codec.h"

namespace juxmem::sim {
namespace {

// The bare name of a message's type.
template <typename T>
std::string_view type_name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t from = text.find("wire::") + 6;
  return text.substr(from, text.find_first_of(";]", from) - from);
}

std::string details(const wire::Accept& m) {
  return fmt::format("{} {} from {} x{} decided {}", m.stream.group, to_string(m.ballot), m.first, m.entries.size(),
                     m.decided);
}
std::string details(const wire::Accepted& m) {
  return fmt::format("{} {} up to {}", m.stream.group, to_string(m.ballot), m.up_to);
}
std::string details(const wire::Heartbeat& m) {
  return fmt::format("{} {} decided {} last {}", m.stream.group, to_string(m.ballot), m.decided, m.last);
}
std::string details(const wire::PreVote& m) { return fmt::format("{} round {}", m.stream.group, m.round); }
std::string details(const wire::PreVoteReply& m) {
  return fmt::format("{} round {} {} promised {}", m.stream.group, m.round, m.agreed, to_string(m.promised));
}
std::string details(const wire::Nack& m) {
  return fmt::format("{} {} promised {}", m.stream.group, to_string(m.ballot), to_string(m.promised));
}
std::string details(const wire::Prepare& m) { return fmt::format("{} {}", m.stream.group, to_string(m.ballot)); }
std::string details(const wire::Promise& m) {
  return fmt::format("{} {} decided {} x{}", m.stream.group, to_string(m.ballot), m.decided, m.entries.size());
}
std::string details(const wire::Propose& m) { return fmt::format("{} tag {} of {} bytes", m.group, m.tag, m.data.size()); }
std::string details(const wire::Executed& m) {
  return fmt::format("{} tag {} at {}: {} {}", m.group, m.tag, m.instance, name_of(m.reply.code), m.reply.detail);
}
std::string details(const wire::Redirect& m) { return fmt::format("{} tag {} to {}", m.group, m.tag, m.coordinator); }
std::string details(const wire::Outcome& m) { return fmt::format("{} {}", m.group, to_string(m.op)); }
std::string details(const wire::RenewSession& m) { return fmt::format("{} {}", m.group, m.session); }
std::string details(const wire::SessionRenewed& m) { return fmt::format("{} {} alive {}", m.group, m.session, m.alive); }
std::string details(const wire::RequestOwnership& m) {
  return fmt::format("{} of {} {} #{}", block_name(m.block), m.session, to_string(m.mode), m.request);
}
std::string details(const wire::Granted& m) {
  return fmt::format("{} to {} {} #{} {} version {} {}", block_name(m.block), m.session, to_string(m.mode), m.request,
                     to_string(m.grant), m.version, name_of(m.code));
}
std::string details(const wire::Recall& m) {
  return fmt::format("{} of {} {} keep {}", block_name(m.block), m.session, to_string(m.grant), to_string(m.keep));
}
std::string details(const wire::Yield& m) {
  return fmt::format("{} of {} {} keep {}", block_name(m.block), m.session, to_string(m.grant), to_string(m.keep));
}
std::string details(const wire::Reregister& m) { return fmt::format("{} {} {}", m.group, m.session, to_string(m.ballot)); }
std::string details(const wire::HoldingsReply& m) {
  return fmt::format("{} {} {} x{}", m.group, m.session, to_string(m.ballot), m.holdings.size());
}
std::string details(const wire::CatalogSnapshot& m) {
  return fmt::format("version {} providers {} groups {}", m.version, m.providers.size(), m.groups.size());
}
std::string details(const wire::ClientWelcome& m) { return fmt::format("{} by {}", name_of(m.code), m.agent); }
std::string details(const wire::ClientRequest& m) {
  const auto name = std::visit([]<typename T>(const T&) { return type_name<T>(); }, m.body);
  return fmt::format("{:x} {} {} confirmed {} limit {}", m.client & 0xFFFF, name, m.request, m.confirmed, m.limit_ms);
}
std::string details(const wire::ClientAnswer& m) {
  return fmt::format("{}: {} {} block {} version {} section {}", m.request, name_of(m.code), m.detail, block_name(m.block),
                     m.version, m.section);
}
std::string details(const wire::ClientHello& m) { return fmt::format("{:x}", m.client & 0xFFFF); }
std::string details(const wire::ClientGoodbye& m) { return fmt::format("{:x}", m.client & 0xFFFF); }
std::string details(const wire::ClientBeat& m) {
  return fmt::format("{:x} last {} held {}", m.client & 0xFFFF, m.last, fmt::join(m.held, ","));
}
std::string details(const wire::AgentBeat& m) { return fmt::format("{:x} known {}", m.client & 0xFFFF, m.known); }
template <typename T>
std::string details(const T&) {
  return {};
}

}  // namespace

std::string describe(const wire::Packet& packet) {
  std::uint64_t digest = 0;
  for (const Buffer& part : wire::encode(packet)) digest = digest_of(part.bytes(), digest);
  std::string text = fmt::format("{} {:08x}:", packet.from, digest & 0xFFFFFFFF);
  for (const wire::Message& message : packet.messages) {
    std::visit(
        [&](const auto& kind) {
          std::visit([&]<typename T>(const T& one) { text += fmt::format(" {}({})", type_name<T>(), details(one)); }, kind);
        },
        message);
  }
  return text;
}

}  // namespace juxmem::sim

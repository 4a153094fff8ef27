#include "consistency/paxos/describe.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "consistency/paxos/entry_log.h"

namespace juxmem {
namespace {

constexpr std::size_t kTextShownMax = 24;
constexpr std::size_t kEntriesShownMax = 8;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isgraph(c) != 0; });
}

std::string describe_entries(const std::vector<wire::Entry>& entries, bool with_ballots) {
  std::string text = "[";
  for (std::size_t i = 0; i < entries.size() && i < kEntriesShownMax; ++i) {
    if (i > 0) text += ' ';
    text += describe(entries[i]);
    if (with_ballots && entries[i].ballot != Ballot{}) text += '@' + to_string(entries[i].ballot);
  }
  if (entries.size() > kEntriesShownMax) text += fmt::format(" ...{} more", entries.size() - kEntriesShownMax);
  return text + ']';
}

struct Describer {
  std::string operator()(const wire::PreVote& m) const {
    return fmt::format("PreVote round {} decided {}", m.round, m.decided);
  }
  std::string operator()(const wire::PreVoteReply& m) const {
    return fmt::format("PreVoteReply round {} {} promised {}", m.round, m.agreed ? "agreed" : "refused",
                       to_string(m.promised));
  }
  std::string operator()(const wire::Prepare& m) const {
    const std::string released = m.released == Ballot{} ? "" : " released " + to_string(m.released);
    return fmt::format("Prepare {} decided {}{}", to_string(m.ballot), m.decided, released);
  }
  std::string operator()(const wire::Promise& m) const {
    return fmt::format("Promise {} decided {} from {} {}{}", to_string(m.ballot), m.decided, m.first,
                       describe_entries(m.entries, true), m.last ? "" : " more");
  }
  std::string operator()(const wire::Accept& m) const {
    std::string way = m.relay == 0 ? "" : fmt::format(" by {}", m.relay);
    for (std::size_t i = 0; i < m.pass_to.size(); ++i) way += fmt::format("{}{}", i == 0 ? " pass to " : ",", m.pass_to[i]);
    return fmt::format("Accept {} from {} {} decided {} keep {}{}", to_string(m.ballot), m.first,
                       describe_entries(m.entries, false), m.decided, m.keep_from, way);
  }
  std::string operator()(const wire::Accepted& m) const {
    return fmt::format("Accepted {} up to {} decided {}", to_string(m.ballot), m.up_to, m.decided);
  }
  std::string operator()(const wire::SiteAccepted& m) const {
    std::string rows;
    for (const wire::MemberAccepted& row : m.members) {
      rows += fmt::format("{}{} up to {} decided {}", rows.empty() ? "" : ", ", row.node, row.up_to, row.decided);
    }
    return fmt::format("SiteAccepted {} [{}]", to_string(m.ballot), rows);
  }
  std::string operator()(const wire::Heartbeat& m) const {
    return fmt::format("{} {} decided {} last {} keep {}", m.sent_at == 0 ? "Notice" : "Heartbeat", to_string(m.ballot),
                       m.decided, m.last, m.keep_from);
  }
  std::string operator()(const wire::Nack& m) const {
    return fmt::format("Nack {} promised {}", to_string(m.ballot), to_string(m.promised));
  }
  std::string operator()(const wire::Transfer& m) const { return fmt::format("Transfer {}", to_string(m.ballot)); }
  std::string operator()(const wire::ReadIndex& m) const { return fmt::format("ReadIndex {}", m.tag); }
  std::string operator()(const wire::ReadIndexReply& m) const {
    return fmt::format("ReadIndexReply {} at {} of {}", m.tag, m.index, to_string(m.ballot));
  }
  std::string operator()(const wire::Ended& m) const {
    return fmt::format("Ended {} from {} {} end {}", to_string(m.ballot), m.first, describe_entries(m.entries, false),
                       m.end);
  }
};

}  // namespace

std::string describe(const wire::StreamMessage& message) { return std::visit(Describer{}, message); }

std::string describe(const wire::Entry& entry) {
  if (EntryLog::is_hole(entry)) return "-";
  switch (entry.kind) {
    case wire::EntryKind::kNoop:
      return "noop";
    case wire::EntryKind::kDigest:
      return "digest";
    case wire::EntryKind::kStop:
      return "stop";
    case wire::EntryKind::kCommand:
      break;
  }
  const std::string_view text = entry.command.text();
  if (!text.empty() && text.size() <= kTextShownMax && is_printable(text)) return std::string(text);
  return fmt::format("<{} bytes>", entry.size_bytes());
}

}  // namespace juxmem

#include "juxmem/base/types.h"

#include <fmt/core.h>

namespace juxmem {

std::string to_string(const Ballot& ballot) { return fmt::format("{}.{}", ballot.round, ballot.node); }
std::string to_string(const StreamId& stream) { return fmt::format("{}/{}", stream.group, stream.epoch); }
std::string to_string(const OpId& op) { return fmt::format("{}#{}.{}", op.session, op.slot, op.counter); }
std::string to_string(const Grant& grant) { return fmt::format("{}+{}", to_string(grant.ballot), grant.counter); }
std::string block_name(BlockId block) { return fmt::format("{}:{}", group_of(block), slot_of(block)); }

const char* to_string(Mode mode) {
  switch (mode) {
    case Mode::kNone:
      return "none";
    case Mode::kShared:
      return "shared";
    case Mode::kExclusive:
      return "exclusive";
  }
  return "invalid";
}

}  // namespace juxmem

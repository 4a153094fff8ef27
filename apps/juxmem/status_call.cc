#include "apps/juxmem/status_call.h"

#include <sstream>

#include "apps/juxmem/grid_call.h"

namespace juxmem {

std::vector<std::string> split_addresses(const std::string& uri) {
  std::vector<std::string> addresses;
  std::istringstream parts(uri);
  for (std::string part; std::getline(parts, part, ',');) {
    if (!part.empty()) addresses.push_back(part);
  }
  return addresses;
}

Result<wire::StatusReply> ask_status(const std::vector<std::string>& addresses, bool gather, std::int64_t limit_ms) {
  auto reply = ask_grid<wire::StatusReply>(addresses, wire::StatusRequest{.tag = 0, .gather = gather}, limit_ms);
  if (reply && reply->code != Code::kOk)
    return fail(reply->code, "the provider has not joined its grid yet, or has too much to do");
  return reply;
}

}  // namespace juxmem

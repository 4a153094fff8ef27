// Asking a grid how it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "juxmem/base/result.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// "tcp://a:1,tcp://b:2" -> its addresses.
std::vector<std::string> split_addresses(const std::string& uri);

// Asks the providers at `addresses` and takes the first answer. With `gather`, the one that answers asks all others first. Blocks at
// most limit_ms. Errors: kInvalid (an address), kUnreachable (nobody answered), or what the provider answered.
Result<wire::StatusReply> ask_status(const std::vector<std::string>& addresses, bool gather, std::int64_t limit_ms);

}  // namespace juxmem

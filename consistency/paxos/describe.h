// Messages and entries as short text, for transcripts and logs.
#pragma once

#include <string>

#include "juxmem/wire/stream_messages.h"

namespace juxmem {

// One line without times, e.g. "Accept 1.1 from 4 [x y] decided 3 keep 1".
std::string describe(const wire::StreamMessage& message);
// "noop", "digest", "stop", or the command's text when it is short and printable, else its size.
std::string describe(const wire::Entry& entry);

}  // namespace juxmem

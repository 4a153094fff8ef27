// What the catalog answers to a command that cannot be executed.
#pragma once

#include <string>
#include <utility>

#include "juxmem/base/result.h"
#include "juxmem/wire/commands.h"

namespace juxmem {

inline wire::Reply refusal(Code code, std::string detail) {
  wire::Reply reply;
  reply.code = code;
  reply.detail = std::move(detail);
  return reply;
}

}  // namespace juxmem

// An inspection for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "apps/juxmem/inspect_command_read.h"

namespace juxmem {

std::string inspection_text(const Inspection& inspection);
nlohmann::json inspection_json(const Inspection& inspection);

}  // namespace juxmem

#include <fmt/core.h>

#include "apps/juxmem/commands.h"
#include "apps/juxmem/inspect_command_view.h"

namespace juxmem {

int inspect_command(const Arguments& arguments) {
  CommandLine line(
      "inspect", "FOLDER|FILE [-j] [-r]",
      "Shows what a provider keeps on disk: the log, its streams, the checkpoints, and what is damaged or lost.\n"
      "FILE is one segment (log-N) or one checkpoint (checkpoint-G-E-I). Everything is only read, so a folder may\n"
      "be looked at while its provider runs. Exit code 1 if a fault was found; a torn tail, which every crash may\n"
      "leave, is none.",
      "  juxmem inspect data/node1\n  juxmem inspect -r data/node1/log-0000000000000003\n");
  line.options()("json,j", "JSON for programs")("records,r", "every record, in the order in which they were logged");
  if (const auto ended = line.parse(arguments, 1, 1)) return *ended;
  const bool records = line.has("records");
  nlohmann::json rows = nlohmann::json::array();
  const auto found = inspect(line.operands().front(), [&](const PlacedRecord& placed) {
    if (!records) return;
    if (line.has("json")) {
      rows.push_back({{"lsn", placed.lsn}, {"previous", placed.previous}, {"record", to_string(placed.record)}});
    } else {
      fmt::print("{:>12}  {}\n", placed.lsn, to_string(placed.record));
    }
  });
  if (!found) return line.failed(found.error());
  if (line.has("json")) {
    nlohmann::json out = inspection_json(*found);
    if (records) out["records"] = std::move(rows);
    fmt::print("{}\n", out.dump(2));
  } else {
    fmt::print("{}{}", records ? "\n" : "", inspection_text(*found));
  }
  return found->has_faults() ? kExitFailed : kExitOk;
}

}  // namespace juxmem

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/grid_error.h"
#include "apps/hdf5/dataset_meta.h"
#include "apps/juxmem/commands.h"
#include "apps/juxmem/progress_bar.h"
#include "apps/juxmem/text_table.h"
#include "juxmem/base/types.h"

namespace juxmem {
namespace {

struct NamedBlock {
  std::string name;
  juxmem_id block = 0;
};

Result<std::vector<NamedBlock>> list_names(juxmem_grid* grid, const std::string& prefix) {
  std::vector<NamedBlock> rows;
  const auto collect = [](const char* name, juxmem_id block, void* context) {
    static_cast<std::vector<NamedBlock>*>(context)->push_back({name, block});
    return 0;
  };
  const int code = juxmem_list(grid, prefix.c_str(), collect, &rows, nullptr);
  if (code != JUXMEM_OK) return grid_error(code, "cannot list " + prefix);
  return rows;
}

std::string shape_text(const DatasetMeta& meta) {
  std::string text = meta.type;
  for (std::uint64_t extent : meta.shape) text += fmt::format("[{}]", extent);
  return text;
}

// What the block's meta data says, if it is an imported dataset.
std::string describe_meta(const std::vector<std::byte>& meta) {
  if (meta.empty()) return "none";
  const auto dataset = decode_meta(meta);
  if (!dataset) return size_text(meta.size());
  return fmt::format("dataset {}, {} attributes", shape_text(*dataset), dataset->attributes.size());
}

struct BlockFacts {
  juxmem_stat_info info = {};
  std::vector<std::byte> meta;
};

Result<BlockFacts> facts_of(juxmem_grid* grid, juxmem_id block) {
  BlockFacts facts;
  facts.meta.resize(64U << 10);
  const int code = juxmem_stat(grid, block, &facts.info, facts.meta.data(), facts.meta.size());
  if (code != JUXMEM_OK) return grid_error(code, "cannot look at block " + block_name(block));
  facts.meta.resize(std::min(facts.meta.size(), facts.info.meta_bytes));
  return facts;
}

Result<juxmem_id> find_block(juxmem_grid* grid, const std::string& name) {
  juxmem_id block = 0;
  const int code = juxmem_lookup(grid, name.c_str(), &block);
  if (code != JUXMEM_OK) return grid_error(code, name);
  return block;
}

nlohmann::json json_of(const std::string& name, juxmem_id block, const BlockFacts& facts) {
  nlohmann::json fields = {{"name", name},
                           {"block", block_name(block)},
                           {"id", block},
                           {"size_bytes", facts.info.size},
                           {"version", facts.info.version},
                           {"sites", facts.info.sites},
                           {"nodes_per_site", facts.info.nodes_per_site},
                           {"meta_bytes", facts.meta.size()}};
  if (const auto dataset = decode_meta(facts.meta)) {
    nlohmann::json attributes = nlohmann::json::object();
    for (const AttributeMeta& attribute : dataset->attributes) {
      const auto number = dataset->number(attribute.name);
      attributes[attribute.name] = number ? nlohmann::json(*number) : nlohmann::json(attribute.type);
    }
    fields["dataset"] = {{"type", dataset->type}, {"shape", dataset->shape}, {"attributes", attributes}};
  }
  return fields;
}

// Frees the block; its name goes first, so that nobody finds a freed one.
Status remove_name(juxmem_grid* grid, const NamedBlock& row, bool keep_block) {
  int code = juxmem_unpublish(grid, row.name.c_str());
  if (code != JUXMEM_OK) return grid_error(code, "cannot remove the name " + row.name);
  if (keep_block) return {};
  code = juxmem_free(grid, row.block);
  if (code != JUXMEM_OK && code != JUXMEM_ENOENT) return grid_error(code, "cannot free the block of " + row.name);
  return {};
}

}  // namespace

int ls_command(const Arguments& arguments) {
  CommandLine line("ls", "[PREFIX] [-l] [options]",
                   "Lists the names that begin with PREFIX (all without it), in byte order.",
                   "  juxmem ls\n  juxmem ls -l dcw/FR\n");
  line.add_grid_option();
  line.options()("long,l", "with block, size, version and copies");
  if (const auto ended = line.parse(arguments, 0, 1)) return *ended;
  const auto grid = open_grid_of(line);
  if (!grid) return line.failed(grid.error());
  const auto rows = list_names(grid->get(), line.operands().empty() ? "" : line.operands().front());
  if (!rows) return line.failed(rows.error());
  if (!line.has("long")) {
    for (const NamedBlock& row : *rows) fmt::print("{}\n", row.name);
    return kExitOk;
  }
  TextTable table({"BLOCK", "SIZE ", "VERSION ", "COPIES", "NAME"});
  for (const NamedBlock& row : *rows) {
    const auto facts = facts_of(grid->get(), row.block);
    if (!facts) {
      table.add({block_name(row.block), "freed", "-", "-", row.name});
      continue;
    }
    table.add({block_name(row.block), size_text(facts->info.size), std::to_string(facts->info.version),
               fmt::format("{}x{}", facts->info.sites, facts->info.nodes_per_site), row.name});
  }
  fmt::print("{}", table.text());
  return kExitOk;
}

int stat_command(const Arguments& arguments) {
  CommandLine line("stat", "NAME [-j] [options]", "Shows what is known about the block published under NAME.",
                   "  juxmem stat dcw/FR_lon\n  juxmem stat -j dcw/FR_lon\n");
  line.add_grid_option();
  line.options()("json,j", "print JSON");
  if (const auto ended = line.parse(arguments, 1, 1)) return *ended;
  const auto grid = open_grid_of(line);
  if (!grid) return line.failed(grid.error());
  const auto block = find_block(grid->get(), line.operands().front());
  if (!block) return line.failed(block.error());
  const auto facts = facts_of(grid->get(), *block);
  if (!facts) return line.failed(facts.error());
  if (line.has("json")) {
    fmt::print("{}\n", json_of(line.operands().front(), *block, *facts).dump(2));
    return kExitOk;
  }
  fmt::print(
      "name     {}\nblock    {} (id {})\nsize     {} bytes ({})\nversion  {}\ncopies   {} site(s) x {} node(s)\nmeta     "
      "{}\n",
      line.operands().front(), block_name(*block), *block, facts->info.size, size_text(facts->info.size),
      facts->info.version, facts->info.sites, facts->info.nodes_per_site, describe_meta(facts->meta));
  const auto dataset = decode_meta(facts->meta);
  if (!dataset) return kExitOk;
  for (const AttributeMeta& attribute : dataset->attributes) {
    const auto number = dataset->number(attribute.name);
    fmt::print("  {:<20} {}\n", attribute.name, number ? fmt::format("{}", *number) : attribute.type);
  }
  return kExitOk;
}

int rm_command(const Arguments& arguments) {
  CommandLine line("rm", "NAME... [options]", "Removes names and frees the blocks that they lead to.",
                   "  juxmem rm mydata/x mydata/y\n  juxmem rm --recursive mydata\n  juxmem rm --keep-block alias\n");
  line.add_grid_option();
  line.options()("recursive,r", "everything below NAME/")("keep-block", "remove the name only");
  if (const auto ended = line.parse(arguments, 1, SIZE_MAX)) return *ended;
  const auto grid = open_grid_of(line);
  if (!grid) return line.failed(grid.error());
  std::vector<NamedBlock> doomed;
  for (const std::string& name : line.operands()) {
    if (line.has("recursive")) {
      const auto rows = list_names(grid->get(), name.ends_with('/') ? name : name + "/");
      if (!rows) return line.failed(rows.error());
      if (rows->empty()) return line.failed({Code::kNoSuchName, name});
      doomed.insert(doomed.end(), rows->begin(), rows->end());
    } else {
      const auto block = find_block(grid->get(), name);
      if (!block) return line.failed(block.error());
      doomed.push_back({name, *block});
    }
  }
  ProgressBar bar("rm");
  for (std::size_t i = 0; i < doomed.size(); ++i) {
    bar.show(i, doomed.size(), doomed[i].name);
    if (Status removed = remove_name(grid->get(), doomed[i], line.has("keep-block")); !removed)
      return line.failed(removed.error());
  }
  return kExitOk;
}

}  // namespace juxmem

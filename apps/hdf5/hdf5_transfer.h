// HDF5 files into the grid and back: one block per dataset.
#pragma once

#include <juxmem/juxmem.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "juxmem/base/result.h"

namespace juxmem {

// What an import or export did, for people.
struct TransferReport {
  std::uint64_t datasets = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> skipped;      // "path: why" of datasets that could not be taken
  std::uint64_t skipped_attributes = 0;  // of kinds that are not kept (references, variable-length text, ...)
};

// Called before each dataset: how many are done, how many there are, and the one that comes.
using TransferProgress = std::function<void(std::uint64_t done, std::uint64_t total, const std::string& path)>;

struct ImportOptions {
  std::string prefix;  // names are PREFIX/dataset/path; must not be empty
  std::uint32_t sites = 1;
  std::uint32_t nodes_per_site = 1;
  juxmem_durability durability = JUXMEM_MEMORY;
  bool replace = false;  // unpublish and free what is published under the same name
};

// Every dataset of numbers or of text of fixed length becomes a block, published under its name, with type, shape and attributes as the
// block's meta data (dataset_meta.h). Others are skipped and named. Errors: kIo (not an HDF5 file), kNameTaken, of the grid.
Result<TransferReport> import_hdf5(juxmem_grid* grid, const std::string& file, const ImportOptions& options,
                                   const TransferProgress& progress);

// Writes every dataset published under PREFIX/ to a new file, with its groups and attributes. Blocks that hold no dataset are skipped
// and named. Errors: kNoSuchName (nothing under the prefix), kIo (the file exists already or cannot be written), of the grid.
Result<TransferReport> export_hdf5(juxmem_grid* grid, const std::string& prefix, const std::string& file,
                                   const TransferProgress& progress);

}  // namespace juxmem

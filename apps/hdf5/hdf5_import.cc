#include <algorithm>
#include <span>

#include "apps/grid_error.h"
#include "apps/hdf5/hdf5_handles.h"
#include "apps/hdf5/hdf5_scales.h"
#include "apps/hdf5/hdf5_transfer.h"

namespace juxmem {
namespace {

// Smaller datasets are written in one call, larger ones are read by the library straight into a mapping.
constexpr std::uint64_t kOneShotBytes = 4U << 20;

struct Object {
  std::string path;  // without the leading slash; "" is the root group
  bool is_dataset = false;
};

herr_t collect_object(hid_t, const char* name, const H5O_info_t* info, void* objects) {
  const std::string path = std::string(name) == "." ? "" : name;
  if (info->type == H5O_TYPE_DATASET || info->type == H5O_TYPE_GROUP) {
    static_cast<std::vector<Object>*>(objects)->push_back({path, info->type == H5O_TYPE_DATASET});
  }
  return 0;
}

// Nothing was ever stored, and what was not is zero: so is a new block.
bool is_unwritten_zeros(hid_t dataset, hid_t type) {
  if (H5Dget_storage_size(dataset) > 0) return false;
  const H5Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  std::vector<unsigned char> fill(H5Tget_size(type), 1);
  if (H5Pget_fill_value(properties.get(), type, fill.data()) < 0) return false;
  return std::all_of(fill.begin(), fill.end(), [](unsigned char byte) { return byte == 0; });
}

class Importer {
 public:
  Importer(juxmem_grid* grid, hid_t file, const ImportOptions& options) : grid_(grid), file_(file), options_(options) {}

  Result<TransferReport> run(const TransferProgress& progress);

 private:
  Status take_dataset(const std::string& path);
  Status take_group(const std::string& path);
  Result<juxmem_id> make_block(const DatasetMeta& meta, std::uint64_t size_bytes);
  Status fill(juxmem_id block, hid_t dataset, hid_t type, std::uint64_t size_bytes);
  Status publish(const std::string& name, juxmem_id block);
  void skip(const std::string& path, const std::string& why) { report_.skipped.push_back(path + ": " + why); }

  juxmem_grid* grid_;
  hid_t file_;
  const ImportOptions& options_;
  TransferReport report_;
};

Result<TransferReport> Importer::run(const TransferProgress& progress) {
  std::vector<Object> objects;
  if (H5Ovisit2(file_, H5_INDEX_NAME, H5_ITER_INC, collect_object, &objects, H5O_INFO_BASIC) < 0) {
    return fail(Code::kIo, "cannot list what the file holds");
  }
  const auto total = static_cast<std::uint64_t>(
      std::count_if(objects.begin(), objects.end(), [](const Object& o) { return o.is_dataset; }));
  std::uint64_t done = 0;
  for (const Object& object : objects) {
    if (object.is_dataset && progress) progress(done++, total, object.path);
    Status taken = object.is_dataset ? take_dataset(object.path) : take_group(object.path);
    if (!taken) return std::unexpected(taken.error());
  }
  return report_;
}

Status Importer::take_dataset(const std::string& path) {
  const H5Handle dataset(H5Dopen2(file_, path.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset) return fail(Code::kIo, "cannot open the dataset " + path);
  const H5Handle type(H5Dget_type(dataset.get()), H5Tclose);
  const H5Handle space(H5Dget_space(dataset.get()), H5Sclose);
  DatasetMeta meta;
  meta.path = path;
  const auto name = type_name(type.get());
  const auto shape = shape_of(space.get());
  if (!name || !shape) {
    skip(path, name ? "it has no dataspace" : "its element type is not a plain number or fixed text");
    return {};
  }
  meta.type = *name;
  meta.shape = *shape;
  meta.attributes = read_attributes(dataset.get(), report_.skipped_attributes);
  meta.is_written = !is_unwritten_zeros(dataset.get(), type.get());
  meta.scale_of = read_scale_uses(dataset.get());
  const std::uint64_t size_bytes = meta.element_count() * *element_bytes(meta.type);
  const auto block = make_block(meta, size_bytes);
  if (!block) return std::unexpected(block.error());
  Status filled = meta.is_written ? fill(*block, dataset.get(), type.get(), size_bytes) : Status{};
  if (filled) filled = publish(options_.prefix + "/" + path, *block);
  if (!filled) {
    juxmem_free(grid_, *block);
    return filled;
  }
  ++report_.datasets;
  report_.bytes += size_bytes;
  return {};
}

// A group's attributes are kept with a block of their own, PREFIX/path/.group; a group without any needs none.
Status Importer::take_group(const std::string& path) {
  const H5Handle group(H5Gopen2(file_, path.empty() ? "/" : path.c_str(), H5P_DEFAULT), H5Gclose);
  if (!group) return fail(Code::kIo, "cannot open the group " + path);
  DatasetMeta meta{path, "u1le", {0}, read_attributes(group.get(), report_.skipped_attributes), true, false};
  if (meta.attributes.empty()) return {};
  const auto block = make_block(meta, 0);
  if (!block) return std::unexpected(block.error());
  Status published = publish(options_.prefix + "/" + (path.empty() ? "" : path + "/") + ".group", *block);
  if (!published) juxmem_free(grid_, *block);
  return published;
}

Result<juxmem_id> Importer::make_block(const DatasetMeta& meta, std::uint64_t size_bytes) {
  const auto encoded = encode_meta(meta);
  if (!encoded) return std::unexpected(encoded.error());
  juxmem_attr attr;
  juxmem_attr_init(&attr);
  attr.sites = options_.sites;
  attr.nodes_per_site = options_.nodes_per_site;
  attr.durability = options_.durability;
  attr.meta = encoded->data();
  attr.meta_bytes = encoded->size();
  juxmem_id block = 0;
  const int code = juxmem_malloc(grid_, std::max<std::uint64_t>(size_bytes, 1), &attr, &block);
  if (code != JUXMEM_OK) return grid_error(code, "cannot allocate a block for " + meta.path);
  return block;
}

Status Importer::fill(juxmem_id block, hid_t dataset, hid_t type, std::uint64_t size_bytes) {
  if (size_bytes == 0) return {};
  if (size_bytes <= kOneShotBytes) {
    std::vector<std::byte> data(size_bytes);
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()) < 0)
      return fail(Code::kIo, "cannot read the dataset");
    // A block is zero when it is allocated.
    if (std::ranges::all_of(data, [](std::byte b) { return b == std::byte{0}; })) return {};
    const int code = juxmem_write(grid_, block, 0, data.data(), data.size());
    if (code != JUXMEM_OK) return grid_error(code, "cannot write the block");
    return {};
  }
  void* memory = nullptr;
  int code = juxmem_mmap(grid_, block, 0, size_bytes, &memory);
  if (code != JUXMEM_OK) return grid_error(code, "cannot map the block");
  code = juxmem_acquire(grid_, block);
  bool read = false;
  if (code == JUXMEM_OK) {
    read = H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory) >= 0;
    code = juxmem_release(grid_, block);
  }
  const auto failed = grid_error(code, "cannot write the block");
  juxmem_munmap(grid_, memory);
  if (code != JUXMEM_OK) return failed;
  if (!read) return fail(Code::kIo, "cannot read the dataset");
  return {};
}

Status Importer::publish(const std::string& name, juxmem_id block) {
  int code = juxmem_publish(grid_, name.c_str(), block);
  if (code == JUXMEM_EEXIST && options_.replace) {
    juxmem_id former = 0;
    if (juxmem_lookup(grid_, name.c_str(), &former) == JUXMEM_OK) {
      juxmem_unpublish(grid_, name.c_str());
      juxmem_free(grid_, former);
    }
    code = juxmem_publish(grid_, name.c_str(), block);
  }
  if (code != JUXMEM_OK) return grid_error(code, "cannot publish " + name);
  return {};
}

}  // namespace

Result<TransferReport> import_hdf5(juxmem_grid* grid, const std::string& file, const ImportOptions& options,
                                   const TransferProgress& progress) {
  if (options.prefix.empty()) return fail(Code::kInvalid, "the prefix must not be empty");
  const H5Silence silence;
  const H5Handle opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!opened) return fail(Code::kIo, file + " cannot be read as an HDF5 file");
  return Importer(grid, opened.get(), options).run(progress);
}

}  // namespace juxmem
